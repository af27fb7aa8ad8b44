"""A finding packed for a ticket: unpacked elsewhere, its one command gives the same verdict and exit code."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from night_rig import FIXED_PASSWORD, LEFT_OUT, Ended
from typer.testing import CliRunner

from hil.cli.bundling import Withheld, contents, find, pack
from hil.cli.main import app
from hil.cli.night import SUITE
from hil.errors import Misuse
from hil.judge.verdict import Verdict
from hil.judge.withheld import restored
from hil.report.record import Record, Run, Testbed

COMMAND = re.compile(r"^    (python -m pytest .*)$", re.MULTILINE)


def bundled(night: Ended, finding: str, archive: Path, *words: object) -> str:
    """What `hil bundle` says; raises as it does."""
    arguments = ["bundle", finding, "--report-dir", night.reports, "--out", archive, "--limit", 1, *words]
    done = CliRunner().invoke(app, [str(word) for word in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def packed(night: Ended, finding: str, archive: Path) -> Path:
    """The unpacked bundle of a finding."""
    said = bundled(night, finding, archive)
    (archive.parent / "unpacked").mkdir(exist_ok=True)
    subprocess.run(["tar", "-xzf", archive, "-C", archive.parent / "unpacked"], check=True)
    unpacked = archive.parent / "unpacked" / archive.name.removesuffix(".tar.gz")
    assert COMMAND.findall((unpacked / "README.md").read_text())[0] in said
    return unpacked


def judged_again(unpacked: Path, folder: Path) -> tuple[int, Record]:
    """What the one command of its README comes to, in a folder that has nothing else."""
    (command,) = COMMAND.findall((unpacked / "README.md").read_text())
    inherited = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = inherited | {"PATH": path, "HIL_STATE": str(folder / "state")}
    done = subprocess.run(command, shell=True, cwd=unpacked, env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done.returncode, Record.load(unpacked / "replayed" / "latest")


@pytest.mark.parametrize(
    ("finding", "code", "verdict"),
    [("test_password_fixed", 1, Verdict.DEVIATES), ("test_keylen_default", 0, Verdict.CONFORMS)],
)
def test_its_command_gives_the_same_verdict_and_exit_code(
    short_night: Ended, tmp_path: Path, finding: str, code: int, verdict: Verdict
) -> None:
    unpacked = packed(short_night, finding, tmp_path / "ticket-1.tar.gz")
    elsewhere = shutil.move(unpacked, tmp_path / "elsewhere" / "of a colleague")
    shown, record = judged_again(Path(elsewhere), tmp_path)
    (again,) = record.tests
    (first,) = [test for test in short_night.record.tests if finding in test.id]
    assert shown == code
    assert again.verdict is first.verdict is verdict
    assert (again.id, again.findings, again.confirmation) == (first.id, first.findings, first.confirmation)
    assert f"exit code {code}," in (Path(elsewhere) / "README.md").read_text()


def test_passwords_stand_with_the_keys_alone(short_night: Ended, tmp_path: Path) -> None:
    unpacked = packed(short_night, "test_password_fixed", tmp_path / "ticket.tar.gz")
    holding = {
        str(file.relative_to(unpacked))
        for file in unpacked.rglob("*")
        if file.is_file() and file.suffix != ".pcapng" and FIXED_PASSWORD.encode() in file.read_bytes()
    }
    assert holding == {"run/keys/passwords.json", "suite/test_request.py"}
    assert json.loads((unpacked / "run/keys/passwords.json").read_text()) == {"withheld-1": FIXED_PASSWORD}
    served = [file.read_text() for file in unpacked.glob("run/evidence/*/*/boot-*/j179-1/*.txt")]
    assert any("withheld-1" in text for text in served)
    for file in (*unpacked.glob("run/keys/*"), *unpacked.glob("run/evidence/*/*/*.keys")):
        assert file.stat().st_mode & 0o077 == 0, file
    assert (tmp_path / "ticket.tar.gz").stat().st_mode & 0o077 == 0


def test_a_boot_that_came_to_no_end_gives_no_password_away(short_night: Ended, tmp_path: Path) -> None:
    run = shutil.copytree(short_night.run, tmp_path / "run")
    found = find(run, "test_password_fixed")
    broken_off = found.sittings[0] / "boot-9" / "j179-1"
    broken_off.mkdir(parents=True)
    (broken_off / "46xxsettings.txt").write_text(f'SET SCEPPASSWORD "{FIXED_PASSWORD}"\n')
    packed = {name: content for name, content, _ in contents(found, SUITE.parent, "")}
    assert b"withheld-1" in packed[f"run/{(broken_off / '46xxsettings.txt').relative_to(run)}"]


def test_it_holds_what_the_finding_rests_on_and_nothing_of_others(short_night: Ended, tmp_path: Path) -> None:
    unpacked = packed(short_night, "test_password_fixed", tmp_path / "ticket.tar.gz")
    record = Record.load(unpacked / "run")
    (test,) = record.tests
    assert test.sitting is not None
    assert test.confirmation is not None
    assert {folder.name for folder in unpacked.glob("run/evidence/j179-1/*")} == {test.sitting, test.confirmation.sitting}
    assert {each.id for each in record.requirements} == {"PASSWORD-FIXED"}
    devices = {json.loads(line)["device"] for line in (unpacked / "run/ca/ca-ledger.jsonl").read_text().splitlines()}
    assert devices == {"j179-1", "j179-1.reference"}
    readme = (unpacked / "README.md").read_text()
    assert "phones, who has the keys is the bench" in readme
    assert "| csr.challenge (deviates) |" in readme
    shown = re.findall(r"^    (hil decode .*)$", readme, re.MULTILINE)
    words = shown[-1].split()[1:]
    done = subprocess.run([sys.executable, "-m", "hil.cli", *words], cwd=unpacked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "PKIOperation" in done.stdout


def test_the_same_finding_makes_the_same_archive(short_night: Ended, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        packed(short_night, "test_keylen_default", folder / "ticket.tar.gz")
    assert (one / "ticket.tar.gz").read_bytes() == (two / "ticket.tar.gz").read_bytes()


def test_a_finding_that_is_none_or_several_is_refused_with_those_there_are(short_night: Ended, tmp_path: Path) -> None:
    for wanted, said in (("nothing_of_the_kind", "0 tests of"), ("test_", "2 tests of")):
        with pytest.raises(Misuse, match=said) as caught:
            bundled(short_night, wanted, tmp_path / "none.tar.gz")
        assert "suite/test_key.py::test_keylen_default[j179-1]" in str(caught.value)
    with pytest.raises(Misuse, match="there is no such file of tests"):
        bundled(short_night, "keylen", tmp_path / "none.tar.gz", "--tests", tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_run_without_tests_is_told_as_that(tmp_path: Path) -> None:
    testbed = Testbed(name="lab", file="lab.yaml", kind="real", rate=1.0)
    run = Run(id="run", started=datetime(2026, 1, 1, tzinfo=UTC), seconds=1.0, exit_text="", testbed=testbed, versions={})
    Record(run=run, phones=(), requirements=(), tests=(), sittings=(), counts={}).save(tmp_path / "run")
    with pytest.raises(Misuse, match="0 tests of run have 'nope' in their id; that run has none: name another"):
        find(tmp_path / "run", "nope")


def test_more_than_is_allowed_is_not_packed(tmp_path: Path) -> None:
    files = [("run/small", b"x" * 100, 0o644), ("run/large.pcapng", b"x" * 4_000, 0o644), ("never", b"", 0o644)]
    with pytest.raises(Misuse, match=r"larger than .* MiB; allow more; the largest of it so far: run/large.pcapng"):
        pack(iter(files), tmp_path / "ticket.tar.gz", moment=0, limit=4_000)
    assert [*tmp_path.iterdir()] == []
    assert pack(iter(files), tmp_path / "ticket.tar.gz", moment=0, limit=4_100) == 4_100


def test_a_run_that_left_nothing_has_nothing_to_pack(short_night: Ended, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_bytes((short_night.run / "record.json").read_bytes())
    with pytest.raises(Misuse, match="left no evidence"):
        find(tmp_path, "keylen_default")


def test_withheld_settings_are_restored_octet_by_octet() -> None:
    served = (
        b'SET SCEPPASSWORD "Correct Horse"\r\nSET SCEPPASSWORD_2 plain\n## SET ADMIN_PASSWORD old\nSET SCEPPASSWORD_3 $SERIALNO\n'
        b'SET SCEPPASSWORD ""\nSET MYCERTCN plain-name\nSET SNMPSTRING "Correct Horse"\n\xff\xfe'
    )
    withheld = Withheld()
    shown = withheld.without(served)
    assert b"Correct Horse" not in shown
    assert shown.count(b"withheld-1") == 2
    assert b"SET SCEPPASSWORD_2 withheld-2\n## SET ADMIN_PASSWORD withheld-3\nSET SCEPPASSWORD_3 $SERIALNO\n" in shown
    assert b"SET MYCERTCN plain-name" in shown
    assert restored(shown, withheld.passwords) == served
