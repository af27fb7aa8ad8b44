"""The suite keeps its word: a test judges every requirement, and every one that can be broken has a phone that breaks it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from suite_reading import SUITE, SuiteTest, suite_tests

from hil.judge.requirements import FILE, load
from hil.judge.rules import RULES

REQUIREMENTS = load(SUITE / FILE)

WITHOUT_A_DEFECT: dict[str, str] = {
    "THREE-PROFILES": "its parts are broken by profile-3-ignored and profiles-share-url, whose tests name PROFILE-URL",
    "KEYLEN-2048": "a phone that breaks it has no key of any length that is supported",
    "CN-DEFAULT": "serial-lower-case breaks it as well; a defect names one requirement",
    "MESSAGE-SIGNATURE": "a phone that spoils it is refused before anything else of it can be seen",
}
"""Requirements that no defect names, and why; whoever adds the defect takes the line out."""


def defects() -> list[dict[str, str]]:
    listed = subprocess.run(
        [sys.executable, "-P", "-m", "hil.virtual.phone", "--list-defects"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found: list[dict[str, str]] = json.loads(listed.stdout)
    return found


def test_every_requirement_is_named_by_a_test() -> None:
    named = {identifier for test in suite_tests() for identifier in test.requirements}
    assert set(REQUIREMENTS) - named == set()


def test_every_mark_names_a_requirement() -> None:
    unknown = {(test.name, identifier) for test in suite_tests() for identifier in test.requirements}
    assert {pair for pair in unknown if pair[1] not in REQUIREMENTS} == set()


@pytest.mark.parametrize("test", suite_tests(), ids=lambda test: test.name)
def test_every_test_has_a_scenario_and_a_requirement(test: SuiteTest) -> None:
    assert test.scenario is not None
    assert test.requirements


@pytest.mark.parametrize("identifier", REQUIREMENTS)
def test_what_is_documented_has_a_fact_that_a_document_rules(identifier: str) -> None:
    requirement = REQUIREMENTS[identifier]
    ruled = {RULES[fact].basis for fact in requirement.facts} & {"documented", "standard"}
    assert bool(ruled) is (requirement.basis != "characterised")
    assert requirement.place


def test_every_requirement_that_can_be_broken_has_a_defect() -> None:
    broken = {defect["requirement"] for defect in defects()}
    breakable = {identifier for identifier, requirement in REQUIREMENTS.items() if requirement.basis != "characterised"}
    assert breakable - broken == set(WITHOUT_A_DEFECT), "a new gap, or one that is closed and still listed"


def test_every_defect_breaks_a_requirement_that_can_be_broken() -> None:
    basis = {defect["name"]: REQUIREMENTS[defect["requirement"]].basis for defect in defects()}
    assert {name for name, found in basis.items() if found == "characterised"} == set()
