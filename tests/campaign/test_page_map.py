"""Every statement of the SCEP page is held to by a requirement, or it is said why it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator
from suite_reading import SUITE

from hil.judge.requirements import FILE, load

REQUIREMENTS = load(SUITE / FILE)
KEPT_PAGES = SUITE.parents[1] / "shared" / "seed"

HEADERS = {"Parameter", "Type", "Default value", "Description", "String", "Integer", "Numeric"}
PARAMETER = re.compile(r"(\w+)(?:, \w+)+")
STATEMENT_ENDS = re.compile(r"\.(?=\s|$)\s*|\n(?=[A-Z0-9])")
PLACE = re.compile(r"SCEP page, ([\w ]+?)(?:, sentences? ([\d, and]+))?(?=;|$)")


class Statement(BaseModel):
    """A sentence of the page, or a line of a list in it, in our own words, and exactly one thing about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: str
    requirements: tuple[str, ...] = ()
    untestable: str = ""
    untested: str = ""

    @model_validator(mode="after")
    def _one_of_three(self) -> Statement:
        if sum(map(bool, (self.requirements, self.untestable, self.untested))) != 1:
            raise ValueError("a statement has requirements, or is untestable, or untested")
        return self


PAGE = TypeAdapter(dict[str, tuple[Statement, ...]]).validate_python(yaml.safe_load((SUITE / "page.yaml").read_text()))


def sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """The sections of the page's text by name, each with its lines; a parameter's is called after its first name."""
    name, lines, notes = "Introduction", list[str](), iter(("first note", "second note"))
    for line in filter(None, map(str.strip, text.splitlines())):
        parameter = PARAMETER.fullmatch(line)
        if parameter or line in ("SCEP Enrollment", "Note:"):
            yield name, lines
            name, lines = parameter[1] if parameter else next(notes) if line == "Note:" else line, []
        elif line not in HEADERS:
            lines.append(line)
    yield name, lines


def test_the_map_has_the_statements_of_the_page() -> None:
    pages = sorted(KEPT_PAGES.glob("*.txt"))
    if not pages:
        pytest.skip("the page's text is not kept beside this checkout")
    counted = {
        name: sum(bool(part.strip()) for part in STATEMENT_ENDS.split("\n".join(lines)))
        for name, lines in sections(pages[0].read_text(encoding="utf-8"))
    }
    assert list(counted.items()) == [(name, len(statements)) for name, statements in PAGE.items()]


def test_statements_end_at_full_stops_and_where_a_line_of_a_list_begins() -> None:
    text = "One. Two of 36.5 days\nwhich go on:\nSIP\n802.1x\nThe last."
    assert len([part for part in STATEMENT_ENDS.split(text) if part]) == 5


def test_every_statement_names_requirements_that_exist() -> None:
    named = chain.from_iterable(statement.requirements for statement in chain.from_iterable(PAGE.values()))
    assert set(named) - set(REQUIREMENTS) == set()


def places(identifier: str) -> Iterator[tuple[str, list[int]]]:
    for found in PLACE.finditer(REQUIREMENTS[identifier].place):
        yield found[1], [int(number) for number in re.findall(r"\d+", found[2] or "")]


@pytest.mark.parametrize("identifier", REQUIREMENTS)
def test_the_place_of_a_requirement_is_that_of_the_statements_that_name_it(identifier: str) -> None:
    mapped = {
        section: numbers
        for section, statements in PAGE.items()
        if (numbers := [number for number, each in enumerate(statements, 1) if identifier in each.requirements])
    }
    assert dict(places(identifier)) == mapped
