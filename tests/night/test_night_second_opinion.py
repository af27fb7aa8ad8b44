"""What the night read in its captures, held against Wireshark's reading of the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from night_rig import FIXED_PASSWORD, Ended

from hil.capture.keylog import NO_SECRETS, read_key_log
from hil.capture.transcript import read_capture
from hil.capture.tshark import Seen, disagreements, read_with_tshark
from hil.evidence import SittingManifest
from hil.judge.rules import RULES
from hil.report.record import InCapture, Sitting

DECODE = (sys.executable, "-m", "hil.cli", "decode", "--json")
DECODED = {  # what the record calls a fact, and where `hil decode --json` has it in an exchange
    "csr.key_bits": ("request", "csr", "key_bits"),
    "csr.signature_valid": ("request", "csr", "signature_valid"),
    "csr.signature_digest": ("request", "csr", "signature_digest"),
    "request.content_cipher": ("request", "content_cipher"),
    "request.signature_valid": ("request", "signature_valid"),
    "request.digest": ("request", "digest"),
    "request.message_type": ("request", "message_type"),
    "request.http_method": ("http", "method"),
    "ca.identifier": ("ca_identifier",),
}
OPERATIONS = {"csr": "PKIOperation", "request": "PKIOperation", "ca": "GetCACert"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def opinions(whole_night: Ended, thorough: bool) -> dict[str, tuple[Seen, ...]]:
    """Every capture of a phone, or of them all, by its path in the run, as tshark reads it, which takes it a second."""
    files = sorted(whole_night.run.glob(f"evidence/{'*' if thorough else 'j179-1'}/*/*.pcapng"))
    with ThreadPoolExecutor(2) as pool:
        return {
            str(file.relative_to(whole_night.run)): seen
            for file, seen in zip(files, pool.map(second_opinion, files), strict=True)
        }


@pytest.fixture(scope="module")
def in_tls(whole_night: Ended) -> set[tuple[str, int]]:
    """Captures and frames of requests that TLS carried: only who is given its secrets sees them."""
    found: set[tuple[str, int]] = set()
    for file in whole_night.run.glob("evidence/*/*/*.pcapng"):
        secrets = read_key_log(file.with_suffix(".keys"))
        opened, sealed = (read_capture(file, key_log=known).exchanges for known in (secrets, NO_SECRETS))
        name = str(file.relative_to(whole_night.run))
        found |= {(name, one.request_frame) for one in opened} - {(name, one.request_frame) for one in sealed}
    return found


@pytest.fixture(scope="module")
def enrolment(whole_night: Ended) -> str:
    """The capture of j179-1 that proves most: a boot in which three profiles enrol, each judged by a test of its own."""
    boots = [boot for sitting in sittings_of(whole_night, "j179-1") for boot in sitting.boots]
    captures = [boot.capture for boot in boots if boot.capture is not None]
    return max(captures, key=lambda capture: len(pointed_at(whole_night, capture, "csr", "request")))


def second_opinion(capture: Path) -> tuple[Seen, ...]:
    """tshark's reading; it takes a connection for what either of its ports is assigned to, if nobody says that it is HTTP."""
    scenarios = SittingManifest.load(capture.parent).scenarios
    return read_with_tshark(capture, ports=[scenario.port for scenario in scenarios if scenario.port])


def sittings_of(night: Ended, phone: str) -> list[Sitting]:
    """What that phone played."""
    return [sitting for sitting in night.record.sittings if sitting.phone == phone]


def keys_of(night: Ended) -> list[str]:
    """What `hil decode` is told of the night's CAs: the bench's own and each persona's."""
    return [word for key in sorted((night.run / "keys").rglob("*.key")) for word in ("--key", str(key))]


def pointed_at(night: Ended, capture: str, *groups: str) -> set[int]:
    """The frames of `capture` that findings about those groups of facts name as their proof."""
    findings = [finding for test in night.record.tests for finding in test.findings]
    places = [
        place
        for finding in findings
        if finding.fact in RULES and finding.fact.split(".")[0] in groups
        for place in (finding.phone_seen, finding.reference_seen)
    ]
    return {place.frame for place in places if isinstance(place, InCapture) and place.file == capture}


