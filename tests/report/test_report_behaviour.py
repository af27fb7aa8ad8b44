from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.judge.behaviour import Behaviour
from hil.judge.verdict import Verdict
from hil.report.behaviour import behaviour_of, page, write
from hil.report.record import Finding, InCapture, Phone, Record, Requirement, Run, Test, Testbed
from hil.report.verdicts import count

AT = datetime(2026, 1, 1, tzinfo=UTC)
PHONE = Phone(name="j179-1", model="J179", mac="c8:1f:ea:83:e8:5a", serial="19WZ1234567A", firmware="4.1.11.0.9")
ASKED = Requirement(id="WIRE", title="What do requests look like?", place="no document", basis="characterised", facts=("a", "b"))


def finding(fact: str, value: Any, frame: int | None = 137, **changes: Any) -> Finding:
    seen = InCapture(file="evidence/j179-1/s01/boot-2.pcapng", frame=frame, time=AT) if frame else None
    told = {"rule": "no document", "source": "baseline", "verdict": Verdict.CHARACTERISED, **changes}
    return Finding(fact=fact, phone=value, phone_seen=seen, **told)


def judged(name: str, *findings: Finding, phone: str = PHONE.name, **changes: Any) -> Test:
    told = {"requirements": ("WIRE",), "verdict": Verdict.CHARACTERISED, "seconds": 0.0, **changes}
    return Test(id=name, name=name, phone=phone, findings=findings, **told)


def record(*tests: Test) -> Record:
    bench = Testbed(name="lab", file="lab.yaml", kind="virtual", rate=20.0)
    run = Run(id="a-run", started=AT, seconds=1.0, exit_text="", testbed=bench, versions={})
    counts = count(test.verdict for test in tests)
    return Record(run=run, phones=(PHONE,), requirements=(ASKED,), tests=tests, sittings=(), counts=counts)


def seen(*tests: Test) -> Behaviour:
    return behaviour_of(record(*tests), PHONE)


def test_a_fact_has_value_unit_and_proof() -> None:
    told = seen(judged("test_wire", finding("request.nonce_length", 16)))
    fact = told.facts["request.nonce_length"]
    assert (fact.value, fact.unit) == (16, "bytes")
    assert fact.proof is not None
    assert (fact.proof.capture, fact.proof.frame) == ("evidence/j179-1/s01/boot-2.pcapng", 137)
    assert (told.model, told.firmware, told.run, told.rate) == ("J179", "4.1.11.0.9", "a-run", 20.0)


def test_a_tests_own_parameter_is_the_case_of_its_facts() -> None:
    told = seen(judged("test_refused[badAlg]", finding("a", "never")), judged("test_refused[badTime]", finding("a", "at once")))
    assert {name: fact.value for name, fact in told.facts.items()} == {"a [badAlg]": "never", "a [badTime]": "at once"}


def test_values_that_differ_in_one_run_are_all_kept() -> None:
    tests = [judged(f"test_{number}", finding("a", value)) for number, value in enumerate(("GET", "POST", "GET"))]
    fact = seen(*tests).facts["a"]
    assert (fact.value, fact.differs) == (["GET", "POST"], True)


def test_what_documents_rule_and_what_others_did_is_left_out() -> None:
    ruled = finding("a", 1, verdict=Verdict.CONFORMS)
    assert seen(judged("test_wire", ruled), judged("test_wire", finding("b", 2), phone="other")).facts == {}


def test_what_was_not_seen_says_why() -> None:
    missing = finding("a", None, None, reason="asked but once")
    unplayed = judged("test_storing", verdict=Verdict.BENCH_FAULT, reason="the switch does not answer")
    told = seen(judged("test_wire", missing), unplayed)
    assert told.facts == {}
    assert told.unknown == {"a": "asked but once", "test_storing": "bench fault: the switch does not answer"}


def test_a_fact_seen_once_is_not_among_the_unseen() -> None:
    told = seen(judged("one", finding("a", None, None, reason="gone")), judged("two", finding("a", "here")))
    assert (set(told.facts), told.unknown) == ({"a"}, {})


def test_the_page_asks_shows_and_proves(tmp_path: Path) -> None:
    hostile = finding("a", "x | y\n<script> \x1b[2J c81fea83e85a")
    run = record(judged("test_wire", hostile, finding("b", None, None, reason="gone")))
    [(file, shown)] = write(run, tmp_path).values()
    assert Behaviour.load(file) == behaviour_of(run, PHONE)
    text = shown.read_text()
    row = next(line for line in text.splitlines() if "| a |" in line)
    assert "What do requests look like?" in row
    assert "evidence/j179-1/s01/boot-2.pcapng frame 137" in row
    assert "x \\| y" in row
    assert "&lt;script>" in row
    assert "\x1b" not in text
    assert "c81fea" not in text
    assert "| b | gone |" in text


def test_nothing_seen_makes_a_page_all_the_same() -> None:
    empty = record()
    assert "J179 with firmware 4.1.11.0.9" in page(behaviour_of(empty, PHONE), empty)
