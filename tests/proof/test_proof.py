"""The proof that tests can fail, and that they fail for what is wrong alone."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.cli.prove import Caught, Proof, Spared, read_proof
from hil.judge.verdict import Verdict
from hil.report.record import Record, Run, Test, Testbed
from hil.report.verdicts import count

AT_LEAST_DEFECTS = 15


@pytest.mark.timeout(1500)
def test_every_defect_is_caught_and_no_variant_blamed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hil.cli", "prove", "--json", "--rate", "20", "--report-dir", str(tmp_path)]
    played = subprocess.run(command, capture_output=True, text=True, timeout=1400, check=False)
    proof = json.loads(played.stdout)
    assert [defect["name"] for defect in proof["defects"] if not defect["caught"]] == []
    assert [variant for variant in proof["variants"] if variant["failed"]] == []
    assert proof["false_alarms"] == 0
    assert len(proof["defects"]) >= AT_LEAST_DEFECTS
    assert played.returncode == 0


DEFECT = {"name": "dn-reversed", "requirement": "DN-ORDER"}
VARIANT = {"name": "sha1"}


def record(*tests: Test) -> Record:
    bench = Testbed(name="prove", file="prove.yaml", kind="virtual", rate=1.0)
    run = Run(id="run", started=datetime(2026, 1, 1, tzinfo=UTC), seconds=1.0, exit_text="", testbed=bench, versions={})
    return Record(run=run, phones=(), requirements=(), tests=tests, sittings=(), counts=count(test.verdict for test in tests))


def judged(phone: str, requirement: str, verdict: Verdict) -> Test:
    return Test(
        id="t",
        name="test_dn_order",
        phone=phone,
        requirements=(requirement,),
        verdict=verdict,
        seconds=0.0,
        sitting="sitting-1",
        reason="csr.subject",
    )


@pytest.mark.parametrize(
    ("test", "caught"),
    [
        (judged("d-dn-reversed", "DN-ORDER", Verdict.DEVIATES), True),
        (judged("d-dn-reversed", "DN-ORDER", Verdict.CONFORMS), False),
        (judged("d-dn-reversed", "DN-ORDER", Verdict.BENCH_FAULT), False),
        (judged("d-dn-reversed", "DN-PRESENT", Verdict.DEVIATES), False),
        (judged("d-dn-dropped", "DN-ORDER", Verdict.DEVIATES), False),
    ],
)
def test_a_defect_is_caught_by_a_deviation_from_its_own_requirement_alone(test: Test, caught: bool) -> None:
    proof = read_proof(record(test), [DEFECT], [])
    assert proof.defects == (Caught("dn-reversed", "DN-ORDER", caught, ("test_dn_order",) if caught else ()),)
    assert proof.holds is caught


@pytest.mark.parametrize("verdict", [Verdict.DEVIATES, Verdict.INCONCLUSIVE, Verdict.BENCH_FAULT])
def test_whatever_is_no_pass_on_a_variant_is_a_false_alarm(verdict: Verdict) -> None:
    proof = read_proof(record(judged("v-sha1", "HABITS", verdict)), [], [VARIANT])
    assert proof == Proof((), (Spared("sha1", ("test_dn_order",), (f"test_dn_order {verdict} in sitting-1: csr.subject",)),))
    assert proof.false_alarms == 1


def test_a_variant_that_was_never_played_is_no_pass() -> None:
    assert not read_proof(record(), [], [VARIANT]).holds
