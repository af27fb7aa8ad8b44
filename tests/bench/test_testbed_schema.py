"""The JSON schema of testbeds: what editors are told is what `load` takes, and each key is explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from hil.bench.testbed import schema
from hil.cli.main import app

TESTBEDS = Path(__file__).parents[2] / "testbeds"
FILE = TESTBEDS / "testbed.schema.json"
EXAMPLES = sorted(TESTBEDS.glob("*.yaml"))


def models(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every model of the schema with its name, the ways of power among them."""
    yield "Testbed", described
    yield from described["$defs"].items()


def complaints(raw: object) -> list[str]:
    """What an editor has against a testbed."""
    described = schema()
    Draft202012Validator.check_schema(described)
    validator = Draft202012Validator(described, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(raw)]


def properties(described: dict[str, Any], model: str) -> set[str]:
    return set(described["$defs"][model]["properties"])


def test_the_schema_in_the_tree_is_that_of_the_models(tmp_path: Path) -> None:
    made = tmp_path / "made.json"
    assert CliRunner().invoke(app, ["testbed", "schema", str(made)]).exit_code == 0
    assert FILE.read_bytes() == made.read_bytes(), "run: hil testbed schema testbeds/testbed.schema.json"


def test_it_is_shown_where_no_file_is_named() -> None:
    assert json.loads(CliRunner().invoke(app, ["testbed", "schema"]).stdout) == schema()


def test_every_key_is_explained() -> None:
    silent = [
        f"{model}.{key}"
        for model, described in models(schema())
        for key, about in described.get("properties", {}).items()
        if not about.get("description")
    ]
    assert not silent, "keys without a description"


def test_no_model_takes_a_key_that_it_does_not_know() -> None:
    assert all(described.get("additionalProperties") is False for _, described in models(schema()))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_each_testbed_names_the_schema_and_is_valid_by_it(example: Path) -> None:
    first = example.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={FILE.name}"
    assert not complaints(yaml.safe_load(example.read_text()))


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ((), "raet", 30),
        (("times",), "quiet", -1),
        (("network",), "address", "192.0.2"),
        (("network", "radius"), "clients", []),
        (("power",), "kind", "snpm"),
        (("phones", 1), "modle", "J179"),
        (("phones", 1, "power"), "port", "two"),
        ((), "phones", []),
    ],
)
def test_an_editor_sees_what_load_refuses(place: tuple[str | int, ...], key: str, value: object) -> None:
    raw = here = yaml.safe_load((TESTBEDS / "virtual.yaml").read_text())
    for part in place:
        here = here[part]
    here[key] = value
    assert complaints(raw)


def test_the_page_explains_every_key_of_the_file() -> None:
    page = (TESTBEDS.parent / "docs" / "testbed.md").read_text()
    named = {word for line in page.splitlines() if line.startswith("|") for word in re.findall(r"`(\w+)`", line)}
    described = schema()
    known = {
        key
        for name in ("Times", "Network", "Radius", "Ca", "External", "EndEntity", "Labgrid", "Phone", "VirtualPhone")
        for key in properties(described, name)
    }
    assert known | set(described["properties"]) <= named
