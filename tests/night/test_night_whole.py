"""The main job: the suite on the virtual bench, from the testbed to the report."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest
from night_rig import FIXED_PASSWORD, Ended

from hil.evidence import EventName, SittingManifest, read_events
from hil.judge.rules import RULES
from hil.judge.verdict import Verdict

PHONES = ("j139-1", "j179-1", "j189-1")
OF_THE_NEWEST = (
    "test_keylen_4096",
    "test_keylen_of_the_third_profile",
    "test_profiles_have_keys_of_different_lengths",
    "test_the_password_of_a_class_may_be_a_macro",
)
NOT_APPLICABLE = {f"{test}[{phone}]" for test in OF_THE_NEWEST for phone in ("j139-1", "j179-1")}
"""What older firmware is not held to."""

pytestmark = pytest.mark.timeout(900)


def test_a_phone_that_keeps_to_the_documents_passes(whole_night: Ended) -> None:
    assert whole_night.code == 0, whole_night.said
    verdicts = whole_night.verdicts
    assert set(verdicts.values()) == {Verdict.CONFORMS, Verdict.CHARACTERISED, Verdict.NOT_APPLICABLE}
    barred = {f"{test.name}[{test.phone}]" for test in whole_night.record.tests if test.verdict is Verdict.NOT_APPLICABLE}
    assert barred == NOT_APPLICABLE
    assert {test.phone for test in whole_night.record.tests} == set(PHONES)
    assert len(verdicts) % len(PHONES) == 0
    assert len(verdicts) >= 40 * len(PHONES)


def test_every_requirement_is_judged(whole_night: Ended) -> None:
    record = whole_night.record
    judged = {identifier for test in record.tests for identifier in test.requirements}
    assert judged == {requirement.id for requirement in record.requirements}


def test_progress_says_what_each_phone_is_doing_and_since_when(whole_night: Ended) -> None:
    lines = re.findall(r"^.*?(\S+): +\d+/\d+ +s\d+ boot \d/\d \(\w+\): [a-z ]+ for \d+:\d\d$", whole_night.said, re.MULTILINE)
    assert set(lines) == set(PHONES)


def test_nothing_is_left_behind(whole_night: Ended) -> None:
    assert whole_night.left == ()
    assert whole_night.dark_ports == ()


def test_all_evidence_is_whole(whole_night: Ended) -> None:
    record = whole_night.record
    boots = [boot for sitting in record.sittings for boot in sitting.boots]
    assert len({(sitting.phone, sitting.id) for sitting in record.sittings}) == len(record.sittings)
    assert all(boot.complete and boot.drops == 0 and boot.packets for boot in boots)
    assert not record.strays
    assert not record.faults
    assert not record.recoveries
    for boot in boots:
        assert boot.capture is not None
        assert (whole_night.run / boot.capture).is_file()
        assert all((whole_night.run / served.file).is_file() for served in boot.served)


def test_but_for_a_set_clock_no_more_than_one_sitting_was_played_again(whole_night: Ended) -> None:
    """One, since it was seen once on a busy virtual machine, for a reason that was not told then."""
    sittings = [SittingManifest.load(folder) for folder in whole_night.run.glob("evidence/*/*")]
    assert len(sittings) >= len(whole_night.record.sittings)
    told = [(sitting, [*sitting.faults, *(text for boot in sitting.boots for text in boot.problems)]) for sitting in sittings]
    troubled = {
        (sitting.phone, sitting.sitting, sitting.attempt): texts
        for sitting, texts in told
        if not all("clock" in text and "was set" in text for text in texts)
    }
    assert len(troubled) <= 1, troubled


def test_what_phones_say_of_themselves_is_in_the_event_log(whole_night: Ended) -> None:
    for sitting in whole_night.record.sittings:
        for boot in (boot for boot in sitting.boots if boot.kind == "main"):
            assert boot.events is not None
            events = [event for event in read_events(whole_night.run / boot.events) if event["name"] == EventName.SYSLOG]
            said = [str(event["details"]) for event in events if event["device"] == sitting.phone]
            assert any("CERTMGMT: profile " in text for text in said), (sitting.phone, sitting.id, boot.index)


def test_every_finding_about_the_wire_names_its_frame(whole_night: Ended) -> None:
    for test in whole_night.record.tests:
        for finding in test.findings:
            if finding.fact.split(".")[0] in ("csr", "request", "ca", "timing") and finding.fact in RULES:
                assert finding.phone_seen is not None, (test.id, finding.fact)
                assert finding.reference_seen is not None, (test.id, finding.fact)


def test_report_is_a_folder_that_needs_no_network(whole_night: Ended) -> None:
    page = (whole_night.run / "index.html").read_text()
    assert all(phone in page for phone in PHONES)
    assert "KEYLEN-4096" in page
    assert 'src="http' not in page
    assert 'href="http' not in page
    assert f"report: {whole_night.run}" in whole_night.said


def test_latest_points_to_the_run(whole_night: Ended) -> None:
    link = whole_night.reports / "latest"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.readlink().name == whole_night.record.run.id


def test_junit_says_what_was_judged_and_where_it_is_proven(whole_night: Ended) -> None:
    cases = ElementTree.parse(whole_night.run / "junit.xml").getroot().findall(".//testcase")
    assert len(cases) == len(whole_night.verdicts)
    for case in cases:
        found = {entry.attrib["name"]: entry.attrib["value"] for entry in case.iterfind("properties/property")}
        assert {"requirement", "verdict", "phone", "model", "firmware"} <= found.keys(), case.attrib["name"]
        assert found["phone"] in PHONES
        played = case.attrib["name"] not in NOT_APPLICABLE
        assert ({"sitting", "slot"} <= found.keys()) is played
        assert found["verdict"] in (("conforms", "characterised") if played else ("not applicable",))


def test_firmware_is_what_each_phone_was_seen_to_run(whole_night: Ended) -> None:
    assert {phone.name: phone.firmware for phone in whole_night.record.phones} == {
        "j139-1": "4.1.3.0.6",
        "j179-1": "4.1.3.0.6",
        "j189-1": "4.1.11.0.9",
    }


def test_no_secret_is_in_what_is_passed_on(whole_night: Ended) -> None:
    community = (whole_night.state / "virtual" / "community").read_text().strip()
    run = whole_night.run
    written = [run / "record.json", run / "index.html", run / "junit.xml", *run.glob("ca/*")]
    written += [file for pattern in ("*.jsonl", "manifest.json") for file in run.glob(f"evidence/*/*/{pattern}")]
    assert len(written) > 100
    texts = {str(file): file.read_text() for file in written} | {"output": whole_night.said}
    for secret in (FIXED_PASSWORD, community, "PRIVATE KEY"):
        assert not [file for file, text in texts.items() if secret in text]
    served = run.glob("evidence/j179-1/*/boot-*/j179-1/c81fea830179.txt")
    assert any(FIXED_PASSWORD in file.read_text() for file in served), "the suite no longer serves the password looked for"


def test_keys_are_their_owners_alone(whole_night: Ended) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    secret = [file for folder in (whole_night.run / "keys", whole_night.state) for file in folder.rglob("*.key")]
    secret.append(whole_night.state / "virtual" / "community")
    assert len(secret) >= 3
    assert {mode(file) for file in secret} == {0o600}
    assert mode(whole_night.run / "keys") == 0o700
