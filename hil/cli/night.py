"""A night of the suite as a process of its own: what the verbs that play whole nights share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from hil.cli.main import UNFIT
from hil.errors import LabFault, Misuse
from hil.judge.verdict import Verdict
from hil.report.record import Record

SUITE = Path(__file__).resolve().parents[2] / "suite"
USAGE_ERROR, NO_TESTS = 4, 5
"""Exit codes of pytest."""

JUDGED = (Verdict.CONFORMS, Verdict.DEVIATES, Verdict.CHARACTERISED)


@dataclass(frozen=True)
class Night:
    """A night that was played: pytest's exit code, the run's folder, and its record."""

    exit_code: int
    folder: Path
    record: Record

    @property
    def judged(self) -> int:
        """How many tests came to a verdict on a phone."""
        return sum(test.verdict in JUDGED for test in self.record.tests)


def play(testbed: Path, report_dir: Path, *words: str, state: Path | None = None, suite: Path = SUITE) -> Night:
    """Play `suite` on `testbed`, with further `words` for pytest and leases in `state`; `LabFault` where it was cut short.

    What pytest says goes to standard error. `Misuse` where this is no checkout with a suite, or the words choose no test;
    a bench that is not fit ends the verb with the exit code for that.
    """
    if not suite.is_dir():
        raise Misuse("there is no suite here", file=suite, remedy="run this from a checkout of the repository")
    report_dir, testbed = report_dir.absolute(), testbed.absolute()
    before = _latest(report_dir)
    command = [sys.executable, "-m", "pytest", str(suite), "--testbed", str(testbed), "--report-dir", str(report_dir), *words]
    environment = {**os.environ, "HIL_STATE": str(state)} if state else None
    exit_code = _run(command, environment)
    folder = _latest(report_dir)
    begun = folder is not None and folder != before
    if exit_code == UNFIT:
        typer.echo("hil: the night was not played: the bench is not fit" + (f"; report: {folder}" if begun else ""), err=True)
        raise typer.Exit(UNFIT)
    if not begun and exit_code in (USAGE_ERROR, NO_TESTS):
        raise Misuse(f"no test was played by {' '.join(words)}", remedy="pytest says above why")
    if folder is None or not begun:
        raise LabFault("the night left no record", tried="pytest suite", seen=f"exit {exit_code}")
    record = Record.load(folder)
    if record.run.interrupted:
        raise LabFault("the night was interrupted", tried="pytest suite", seen=f"exit {exit_code}; its report is in {folder}")
    return Night(exit_code, folder, record)


def _run(command: Sequence[str], environment: Mapping[str, str] | None) -> int:
    """The exit code of the night, which is given the time to restore power where it, or this process, is told to end."""
    with subprocess.Popen(command, stdout=sys.stderr, cwd=SUITE.parent, env=environment) as night:
        former = signal.signal(signal.SIGTERM, lambda *_: night.terminate())
        try:
            return night.wait()
        except KeyboardInterrupt:
            night.wait()  # a terminal tells both
            raise
        finally:
            signal.signal(signal.SIGTERM, former)


def _latest(report_dir: Path) -> Path | None:
    link = report_dir / "latest"
    return link.resolve() if link.exists() else None
