"""The proof that tests can fail, and that they fail for what is wrong alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hil.bench.testbed import load
from hil.cli.prove import MOST_PHONES, Caught, Role, bench_for, briefly, read_proof, shared_out
from hil.judge.verdict import Verdict
from hil.report.record import Test
from hil.virtual.phone.catalogue import DEFECTS, VARIANTS

AT_LEAST = {"defects": 45, "variants": 15}


@pytest.mark.timeout(1500)
def test_every_defect_is_caught_and_no_variant_blamed(
    tmp_path: Path, tell_at_the_end: Callable[[str, str], None], thorough: bool
) -> None:
    command = [sys.executable, "-m", "hil.cli", "prove", "--json", "--rate", "20", "--report-dir", str(tmp_path)]
    command += [] if thorough else ["--quick"]
    played = subprocess.run(command, capture_output=True, text=True, timeout=1400, check=False)
    proof = json.loads(played.stdout)
    tell_at_the_end("the proof", played.stderr.splitlines()[-1])
    assert [defect["name"] for defect in proof["defects"] if not defect["caught"]] == []
    assert [variant for variant in proof["variants"] if variant["failed"] or not variant["judged"]] == []
    assert proof["false_alarms"] == 0
    caught_by = {defect["name"]: defect["by"] for defect in proof["defects"]}
    assert "test_a_phone_that_is_told_an_earlier_time_waits" in caught_by["clock-never-back"]
    due = len(DEFECTS) if thorough else len({defect.requirement for defect in DEFECTS.values()})
    assert {kind: len(proof[kind]) for kind in AT_LEAST} == {"defects": due, "variants": len(VARIANTS)}
    assert all(len(proof[kind]) >= least for kind, least in AT_LEAST.items())
    assert played.returncode == 0


def test_a_quick_proof_has_a_defect_of_each_requirement_and_all_variants() -> None:
    defects = [Role("defect", {"name": name, "requirement": about}) for name, about in (("a", "X"), ("b", "Y"), ("c", "X"))]
    variant = Role("variant", {"name": "odd", "about": ("X", "Y")})
    shortened = briefly([*defects, variant])
    assert [(role.name, role.requirements) for role in shortened] == [("a", ("X",)), ("b", ("Y",)), ("odd", ("X",))]


DEFECT = Role("defect", {"name": "dn-reversed", "requirement": "DN-ORDER"})
VARIANT = Role("variant", {"name": "sha1", "about": ["HABITS"]})


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
    proof = read_proof([test], [DEFECT])
    assert proof.defects == (Caught("dn-reversed", "DN-ORDER", caught, ("test_dn_order",) if caught else ()),)
    assert proof.holds is caught


@pytest.mark.parametrize("verdict", [Verdict.DEVIATES, Verdict.INCONCLUSIVE, Verdict.BENCH_FAULT])
def test_whatever_is_no_pass_on_a_variant_is_a_false_alarm(verdict: Verdict) -> None:
    passed = judged("v-sha1", "HABITS", Verdict.CONFORMS)
    proof = read_proof([passed, judged("v-sha1", "HABITS", verdict)], [VARIANT])
    (variant,) = proof.variants
    assert (variant.failed, proof.false_alarms) == (("test_dn_order",), 1)
    assert variant.reasons == (f"test_dn_order {verdict} in sitting-1: csr.subject",)


def test_a_variant_that_passes_what_it_is_about_holds() -> None:
    proof = read_proof([judged("v-sha1", "HABITS", Verdict.CONFORMS)], [VARIANT])
    assert proof.holds
    assert str(proof) == "0 of 0 defects caught, 0 false alarms on 1 variants (1 judgments)"


@pytest.mark.parametrize(
    ("played", "failed"),
    [
        ([], "nothing was played"),
        ([judged("v-sha1", "HABITS", Verdict.NOT_APPLICABLE)], "HABITS was not judged"),
        ([judged("v-sha1", "DN-ORDER", Verdict.CONFORMS)], "HABITS was not judged"),
    ],
)
def test_a_variant_that_was_not_judged_on_what_it_is_about_is_no_pass(played: list[Test], failed: str) -> None:
    proof = read_proof(played, [VARIANT])
    assert proof.variants[0].failed == (failed,)
    assert not proof.holds


def test_the_cast_is_shared_out_over_nights_alike() -> None:
    cast = [Role("defect" if number < 60 else "variant", {"name": str(number)}) for number in range(91)]
    nights = shared_out(cast, 60)
    assert sorted(map(len, nights)) == [45, 46]
    assert sorted((role for night in nights for role in night), key=lambda role: int(role.name)) == cast
    assert all(14 <= sum(role.kind == "variant" for role in night) <= 17 for night in nights)
    assert shared_out(cast, 91) == [cast]


def requirements_of_phones(full: bool) -> list[object]:
    everywhere = Role("variant", {"name": "odd", "about": []})
    return [phone.get("requirements") for phone in bench_for([DEFECT, VARIANT, everywhere], full, 30.0, 12)["phones"]]


def test_each_phone_plays_what_it_is_about_and_in_full_a_variant_plays_the_suite() -> None:
    assert requirements_of_phones(full=False) == [["DN-ORDER"], ["HABITS"], None]
    assert requirements_of_phones(full=True) == [["DN-ORDER"], None, None]


def test_the_bench_for_the_largest_proof_is_one(tmp_path: Path) -> None:
    file = tmp_path / "prove.yaml"
    roles = [Role("variant", {"name": f"odd-{number}", "about": []}) for number in range(MOST_PHONES)]
    file.write_text(yaml.safe_dump(bench_for(roles, False, 30.0, 12)))
    assert len(load(file).phones) == MOST_PHONES
