"""`hil ca` as it is called: each persona enrols whom it should, and keeps its CA."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.cli.ca import ONE_TIME_FILE, ca
from hil.errors import LabFault, Misuse
from hil.scep.authority import Authority
from hil.scep.personas import PERSONAS

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "only-for-this-test"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RIGHT": PASSWORD, "WRONG": "guessed"}


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """The URL at which the command listens."""
    command = [sys.executable, "-W", "error", "-m", "hil.cli", "ca", *arguments]
    with subprocess.Popen(command, text=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = re.match(r"(http://127\.0\.0\.1:\d+/\S+), or any other path there, is now CN=CA ", process.stdout.readline())
        assert found
        yield found[1]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert PASSWORD not in said


def enroll(url: str, out: Path, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "hil.cli", "enroll", url, "--cn", "phone", "--out", str(out), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT | environment, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", PERSONAS)
def test_each_persona_enrols_whom_it_should(name: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    arguments = (name, "--state", str(state), "--challenge-env", "RIGHT", "--entity", "phone", "--levels", "2")
    with running(*arguments) as url:
        code, said = enroll(url, tmp_path / "wrong", "--challenge-env", "WRONG")
        assert (code, said["outcome"]) == (1, "rejected")
        one_time = state / ONE_TIME_FILE
        password = one_time.read_text().split()[0] if name == "ndes" else PASSWORD
        code, said = enroll(url, tmp_path / "right", "--challenge-env", "RIGHT", RIGHT=password)
    assert (code, said["outcome"]) == (0, "issued")
    assert said["issuer"] == Authority.load(state / "ca").certificate.subject == f"CN=CA {name},O=J100 bench"
    ledger = [json.loads(line)["answer"] for line in (state / "ca-ledger.jsonl").read_text().splitlines()]
    assert ledger == ["FAILURE", "SUCCESS"]
    assert [file.stat().st_mode & 0o077 for file in (state, state / "ca-ledger.jsonl")] == [0, 0]


def test_a_script_is_played_and_the_ca_stays_the_same(tmp_path: Path) -> None:
    arguments = ("rfc8894", "--state", str(tmp_path / "state"))
    with running(*arguments, "--script", "HttpError(503)", "--script", "Issue(days=7)") as url:
        assert enroll(url, tmp_path / "one")[0] == 4
        _, first = enroll(url, tmp_path / "one")
    with running(*arguments) as url:
        _, second = enroll(url, tmp_path / "two")
    assert [first["outcome"], second["outcome"]] == ["issued", "issued"]
    authority = Authority.load(tmp_path / "state" / "ca")
    for folder in ("one", "two"):
        assert (tmp_path / folder / "chain.pem").read_text().count("BEGIN CERTIFICATE") == len(authority.certificates)


def test_an_unknown_persona_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="PERSONA: unknown CA persona cisco; use one of rfc8894, ejbca"):
        ca("cisco", tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_place_that_is_not_ours_makes_no_ca(tmp_path: Path) -> None:
    with pytest.raises(LabFault, match=r"listen on 192\.0\.2\.99:80"):
        ca("rfc8894", tmp_path / "state", listen="192.0.2.99:80")
    assert not (tmp_path / "state").exists()
