from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hil.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = "1e11"
"""Phone seconds in a real one, at which a year is over in no time."""


def watched(settings: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["reference", "run", str(settings), "--rate", AT_ONCE, *words])


def steps(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def instants(told: list[dict[str, Any]], step: str) -> list[datetime]:
    return [datetime.fromisoformat(one["at"]) for one in told if one["step"] == step]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "46xxsettings.txt"
    file.write_text("SET MYCERTURL https://scep.example.com/pkiclient.exe\nSET MYCERTRENEW 90\n")
    return file


def test_a_year_is_renewed_36_and_a_half_days_before_it_ends(settings: Path) -> None:
    result = watched(settings, "--until", "400")
    assert result.exit_code == 0, result.output
    assert "enrols: https://scep.example.com/pkiclient.exe is its server, and it holds no certificate from there" in result.output
    assert "does nothing: no server is set" in result.output
    assert "90 % of the validity, 36.5 days before it ends" in result.output
    assert result.output.rstrip().endswith("400 days are over: profile 1 holds a certificate")


def test_one_day_is_one(settings: Path) -> None:
    assert watched(settings, "--until", "1").output.rstrip().endswith("1 day is over: profile 1 holds a certificate")


def test_a_renewal_that_fails_is_tried_every_24_hours(settings: Path) -> None:
    script = [word for answer in ("Issue()", "Reject('badTime')", "HttpError(503)", "Issue()") for word in ("--script", answer)]
    told = steps(watched(settings, *script, "--until", "400", "--json"))
    first, second, third = instants(told, "renew")
    assert second - first == pytest.approx(timedelta(hours=24), abs=timedelta(seconds=10))
    assert third - second == pytest.approx(timedelta(hours=24), abs=timedelta(seconds=10))
    assert [one["fail_info"] for one in told if one["step"] == "rejected"] == ["badTime"]
    assert [one["again"] for one in told if one["step"] == "planned"] == [False, True, True, False]
    assert told[-1]["profiles"] == {"1": "holds"}


@pytest.mark.parametrize(
    ("answer", "code", "state"), [("Reject()", 1, "lacks"), ("Pend(99)", 3, "pending"), ("Issue(1)", 0, "holds")]
)
def test_the_exit_status_says_what_the_profiles_came_to(settings: Path, answer: str, code: int, state: str) -> None:
    result = watched(settings, "--script", answer, "--until", "2", "--json")
    assert result.exit_code == code, result.output
    assert steps(result)[-1]["profiles"] == {"1": state}


def test_a_folder_is_a_file_server(settings: Path) -> None:
    settings.write_text("GET $MACADDR.txt\n")
    (settings.parent / "c81fea000001.txt").write_text('SET MYCERTURL_2 http://192.0.2.9/\nSET SCEPPASSWORD_2 ""\n')
    result = watched(settings.parent)
    assert result.exit_code == 0, result.output
    assert "asks for c81fea000001.txt" in result.output
    assert "profile 2  waits for a person: the challenge password is empty" in result.output
    assert "nothing to renew, so nothing is planned" in result.output


def test_an_end_entity_that_is_not_new_again_is_refused_its_renewal(settings: Path) -> None:
    result = watched(settings, "--persona", "ejbca", "--until", "330", "--json")
    told = steps(result)
    came = [one["step"] for one in told if one["step"] in ("installed", "rejected", "enrolment failed")]
    assert came[0] == "installed"
    assert len(came) == 3
    assert "installed" not in came[1:]
    assert result.exit_code == 0


def test_what_no_terminal_should_obey_is_not_printed(settings: Path) -> None:
    settings.write_bytes(b"SET MYCERTURL http://192.0.2.9/\x1b[2J\n")
    assert "\x1b" not in watched(settings).output


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--real", "--persona", "ndes"], "leave --persona and --script out"),
        (["--script", "Isue()"], "there is no answer Isue"),
        (["--persona", "nobody"], "--persona: unknown CA persona nobody"),
        (["--mac", "zz"], "--mac: 'zz' is not a MAC address"),
        (["--model", "zz"], "--model: 'zz' is not"),
        (["--serial", "-"], "--serial: '-' is not"),
        (["--firmware", "new"], "--firmware: 'new' is not"),
    ],
)
def test_misuse_is_told_in_one_line(settings: Path, words: list[str], remedy: str) -> None:
    done = _command(settings, *words)
    out, said = done.communicate(timeout=60)
    assert (done.returncode, out) == (2, "")
    assert remedy in said
    assert said.count("\n") == 1


def test_a_folder_without_settings_is_refused(tmp_path: Path) -> None:
    assert "has neither J100Supgrade.txt nor 46xxsettings.txt" in str(watched(tmp_path).exception)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_and_cleanly_when_interrupted(settings: Path, number: signal.Signals) -> None:
    watching = _command(settings, "--rate", "10", "--until", "3650", "--json")
    assert watching.stdout is not None
    for line in watching.stdout:
        if json.loads(line)["step"] == "planned":
            break
    watching.send_signal(number)
    out, said = watching.communicate(timeout=30)
    assert (watching.returncode, said) == (130, "")
    assert json.loads(out)["why"] == "interrupted:"
    assert json.loads(out)["profiles"] == {"1": "holds"}


def _command(settings: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from hil.cli.main import main; main()", "reference", "run", str(settings), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
