"""What one examination has opened so far: the testbed, the bench, its servers; and what later checks need of earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from hil.bench.bench import Bench, bench_for
from hil.bench.claim import Use
from hil.bench.testbed import Testbed, load
from hil.campaign.opening import serving
from hil.campaign.stage import RecorderFactory, Stage
from hil.capture import dhcp
from hil.capture.recorder import CaptureSummary
from hil.clock import Clock, ScaledClock
from hil.errors import LabFault
from hil.wiring import verifying

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class Patience:
    """Real seconds for DHCP servers to answer, and for phones to announce themselves."""

    dhcp: float = dhcp.PATIENCE
    wiring: float = verifying.PATIENCE


class Visit:
    """A context manager; at its end servers and bench are closed, whatever was seen. Scratch files go into `folder`.

    `time_server` is one that knows the time (`host` or `host:port`), None: nobody is asked. `open_bench` makes the bench,
    `recorder` takes the place of the ordinary one.
    """

    def __init__(
        self,
        file: Path,
        folder: Path,
        *,
        quick: bool = False,
        time_server: str | None = None,
        clock: Clock | None = None,
        patience: Patience = Patience(),
        open_bench: Callable[[Testbed, Use], Bench] = bench_for,
        recorder: RecorderFactory | None = None,
    ) -> None:
        self.file = file
        self.folder = folder
        self.quick = quick
        self.time_server = time_server
        self.clock = clock or ScaledClock()
        self.patience = patience
        self.recorded: dict[str, CaptureSummary] = {}
        """The recording of each phone's boot, by the phone's name."""
        self._open_bench = open_bench
        self._recorder = recorder
        self._stack = ExitStack()
        self._testbed: Testbed | None = None
        self._bench: Bench | None = None
        self._stage: Stage | None = None

    @property
    def testbed(self) -> Testbed:
        """The testbed, once read."""
        return _known(self._testbed, "the testbed")

    @property
    def bench(self) -> Bench:
        """The bench, once the testbed was read; open, once it was opened."""
        return _known(self._bench, "the bench")

    @property
    def stage(self) -> Stage:
        """What the servers of the bench stand on, once started."""
        return _known(self._stage, "the servers")

    def read(self) -> Testbed:
        """Read the testbed; `Misuse` where it is wrong."""
        self._testbed = load(self.file)
        self._bench = self._open_bench(self._testbed, Use("hil doctor --quick" if self.quick else "hil doctor"))
        return self._testbed

    def open(self) -> None:
        """Open the bench as a run does."""
        self._stack.enter_context(self.bench)

    def serve(self) -> Stage:
        """Start the servers of a run."""
        self._stage = self._stack.enter_context(serving(self.bench, self.folder / "run", recorder=self._recorder)).stage
        return self._stage

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._stage is not None:
            self._stage.cancel.set()
        self._stack.close()


def _known(thing: Opened | None, name: str) -> Opened:
    if thing is None:
        raise LabFault(f"{name} was not opened", tried="ask it")
    return thing
