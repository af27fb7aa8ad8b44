"""A bench: the thing that a testbed describes, opened."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from hil.bench.power import PowerPort
from hil.bench.power.journal import PortOff
from hil.bench.real import RealBench
from hil.bench.strict import nearest
from hil.bench.testbed import Testbed
from hil.clock import ScaledClock
from hil.errors import Misuse

GROUP = "hil.benches"


class Bench(Protocol):
    """Made from a testbed without touching anything; `open()` takes the lease and makes it usable, `close()` gives it back.

    Opening may move this process into a namespace, so it comes before any thread. Closing leaves every port as it is.
    """

    @property
    def testbed(self) -> Testbed:
        """What this bench was made from."""

    @property
    def clock(self) -> ScaledClock:
        """The time of the bench, which phones, references, CA and SNTP share where none leaps."""

    def clock_of(self, phone: str, /) -> ScaledClock:
        """The time in which the phone of that name lives; it may leap for that phone alone."""

    @property
    def state(self) -> Path:
        """Folder that outlives runs."""

    @property
    def capture_interface(self) -> str:
        """Interface of this PC that sees every frame of the phones."""

    def open(self) -> None:
        """Take the bench; `LabFault` if somebody has it or it does not work, `Misuse` if the testbed does not fit this PC."""

    def close(self) -> None:
        """Give the bench back; may be called more than once."""

    def power(self, phone: str) -> PowerPort:
        """The journalled outlet of the phone of that name; one object for each phone."""

    def recover(self) -> tuple[PortOff, ...]:
        """Power on what a former run left off; returns what it was. Belongs at the start of every run."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def bench_for(testbed: Testbed) -> Bench:
    """The bench of the testbed's kind, not yet opened; kinds are found by entry point `hil.benches`."""
    kinds: dict[str, Callable[[], Callable[[Testbed], Bench]]] = {"real": lambda: RealBench}
    kinds |= {entry.name: entry.load for entry in entry_points(group=GROUP)}
    if testbed.kind not in kinds:
        problem = f"unknown kind of bench {testbed.kind!r}"
        raise Misuse(problem, file=testbed.file, key="kind", remedy=nearest(testbed.kind, list(kinds)))
    return kinds[testbed.kind]()(testbed)