def test_both_readings_agree_on_every_exchange(whole_night: Ended, opinions: dict[str, tuple[Seen, ...]]) -> None:
    exchanges = 0
    for file, second in opinions.items():
        transcript = read_capture(whole_night.run / file)
        assert disagreements(transcript, second) == (), file
        exchanges += len(transcript.exchanges)
    assert {boot.capture for sitting in sittings_of(whole_night, "j179-1") for boot in sitting.boots} <= opinions.keys()
    assert exchanges > 40


def test_every_proof_is_a_request_that_tshark_sees_there(
    whole_night: Ended, opinions: dict[str, tuple[Seen, ...]], in_tls: set[tuple[str, int]]
) -> None:
    checked = 0
    for test in whole_night.record.tests:
        for finding in test.findings:
            due = OPERATIONS.get(finding.fact.split(".")[0])
            for place in (finding.phone_seen, finding.reference_seen):
                if not isinstance(place, InCapture) or place.file not in opinions or (place.file, place.frame) in in_tls:
                    continue
                if due and finding.fact in RULES:
                    shown = {seen.request_frame: seen.operation for seen in opinions[place.file]}
                    assert shown.get(place.frame) == due, (test.id, finding.fact, place)
                    checked += 1
    assert checked > 100


def test_tshark_shows_the_exchanges_at_the_frames_of_the_record(whole_night: Ended, enrolment: str) -> None:
    command = ["tshark", "-r", str(whole_night.run / enrolment), "-Y", 'http.request.uri contains "PKIOperation"']
    shown = subprocess.run(
        [*command, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True, timeout=60, check=True
    )
    frames = {int(line) for line in shown.stdout.split()}
    named = pointed_at(whole_night, enrolment, "csr", "request")
    assert len(named) == 6, "not three profiles on the phone and three on the reference"
    assert named <= frames


def test_hil_decode_says_the_same(whole_night: Ended, in_tls: set[tuple[str, int]]) -> None:
    sittings = sittings_of(whole_night, "j179-1")
    captures = [str(whole_night.run / boot.capture) for sitting in sittings for boot in sitting.boots if boot.capture]
    command = [*DECODE, *keys_of(whole_night), *captures]
    decoded = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)
    assert decoded["problems"] == []
    by_frame = {(entry["file"], entry["frames"]["request"]): entry for entry in decoded["exchanges"]}
    checked = set()
    for test in whole_night.record.tests:
        for finding in test.findings:
            for value, place in ((finding.phone, finding.phone_seen), (finding.reference, finding.reference_seen)):
                seen = isinstance(place, InCapture) and (place.file, place.frame) not in in_tls
                if test.phone == "j179-1" and seen and finding.fact in DECODED:
                    said = by_frame[str(whole_night.run / place.file), place.frame]
                    for name in DECODED[finding.fact]:
                        said = said[name]
                    assert said == value, (test.id, finding.fact)
                    checked.add((finding.fact, place.file, place.frame))
    assert {fact for fact, _, _ in checked} == set(DECODED)
    assert len(checked) > 30


def test_decoded_passwords_stay_hidden_unless_asked_for(whole_night: Ended) -> None:
    (played,) = (test for test in whole_night.record.tests if "PASSWORD-FIXED" in test.requirements and test.phone == "j179-1")
    (finding,) = (finding for finding in played.findings if finding.fact == "csr.challenge")
    place = finding.phone_seen
    assert isinstance(place, InCapture)
    command = [*DECODE, "--key", str(whole_night.run / "keys" / "ca.key"), str(whole_night.run / place.file)]

    def password(*options: str) -> str:
        said = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60, check=True).stdout
        (request,) = (entry["request"] for entry in json.loads(said)["exchanges"] if entry["frames"]["request"] == place.frame)
        found: str = request["csr"]["challenge_password"]
        return found

    assert password() == "present"
    assert password("--show-secrets") == FIXED_PASSWORD
