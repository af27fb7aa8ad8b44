from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue

from hil.errors import Misuse
from hil.judge.behaviour import Behaviour, Proof, anonymous, differences, unit_of
from hil.judge.rules import SECONDS

PROOF = Proof(capture="evidence/j179-1/s01/boot-2.pcapng", frame=137, time=datetime(2026, 11, 27, tzinfo=UTC))


def behaviour(**values: JsonValue) -> Behaviour:
    facts = {name.replace("__", "."): value for name, value in values.items()}
    told = {name: Behaviour.Fact(value=value, unit=unit_of(name), proof=PROOF) for name, value in facts.items()}
    return Behaviour(model="J179", firmware="4.1", phone="j179-1", run="a-run", testbed="lab", rate=1.0, facts=told)


def names(before: Behaviour, after: Behaviour) -> list[str]:
    return [found.fact for found in differences(before, after)]


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    told = behaviour(request__http_method="POST", csr__extensions=[], request__nonce_length=16)
    told = told.model_copy(update={"unknown": {"ungranted.poll_minutes": "asked but once"}})
    file = told.save(tmp_path / "behaviour.yaml")
    assert Behaviour.load(file) == told
    assert [left.name for left in tmp_path.iterdir()] == ["behaviour.yaml"]


def test_what_one_does_and_the_other_does_not_differs() -> None:
    before = behaviour(request__http_method="POST", request__digest="sha1", request__nonce_length=16)
    after = behaviour(request__http_method="GET", request__digest="sha1", profile_order=[3, 2, 1])
    assert names(before, after) == ["profile_order", "request.http_method", "request.nonce_length"]
    assert names(before, before) == []


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(60.0, 60.4, True), (1.0, 10.9, True), (1.0, 11.1, False), (100.0, 199.0, True), (100.0, 201.0, False), (20.0, 1.0, False)],
)
def test_measured_spans_differ_only_beyond_the_tolerance(before: float, after: float, same: bool) -> None:
    fact = "timing.preparation"
    assert unit_of(fact) == SECONDS
    found = names(behaviour(timing__preparation=before), behaviour(timing__preparation=after))
    assert found == ([] if same else [fact])


@pytest.mark.parametrize(("before", "after", "same"), [(5.86, 5.87, True), (24.0, 5.9, False), (0.0, 0.01, False)])
def test_hours_are_held_to_the_tolerance_of_spans(before: float, after: float, same: bool) -> None:
    found = names(behaviour(renewal__hours_over_restart=before), behaviour(renewal__hours_over_restart=after))
    assert found == ([] if same else ["renewal.hours_over_restart"])


def test_counts_have_no_tolerance() -> None:
    assert names(behaviour(ungranted__polls=10), behaviour(ungranted__polls=11)) == ["ungranted.polls"]


@pytest.mark.parametrize("written", ["c81fea83e85a", "C8:1F:EA:83:E8:5A", "c8-1f-ea-83-e8-5a"])
def test_two_phones_of_a_kind_have_equal_files(written: str) -> None:
    told = anonymous([f"agent (MAC:{written})", "19wz1234567A.txt", 7], "c8:1f:ea:83:e8:5a", "19WZ1234567a")
    assert told == ["agent (MAC:<MAC>)", "<SERIAL>.txt", 7]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("format: 2", "format"),
        ("[", "is no YAML"),
        ("facts: 3", "model: Field required"),
        ("x" * 1_000_001, "more than 1000000 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "behaviour.yaml"
    file.write_text(text)
    with pytest.raises(Misuse, match=told):
        Behaviour.load(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        Behaviour.load(tmp_path / "nothing.yaml")
