"""A night of the suite as a process of its own: what the verbs that play whole nights share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class Playing:
    """`suite` on `testbed` as a process, with further `words` for pytest and leases in `state`.

    What pytest says goes to standard error, or to the file `said`. `Misuse` where this is no checkout with a suite.
    """

    def __init__(
        self,
        testbed: Path,
        report_dir: Path,
        *words: str,
        state: Path | None = None,
        suite: Path = SUITE,
        said: Path | None = None,
    ) -> None:
        if not suite.is_dir():
            raise Misuse("there is no suite here", file=suite, remedy="run this from a checkout of the repository")
        self._words = words
        self._report_dir = report_dir.absolute()
        self._before = _latest(self._report_dir)
        command = [sys.executable, "-m", "pytest", str(suite), "--testbed", str(testbed.absolute())]
        environment = {**os.environ, "HIL_STATE": str(state)} if state else None
        self._process = _start([*command, "--report-dir", str(self._report_dir), *words], environment, said)

    def terminate(self) -> None:
        """Tell it to end; it restores power first."""
        self._process.terminate()

    def wait(self) -> int:
        """Wait until it has ended; pytest's exit code."""
        return self._process.wait()

    def end(self) -> Night:
        """Wait until it has ended, and read its record; `LabFault` where it was cut short.

        `Misuse` where the words choose no test; a bench that is not fit ends the verb with the exit code for that.
        """
        exit_code = self.wait()
        folder = _latest(self._report_dir)
        begun = folder is not None and folder != self._before
        if exit_code == UNFIT:
            typer.echo("hil: the night was not played: the bench is not fit" + (f"; report: {folder}" if begun else ""), err=True)
            raise typer.Exit(UNFIT)
        if not begun and exit_code in (USAGE_ERROR, NO_TESTS):
            raise Misuse(f"no test was played by {' '.join(self._words)}", remedy="pytest says above why")
        if folder is None or not begun:
            raise LabFault("the night left no record", tried="pytest suite", seen=f"exit {exit_code}")
        record = Record.load(folder)
        if record.run.interrupted:
            seen = f"exit {exit_code}; its report is in {folder}"
            raise LabFault("the night was interrupted", tried="pytest suite", seen=seen)
        return Night(exit_code, folder, record)


def play(testbed: Path, report_dir: Path, *words: str, state: Path | None = None, suite: Path = SUITE) -> Night:
    """Play one night to its end; see `Playing`."""
    with ending_together() as under_way:
        under_way.append(Playing(testbed, report_dir, *words, state=state, suite=suite))
        return under_way[0].end()


@contextmanager
def ending_together() -> Iterator[list[Playing]]:
    """Nights that are told to end where this process is, or the block fails; each is given the time to restore power."""
    under_way: list[Playing] = []

    def terminate(*_: object) -> None:
        for night in under_way:
            night.terminate()

    former = signal.signal(signal.SIGTERM, terminate)
    try:
        yield under_way
    except KeyboardInterrupt:  # a terminal tells all
        raise
    except BaseException:
        terminate()
        raise
    finally:
        for night in under_way:
            night.wait()
        signal.signal(signal.SIGTERM, former)


def _start(command: Sequence[str], environment: Mapping[str, str] | None, said: Path | None) -> subprocess.Popen[bytes]:
    if said is None:
        return subprocess.Popen(command, stdout=sys.stderr, cwd=SUITE.parent, env=environment)
    with said.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=SUITE.parent, env=environment)


def _latest(report_dir: Path) -> Path | None:
    link = report_dir / "latest"
    return link.resolve() if link.exists() else None
