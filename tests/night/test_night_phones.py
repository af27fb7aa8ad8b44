"""Phones that are wrong, and phones that are old."""

from __future__ import annotations

import pytest
import yaml
from night_rig import NO_BENCH, ONCE_MORE, VIRTUAL, Ended, Rig

from hil.judge.verdict import Verdict
from hil.report.record import Test

SELECTED = "test_keylen_4096 or test_keylen_of_the_third"  # pinned to profiles 1 and 3, so they share a sitting

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def wrong_phone(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run with a phone that makes a 2048-bit key where it is told 4096, in the first profile and in the third."""
    made = Rig(tmp_path_factory.mktemp("wrong"))
    try:
        return made.play("-k", SELECTED, ONCE_MORE, testbed=made.testbed(defects=["keylen-4096-ignored"], firmware="4.1.11.0.9"))
    finally:
        made.clear_away()


def deviating(ended: Ended) -> list[Test]:
    return [test for test in ended.record.tests if test.verdict is Verdict.DEVIATES]


def test_a_wrong_phone_deviates(wrong_phone: Ended) -> None:
    assert wrong_phone.code == 1, wrong_phone.said
    assert {test.name: test.verdict for test in wrong_phone.record.tests} == {
        "test_keylen_4096": Verdict.DEVIATES,
        "test_keylen_4096_costs_boot_time": Verdict.CHARACTERISED,
        "test_keylen_of_the_third_profile": Verdict.DEVIATES,
    }
    assert "a phone deviates" in wrong_phone.said
    assert wrong_phone.record.faults == ()


def test_the_finding_shows_both_sides_and_the_frame(wrong_phone: Ended) -> None:
    for test in deviating(wrong_phone):
        (finding,) = (finding for finding in test.findings if finding.fact == "csr.key_bits")
        assert (finding.phone, finding.reference, finding.expected) == (2048, 4096, 4096)
        assert finding.verdict is Verdict.DEVIATES
        assert finding.phone_seen is not None
        assert finding.reference_seen is not None
        assert finding.source == "documented"


def test_a_deviation_in_company_is_confirmed_alone(wrong_phone: Ended) -> None:
    played = {sitting.id: sitting for sitting in wrong_phone.record.sittings}
    assert len(deviating(wrong_phone)) == 2
    for test in deviating(wrong_phone):
        assert len(test.mates) == 1
        assert test.confirmation is not None
        assert test.confirmation.verdict is Verdict.DEVIATES
        alone = played[test.confirmation.sitting]
        assert [scenario.slot for scenario in alone.scenarios] == [test.slot]


def test_the_report_and_junit_say_so(wrong_phone: Ended) -> None:
    junit = (wrong_phone.run / "junit.xml").read_text()
    assert 'failures="2"' in junit
    assert 'errors="0"' in junit
    assert '<property name="verdict" value="deviates"' in junit
    assert '<property name="confirmation" value="deviates"' in junit
    assert "deviates" in (wrong_phone.run / "index.html").read_text()


def test_stored_evidence_of_a_wrong_phone_deviates_again(wrong_phone: Ended, rig: Rig) -> None:
    again = rig.play("--replay", str(wrong_phone.run), "-k", SELECTED, testbed=None, plugin=NO_BENCH)
    assert again.code == 1, again.said
    assert again.verdicts == wrong_phone.verdicts
    first, second = ({test.id: test.confirmation for test in ended.record.tests} for ended in (wrong_phone, again))
    assert first == second


def test_a_phone_that_does_not_heed_an_earlier_time_is_seen_to_renew(rig: Rig) -> None:
    selected = ("-k", "test_a_phone_that_is_told_an_earlier_time_waits", "--no-confirmation", ONCE_MORE)
    ended = rig.play(*selected, testbed=rig.testbed(defects=["ignores-time-told"]))
    assert [test.verdict for test in ended.record.tests] == [Verdict.DEVIATES], ended.said
    assert "not phone.renewal.attempts" in ended.said


def test_where_a_bench_is_told_how_entity_classes_travel_a_phone_is_held_to_it(rig: Rig) -> None:
    file = rig.testbed()
    bench = yaml.safe_load(file.read_text())
    bench["ca"] = {"class_in": "header x-entity-class"}
    (other,) = (phone for phone in yaml.safe_load(VIRTUAL.read_text())["phones"] if phone["name"] == "j189-1")
    other["virtual"]["variants"] = ["class-in-query"]
    file.write_text(yaml.safe_dump({**bench, "phones": [*bench["phones"], other]}, sort_keys=False))
    ended = rig.play("-k", "needs_no_end_entity", "--no-confirmation", ONCE_MORE, testbed=file)
    assert {test.phone: (test.verdict, [f.phone for f in test.findings if "class" in f.fact]) for test in ended.record.tests} == {
        "j179-1": (Verdict.CONFORMS, [["header x-entity-class"]]),
        "j189-1": (Verdict.DEVIATES, [["query entityclass"]]),
    }


def test_firmware_with_one_profile_is_not_held_to_three(rig: Rig) -> None:
    ended = rig.play(
        "-k",
        "url_of_each_profile or three_profiles or keylen",
        "-rs",
        ONCE_MORE,
        testbed=rig.testbed(firmware="4.0.10.1"),
        seconds=120,
    )
    assert ended.code == 0, ended.said
    record = ended.record
    verdicts = {test.id.partition("::")[2]: test.verdict for test in record.tests}
    left_out = {test for test, verdict in verdicts.items() if verdict is Verdict.NOT_APPLICABLE}
    assert {
        "test_url_of_each_profile[j179-1-2]",
        "test_url_of_each_profile[j179-1-3]",
        "test_three_profiles_at_three_cas_in_one_boot[j179-1]",
        "test_keylen_of_the_third_profile[j179-1]",
    } <= left_out
    assert verdicts["test_url_of_each_profile[j179-1-1]"] is Verdict.CONFORMS
    assert verdicts["test_keylen_default[j179-1]"] is Verdict.CONFORMS
    assert record.counts[Verdict.NOT_APPLICABLE] == len(left_out) == len(record.not_applicable)
    assert set(verdicts.values()) == {Verdict.NOT_APPLICABLE, Verdict.CONFORMS}
    assert all("4.0.10.1" in entry.reason for entry in record.not_applicable)
    assert "firmware 4.0.10.1 has one SCEP profile; profiles 2 and 3 came with 4.0.13.0" in ended.said
    assert [phone.firmware for phone in record.phones] == ["4.0.10.1"]


def test_a_run_in_which_nothing_applies_is_no_pass(rig: Rig) -> None:
    ended = rig.play("-k", "three_profiles", testbed=rig.testbed(firmware="4.0.10.1"))
    assert ended.code == 12, ended.said
    assert set(ended.verdicts.values()) == {Verdict.NOT_APPLICABLE}
