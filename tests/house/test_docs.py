"""What README and docs say is so: commands, links, codes, words; and what the tree must not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from hil.cli.main import VERBS
from hil.evidence import BootKind, EventName
from hil.judge.rules import RULES
from hil_fixtures import outcome

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SETS_UP = re.compile(r"\s*(\$ )?(sudo|apt(-get)?|pip3?|pipx|uv|python3? -m (venv|pip)|git|curl|wget|make|docker)\b")
MODULE_LIMIT = 400
# in parts, so that this file does not hold what it looks for
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("docker", "io"),
    )
)


def code_blocks(page: Path) -> list[list[str]]:
    """Lines of each fenced block of a page."""
    return [block.splitlines() for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)]


def table_rows(page: Path) -> Iterator[tuple[str, ...]]:
    """Cells of each table row of a page."""
    for line in page.read_text().splitlines():
        if line.startswith("|"):
            yield tuple(cell.strip() for cell in line.strip("|").split("|"))


def tree() -> Iterator[Path]:
    """Files of the repository, without what tools and runs leave in it."""
    left_behind = {"reports", "build", "dist", "__pycache__", "node_modules"}
    folders = [ROOT]
    while folders:
        for entry in folders.pop().iterdir():
            hidden = entry.name.startswith(".") and entry.name != ".ci"
            if entry.is_symlink() or entry.name in left_behind or entry.name.endswith(".egg-info"):
                continue
            if entry.is_dir() and not hidden:
                folders.append(entry)
            elif entry.is_file():
                yield entry


def test_two_commands_set_up() -> None:
    blocks = code_blocks(ROOT / "README.md")
    assert blocks[0] == ["./bench nightly", "./bench test"]
    more = [line for block in blocks[1:] for line in block if SETS_UP.match(line) or line.startswith("./bench")]
    assert not more, "another command that sets up"


def test_the_commands_are_the_scripts() -> None:
    script = (ROOT / "bench").read_text()
    assert {"nightly", "test"} <= set(re.findall(r"^    (\w+)\)$", script, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_resolve(page: Path) -> None:
    links = [target for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in target]
    gone = [target for target in links if not (page.parent / target.partition("#")[0]).exists()]
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_of_a_machine(page: Path) -> None:
    found = re.findall(r"(?<![\w./-])/(?:home|root|work|tmp|Users)(?:/\S*)?", page.read_text())
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_verbs_of_hil_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^ {4,}|`|\.venv/bin/)hil ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= VERBS.keys()


def test_exit_codes_are_those_of_the_fixtures() -> None:
    documented = {
        cells[1].strip("`"): (int(cells[0]), cells[2])
        for cells in table_rows(ROOT / "docs" / "judging.md")
        if cells[0].isdigit() and len(cells) == 3
    }
    constants = {
        name: (value, outcome.EXIT_TEXTS[value]) for name, value in vars(outcome).items() if name.isupper() and type(value) is int
    }
    assert documented == constants


def test_readme_has_every_exit_code() -> None:
    codes = {int(cells[0]) for cells in table_rows(ROOT / "README.md") if cells[0].isdigit()}
    assert codes == set(outcome.EXIT_TEXTS)


def test_events_are_explained() -> None:
    source = "".join(file.read_text() for file in (ROOT / "hil").rglob("*.py"))
    published = {EventName[name].value for name in re.findall(r"EventName\.([A-Z_]+)\b", source)}
    table = (ROOT / "docs" / "evidence.md").read_text().partition("## The event log")[2].partition("\n## ")[0]
    explained = {name for line in re.findall(r"^\| (.+?) \|", table, re.MULTILINE) for name in line.split(", ")} - {"name", "---"}
    assert published <= explained
    assert explained <= set(EventName)


def test_kinds_of_boot_are_explained() -> None:
    first_cells = {cells[0] for cells in table_rows(ROOT / "docs" / "evidence.md")}
    assert set(get_args(BootKind)) <= first_cells


def test_what_is_characterised_is_listed() -> None:
    listed = (ROOT / "docs" / "judging.md").read_text().partition("## Not established")[2]
    facts = {fact for fact, rule in RULES.items() if rule.basis == "baseline"}
    assert facts == set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)`", listed))


def test_modules_are_short() -> None:
    modules = [file for room in ("benchmarks", "hil", "fixtures") for file in (ROOT / room).rglob("*.py")]
    assert modules
    too_long = {
        str(file.relative_to(ROOT)): count for file in modules if (count := len(file.read_text().splitlines())) > MODULE_LIMIT
    }
    assert not too_long


def test_no_registry_is_named() -> None:
    named = []
    for file in tree():
        content = file.read_bytes()
        named += [f"{file.relative_to(ROOT)}: {host}" for host in REGISTRIES if host.encode() in content]
    assert not named


def test_picture_of_the_report_is_small() -> None:
    assert (ROOT / "docs" / "report.png").stat().st_size < 250_000
