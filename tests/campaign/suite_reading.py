"""The suite's tests with their scenarios and requirements, read from their marks."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hil.scenario import Scenario

SUITE = Path(__file__).resolve().parents[2] / "suite"


@dataclass(frozen=True)
class SuiteTest:
    """One test of the suite, a parametrised one for each of its parameters."""

    name: str
    scenario: Scenario | None
    requirements: tuple[str, ...]


@functools.cache
def suite_tests() -> tuple[SuiteTest, ...]:
    """Every test of the suite."""
    return tuple(test for file in sorted(SUITE.glob("test_*.py")) for test in _tests_in(_loaded(file)))


def scenarios_of_the_suite() -> tuple[Scenario, ...]:
    """Every scenario of the suite, once, with those that must share their boots with another."""
    mine = [test.scenario for test in suite_tests() if test.scenario is not None]
    return tuple(dict.fromkeys(mine))


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"read_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tests_in(module: ModuleType) -> Iterator[SuiteTest]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_"):
            marks = list(getattr(function, "pytestmark", ()))
            sets = [mark.args[1] for mark in marks if mark.name == "parametrize"]
            for parameters in sets[0] if sets else [None]:
                yield _test(name, [*getattr(parameters, "marks", ()), *marks])


def _test(name: str, marks: list[Any]) -> SuiteTest:
    marks = [getattr(mark, "mark", mark) for mark in marks]
    scenarios = [mark.args[0] for mark in marks if mark.name == "scenario"]
    requirements = [identifier for mark in marks if mark.name == "requirement" for identifier in mark.args]
    return SuiteTest(name, scenarios[0] if scenarios else None, tuple(requirements))
