"""How numbers are taken: time, CPU and memory of processes, the cores they run on; and the claim that is made of them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Timer

from hil.errors import LabFault

LONGEST = 600
"""Seconds after which a program that is measured is ended."""


@dataclass(frozen=True)
class Scale:
    """How much is measured: rounds, in each of them enrolments at a CA, round trips of a client and phones that start at
    once, and packets of a capture.
    """

    rounds: int
    enrolments: int
    trips: int
    readings: int
    packets: int
    pyshark_packets: int
    phones: int


FULL = Scale(rounds=5, enrolments=300, trips=20, readings=3, packets=1_000_000, pyshark_packets=10_000, phones=1_000)
TINY = Scale(rounds=1, enrolments=3, trips=1, readings=1, packets=4_000, pyshark_packets=200, phones=20)


@dataclass(frozen=True)
class Claim:
    """A number of ours beside the peer's, a pair for each round, the rounds interleaved.

    `target` is the least ratio that keeps the promise, None where none was given; a ratio above 1
    says that ours is better. `how` tells what was compared.
    """

    name: str
    unit: str
    peer: str
    ours: Sequence[float]
    theirs: Sequence[float]
    target: float | None
    how: str
    less_is_better: bool = False

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times better ours is, round by round."""
        pairs = zip(self.theirs, self.ours, strict=True) if self.less_is_better else zip(self.ours, self.theirs, strict=True)
        return tuple(better / worse for better, worse in pairs)

    @property
    def ratio(self) -> float:
        """The middle one of the rounds."""
        return median(self.ratios)

    @property
    def met(self) -> bool:
        """Whether the target is reached, if there is one."""
        return self.target is None or self.ratio >= self.target


@dataclass(frozen=True)
class Spent:
    """What a program took from start to end: seconds, and bytes of memory at its peak, of its largest process."""

    seconds: float
    peak: int


def spend(command: Sequence[str], *, folder: Path | None = None, output: Path = Path(os.devnull)) -> Spent:
    """Run a program to its end; `LabFault` with its last words if it fails."""
    with output.open("wb") as out, TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)
        giving_up = Timer(LONGEST, process.kill)
        giving_up.start()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        giving_up.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            raise LabFault("a program that is measured failed", tried=" ".join(command), seen=said[-500:])
    return Spent(seconds, used.ru_maxrss * 1024)


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of a process have taken, ended ones too (clock_getcpuclockid(3) of Linux)."""
    return time.clock_gettime(~pid << 3 | 2)


def cores() -> tuple[int, int]:
    """A core for the server and one for its load; the same where there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@contextmanager
def kept_on(core: int) -> Iterator[None]:
    """Keep this thread, and what it starts, on one core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def on_core(core: int, *command: str) -> list[str]:
    """The command, kept on one core from its start."""
    return ["taskset", "--cpu-list", str(core), *command]
