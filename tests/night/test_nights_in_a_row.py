"""`hil nights`: goes on while nights are clean, stops at the first that is not, and keeps its report."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hil.report.record import Record

PATIENCE = 280
ROOT = Path(__file__).parents[2]


def one_phone(folder: Path, **virtual: object) -> Path:
    """The virtual testbed with one phone, so made."""
    testbed = yaml.safe_load((ROOT / "testbeds" / "virtual.yaml").read_text())
    (phone,) = (phone for phone in testbed["phones"] if phone["name"] == "j179-1")
    phone["virtual"] |= virtual
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(testbed | {"phones": [phone]}))
    return file


def begin(number: int, testbed: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hil.cli", "nights", str(number), "--testbed", str(testbed), "--report-dir", str(folder)]
    state = {**os.environ, "HIL_STATE": str(folder / "state")}
    return subprocess.Popen([*command, *words], env=state, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def nights(number: int, testbed: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    with begin(number, testbed, folder, "-k", "test_keylen_default") as process:
        said, told = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, said, told)


def runs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[:2] == "20")


@pytest.mark.timeout(300)
def test_clean_nights_are_counted_and_the_last_report_kept(tmp_path: Path) -> None:
    played = nights(2, one_phone(tmp_path), tmp_path)
    assert played.stdout.splitlines() == ["night 1 of 2 clean, 1 judged", "night 2 of 2 clean, 1 judged"], played.stderr
    assert played.returncode == 0
    assert runs(tmp_path) == [(tmp_path / "latest").resolve().name]


@pytest.mark.timeout(300)
def test_the_first_night_that_is_not_clean_is_the_last(tmp_path: Path) -> None:
    played = nights(3, one_phone(tmp_path, defects=["keylen-default-1024"]), tmp_path)
    (run,) = runs(tmp_path)
    assert played.stdout.splitlines() == [
        "night 1 of 3 is not clean: exit 1, 1 deviates",
        f"report: {tmp_path / run}",
    ], played.stderr
    assert played.returncode == 1
    assert (tmp_path / run / "index.html").is_file()


@pytest.mark.timeout(300)
def test_told_to_end_it_lets_the_night_restore_power_and_plays_no_other(tmp_path: Path) -> None:
    with begin(2, one_phone(tmp_path), tmp_path) as process:
        assert process.stderr is not None
        while "j179-1:" not in process.stderr.readline():  # the campaign is under way
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 11
    assert said == ""
    assert "the night was interrupted" in told.splitlines()[-1]
    (run,) = runs(tmp_path)
    record = Record.load(tmp_path / run)
    assert record.run.interrupted
    assert record.faults == ()
