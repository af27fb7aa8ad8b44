"""The suite keeps its word: a test judges every requirement, and every one that can be broken has a phone that breaks it."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from typing import Any

import pytest
from suite_reading import SUITE, SuiteTest, suite_tests

from hil.judge.requirements import FILE, load
from hil.judge.rules import RULES

REQUIREMENTS = load(SUITE / FILE)

WITHOUT_A_DEFECT: dict[str, str] = {}
"""Requirements that no defect names, and why; whoever adds the defect takes the line out."""


@functools.cache
def listed_by_the_phone(option: str) -> list[dict[str, Any]]:
    listed = subprocess.run(
        [sys.executable, "-P", "-m", "hil.virtual.phone", option],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    found: list[dict[str, Any]] = json.loads(listed.stdout)
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
    broken = {defect["requirement"] for defect in listed_by_the_phone("--list-defects")}
    breakable = {identifier for identifier, requirement in REQUIREMENTS.items() if requirement.basis != "characterised"}
    assert breakable - broken == set(WITHOUT_A_DEFECT), "a new gap, or one that is closed and still listed"


def test_every_defect_breaks_a_requirement_that_can_be_broken() -> None:
    basis = {defect["name"]: REQUIREMENTS[defect["requirement"]].basis for defect in listed_by_the_phone("--list-defects")}
    assert {name for name, found in basis.items() if found == "characterised"} == set()


@pytest.mark.parametrize("variant", listed_by_the_phone("--list-variants"), ids=lambda variant: variant["name"])
def test_every_variant_says_which_requirements_it_could_mislead(variant: dict[str, Any]) -> None:
    assert variant["about"]
    assert set(variant["about"]) - set(REQUIREMENTS) == set()
