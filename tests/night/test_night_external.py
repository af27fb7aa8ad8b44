"""A night in which phones meet a real CA, Debian's scepserver, behind the recording proxy, and references the bench's own."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
from pathlib import Path

import pytest
from external_rig import PASSWORD, bench_with, made_ca, plugin
from night_rig import ONCE_MORE, Ended, Rig

from hil.judge.verdict import Verdict
from hil_fixtures.outcome import BENCH_FAULT, BENCH_UNFIT

SOUND, SHORT = "j179-1", "j189-1"
PREPARES = 'test -n "$HIL_PASSWORD" && echo "$HIL_PHONE $HIL_SLOT $HIL_ENTITY" >> prepared'
FAILS = 'echo "no way in for $HIL_PASSWORD, who is $HIL_ENTITY" >&2; exit 7'
PASSWORDS = {"CA_PASSWORD": PASSWORD, "WRONG_PASSWORD": "made-up-herring"}
EXPECTED = {
    "suite/test_key.py::test_keylen_default[j179-1]": Verdict.CONFORMS,  # by the certificate that the phone signs with
    "suite/test_key.py::test_keylen_default[j189-1]": Verdict.DEVIATES,
    "suite/test_profiles.py::test_url_of_each_profile[j189-1-2]": Verdict.INCONCLUSIVE,  # which a short key does not excuse
    "suite/test_subject.py::test_cn_macro[j179-1-MAC]": Verdict.CONFORMS,
    "suite/test_profiles.py::test_no_second_enrolment_after_restart[j179-1]": Verdict.CONFORMS,
    "suite/test_profiles.py::test_no_second_enrolment_after_restart[j189-1]": Verdict.DEVIATES,
    "suite/test_subject.py::test_cn_default[j179-1]": Verdict.NOT_APPLICABLE,  # the testbed tells another
    "suite/test_profiles.py::test_url_of_each_profile[j179-1-3]": Verdict.CONFORMS,
    "suite/test_profiles.py::test_url_of_each_profile[j179-1-2]": Verdict.INCONCLUSIVE,  # its password is not the CA's
    "suite/test_key.py::test_csr_signature[j179-1]": Verdict.NOT_APPLICABLE,  # sealed
    "suite/test_request.py::test_password_default[j179-1]": Verdict.NOT_APPLICABLE,  # sealed
    "suite/test_retry.py::test_an_enrolment_that_failed[j179-1]": Verdict.NOT_APPLICABLE,  # needs the CA's signature
}

pytestmark = pytest.mark.skipif(shutil.which("scepserver") is None, reason="scepserver (Debian package scep) is not installed")


@pytest.fixture
def depot(tmp_path: Path) -> Path:
    """The folder of the CA that scepserver serves."""
    return made_ca(tmp_path / "depot")


def known_by(depot: Path) -> dict[str, object]:
    """What the testbed says of the CA."""
    der = ssl.PEM_cert_to_DER_cert((depot / "ca.pem").read_text())
    return {"fingerprint": hashlib.sha256(der).hexdigest(), "prepare": ["sh", "-c", PREPARES]}


def play(rig: Rig, file: Path, depot: Path, selection: str, *words: str) -> Ended:
    return rig.play("-k", selection, "--no-confirmation", *words, testbed=file, plugin=plugin(depot), **PASSWORDS)


def test_phones_enrol_with_the_real_ca_and_are_judged_by_what_shows(rig: Rig, depot: Path) -> None:
    file = bench_with(rig, "real-ca", known_by(depot), {SOUND: (), SHORT: ("keylen-default-1024", "re-enrols-each-boot")})
    names = " or ".join({test.partition("::")[2].partition("[")[0] for test in EXPECTED})
    selection = f"({names}) and not (serial or upper or among)"
    ended = play(rig, file, depot, selection, ONCE_MORE)
    assert ended.code == 1, ended.said
    assert ended.verdicts.items() >= EXPECTED.items(), ended.said
    assert Verdict.BENCH_FAULT not in ended.verdicts.values()
    assert "the real CA did not grant a request that is sealed for it" in ended.said
    prepared = {line.split(" ", 2)[2] for line in (rig.folder / "prepared").read_text().splitlines() if SOUND in line}
    assert prepared >= {"19WZ17900002 1", "c81fea830179", "slot 3 19WZ17900002"}
    kept = ended.run / "ca" / "proxy" / f"{SOUND}-1" / "exchanges.jsonl"
    passed = [json.loads(line) for line in kept.read_text().splitlines()]
    assert {line["pki_status"] for line in passed if line["message_type"] == "PKCSReq"} == {"SUCCESS"}
    again = rig.play("-k", selection, "--replay", str(ended.run), testbed=None, name="again")
    assert again.verdicts == ended.verdicts, again.said


def test_where_an_end_entity_cannot_be_prepared_the_bench_is_at_fault(rig: Rig, depot: Path) -> None:
    file = bench_with(rig, "unprepared", {**known_by(depot), "prepare": ["sh", "-c", FAILS]}, {SOUND: ()})
    ended = play(rig, file, depot, "keylen_default")
    assert ended.code == BENCH_FAULT, ended.said
    for words in ("could not be set to New", "tried sh -c", "exit code 7: no way in for <secret>, who is 19WZ17900002"):
        assert words in ended.said
    assert PASSWORD not in ended.said


def test_another_ca_than_the_one_meant_ends_the_night_before_it_begins(rig: Rig, depot: Path) -> None:
    file = bench_with(rig, "stranger", {**known_by(depot), "fingerprint": "00" * 32}, {SOUND: ()})
    ended = play(rig, file, depot, "keylen_default")
    assert ended.code == BENCH_UNFIT, ended.said
    assert "the server shows another CA than the one meant" in ended.said
