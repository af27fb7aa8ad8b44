from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from hil.cli.main import VERBS, app

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_found_by_its_name(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0, done.output
    assert f" {verb} [OPTIONS]" in done.output


def test_help_names_every_verb() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output.partition("Commands")[2]
    assert re.findall(r"^\W (\w+)", listed, re.MULTILINE) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_no_word_of_help_is_taken_for_markup(verb: str) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    found = [group.get_command(Context(group), verb)]
    for command in found:
        found += getattr(command, "commands", {}).values()
        told = [command.help, *(getattr(parameter, "help", None) for parameter in command.params)]
        assert not [text for text in told if re.search(r"\[[a-z#/@]", text or "")]


def test_a_verb_loads_no_other() -> None:
    program = (
        "import json, sys\ntry:\n from hil.cli.main import main\n main()\nexcept SystemExit:\n print(json.dumps([*sys.modules]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program, "decode", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "hil.cli.decode" in loaded
    assert not {"aiohttp", "pysnmp", "hil.cli.ca", "hil.cli.power"} & set(loaded)
