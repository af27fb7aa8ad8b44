"""Each benchmark works and says what it measured; whether a target is met is for `./bench benchmark`, not for a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.ca_limit import operations
from benchmarks.decode import conversations
from benchmarks.enrolments import new_keys
from benchmarks.measure import Claim
from benchmarks.tables import markdown
from benchmarks.traffic import write_capture
from hil.capture.transcript import read_capture
from hil.clock import ScaledClock
from hil.scep.authority import Authority

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *words]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'fixtures'}"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, env=environment, check=False)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_measures_both_sides(name: str, own_network: list[str]) -> None:
    missing = [package for program, package in BENCHMARKS[name].NEEDS.items() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    done = run("--tiny", name)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert rows
    assert "Python: " in done.stdout


def test_a_benchmark_that_does_not_exist_is_named() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert (
        done.stderr == "benchmark: NAME: no benchmark is called speed; one of ca-peer, ca-limit, decode, round-trip, settings\n"
    )


@pytest.mark.parametrize(("less_is_better", "ratio"), [(False, 0.5), (True, 2.0)])
def test_a_ratio_above_one_says_that_ours_is_better(less_is_better: bool, ratio: float) -> None:
    claim = Claim("x", "ms", "peer", [1.0, 2.0, 50.0], [2.0, 4.0, 1.0], 1.5, "so", less_is_better=less_is_better)
    assert (claim.ratio, claim.met) == (ratio, less_is_better)


def test_results_tell_what_was_missed_and_on_what_machine() -> None:
    claims = [
        Claim("rate", "1/s", "peer", [300.0, 310.0], [100.0, 100.0], 3.0, "both warm"),
        Claim("rate", "1/s", "other", [300.0], [1000.0], 0.5, "both cold"),
    ]
    page = markdown(claims, {"processor": "of sand"}, "2026-01-01")
    assert "| rate | 1/s | 305 (300 to 310) | peer | 100 | 3.05 (3 to 3.1) | 3 | yes |" in page
    assert "| rate | 1/s | 300 | other | 1,000 | 0.3 | 0.5 | no |" in page
    assert "- **rate, other**: both cold." in page
    assert "- processor: of sand" in page


def test_a_capture_has_the_exchanges_that_it_was_given_and_is_sound(tmp_path: Path) -> None:
    authority, key = Authority.create("Lab CA", ScaledClock()), new_keys(1)[0]
    talks = conversations(authority, key, 2)
    files = [tmp_path / "one.pcapng", tmp_path / "again.pcapng"]
    for file in files:
        write_capture(file, 5_000, talks)
    assert files[0].read_bytes() == files[1].read_bytes()
    transcript = read_capture(files[0], keys=(authority.key, key))
    assert (transcript.packets, transcript.problems) == (5_000, ())
    assert [one.operation for one in transcript.exchanges] == 2 * ["GetCACaps", "GetCACert", "PKIOperation"]
    assert [one.reply.decrypted for one in transcript.exchanges if one.reply] == [True, True]


def test_the_private_operations_of_an_enrolment_are_three() -> None:
    assert operations() == {"decrypt": 1, "sign": 2, "verify": 2, "encrypt": 1}
