"""A bench: the thing that a testbed describes, opened."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from hil.bench.claim import Use
from hil.bench.kinds import find_kind
from hil.bench.power import PowerPort
from hil.bench.power.journal import PortOff
from hil.bench.real import RealBench
from hil.bench.tables import Tables
from hil.bench.testbed import Testbed
from hil.clock import ScaledClock


class Bench(Protocol):
    """Made from a testbed without touching anything; `open()` takes the leases and makes it usable, `close()` gives it back.

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
        """Take what it is opened for; `LabFault` if somebody has it or it does not work, `Misuse` if the testbed does not fit."""

    def close(self) -> None:
        """Give the bench back; may be called more than once."""

    def power(self, phone: str) -> PowerPort:
        """The journalled outlet of the phone of that name; one object for each phone."""

    def tables(self) -> Tables:
        """What the switch says of its ports; `PowerFault` where it cannot be asked, `Misuse` where the testbed names none."""

    def recover(self) -> tuple[PortOff, ...]:
        """Power on what a former run left off and nobody else has; returns what it was. Belongs at the start of every run."""

    def require_8021x(self, phone: str, required: bool) -> None:
        """Let the port of that phone ask for 802.1X from now on, or be open; `LabFault` where it cannot ask, or could not."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def bench_for(testbed: Testbed, use: Use | None = None) -> Bench:
    """The bench of the testbed's kind, not yet opened, for `use` (None: all); kinds are found by entry point `hil.benches`."""
    brought = find_kind(testbed.kind, file=testbed.source)
    bench: Bench = (RealBench if brought is None else brought.load())(testbed, use or Use())
    return bench
