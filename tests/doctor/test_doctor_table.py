"""The table of checks, and how it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from yaml import compose

from hil.bench.source import Source
from hil.doctor.checks import CHECKS
from hil.doctor.examining import Answer, Check, Ill, State, Untold, examine, fit
from hil.doctor.visit import Visit
from hil.errors import LabFault, Misuse

EXTERNAL = Path(__file__).parents[2] / "testbeds" / "example-external-ca.yaml"


def check(name: str, *needs: str, fails: Exception | None = None, restarts: bool = False) -> Check[list[str]]:
    """One that writes down that it was asked."""

    def ask(asked: list[str]) -> str:
        asked.append(name)
        if fails is not None:
            raise fails
        return "seen"

    return Check(name, f"about {name}", needs, ask, "the table's remedy", restarts)


def test_each_check_is_asked_whatever_became_of_those_that_it_does_not_need() -> None:
    asked: list[str] = []
    answers = examine(
        [
            check("a", fails=Ill("broken")),
            check("b", "a"),
            check("c", "b"),
            check("d"),
            check("e", "d", fails=Untold("who knows")),
        ],
        asked,
    )
    assert asked == ["a", "d", "e"]
    assert answers == (
        Answer("a", State.ILL, "broken", "the table's remedy"),
        Answer("b", State.UNASKED, "because a is not ok"),
        Answer("c", State.UNASKED, "because b was not asked"),
        Answer("d", State.WELL, "seen"),
        Answer("e", State.UNTOLD, "who knows"),
    )
    assert not fit(answers)
    assert fit(answers[3:])


@pytest.mark.parametrize(
    ("fails", "seen", "remedy"),
    [
        (Ill("broken", "mend it"), "broken", "mend it"),
        (LabFault("broken", port="7"), "broken (port 7)", "the table's remedy"),
        (Misuse("is wrong", file="bench.yaml", key="power", remedy="write it so"), "bench.yaml: power: is wrong", "write it so"),
        (
            Misuse("is wrong", file=Source(Path("b.yaml"), compose("a: 1\nb: 2")), key="b"),
            "b.yaml:2: b: is wrong",
            "the table's remedy",
        ),
        (PermissionError(13, "Permission denied"), "this PC failed: [Errno 13] Permission denied", "the table's remedy"),
    ],
)
def test_each_fault_has_a_remedy(fails: Exception, seen: str, remedy: str) -> None:
    assert examine([check("a", fails=fails)], []) == (Answer("a", State.ILL, seen, remedy),)


def test_a_quick_examination_restarts_nobody() -> None:
    asked: list[str] = []
    heard: list[str] = []
    answers = examine([check("a", restarts=True), check("b", "a"), check("c")], asked, quick=True, tell=heard.append)
    assert asked == ["c"]
    assert heard == ["about c"]
    assert [answer.seen for answer in answers] == ["because phones are left alone (--quick)", "because a was not asked", "seen"]
    assert fit(answers)


def test_what_a_check_needs_comes_before_it() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for place, each in enumerate(CHECKS):
        assert set(each.needs) <= set(names[:place])
        assert each.remedy


def test_a_secret_that_is_not_there_is_told_once_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIL_ENTITY_PASSWORD", raising=False)
    monkeypatch.setenv("HIL_SWITCH_COMMUNITY", "here")
    (answer,) = examine(CHECKS[:1], Visit(EXTERNAL, tmp_path))
    line = EXTERNAL.read_text().splitlines().index("      - {common_name: $SERIALNO, password_env: HIL_ENTITY_PASSWORD}") + 1
    place = f"{EXTERNAL}:{line}: ca.external.entities[0].password_env"
    assert answer.seen == f"{place}: the environment has no HIL_ENTITY_PASSWORD"
    assert answer.remedy == "export HIL_ENTITY_PASSWORD"
