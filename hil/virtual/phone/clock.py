"""The phone's clock: phone seconds pass `rate` times as fast as real ones, and leap where the bench says so."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

FIRMWARE_BUILT = 1704067200.0  # 2024-01-01, what a phone believes that never knew the time
_LONGEST = 3600.0  # real seconds after which a sleeper looks at the time, whatever happens
_NAP = 5.0  # phone seconds of sleep that are not worth telling
_SHORTEST = 1e-6  # phone seconds

Leap = tuple[float, float]
"""A monotonic instant, and the phone seconds that were over at once."""


class _Open(Protocol):
    def fileno(self) -> int: ...


Port = _Open | int
"""What select() takes."""


def readable(ports: Sequence[Port], within: float) -> Sequence[Port]:
    """Those at which something has come after `within` real seconds at most."""
    return select.select(ports, (), (), within)[0]


class Bench(Protocol):
    """Who makes time leap, and wants to know when the phone next does anything by itself."""

    def leaps(self) -> Sequence[Leap]:
        """All leaps so far."""

    def asleep(self, since: float, span: float) -> None:
        """The phone sleeps from the monotonic instant `since` on, for `span` phone seconds."""

    def awake(self) -> None:
        """The phone sleeps no longer."""

    def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
        """Wait until something comes at one of the ports, time leaps, or `within` real seconds are over; where it came."""


class Alone:
    """No bench: time does not leap."""

    def leaps(self) -> Sequence[Leap]:
        return ()

    def asleep(self, since: float, span: float) -> None:
        """Nobody wants to know."""

    def awake(self) -> None:
        """Nobody wants to know."""

    def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
        return readable(ports, within)


class BenchFiles:
    """A bench that appends its leaps to a file `leaps` of the folder, a line each, and looks into a file `wakes`.

    After each leap it writes into the pipe `leapt`, which the phone made.
    """

    def __init__(self, folder: Path) -> None:
        self._leaps_file, self._wakes, pipe = folder / "leaps", folder / "wakes", folder / "leapt"
        if not pipe.exists():
            os.mkfifo(pipe, 0o600)
        self._leapt = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # until the power goes
        self._size = 0
        self._leaps: tuple[Leap, ...] = ()
        self.awake()

    def leaps(self) -> Sequence[Leap]:
        size = self._leaps_file.stat().st_size if self._leaps_file.exists() else 0
        if size != self._size:
            lines = self._leaps_file.read_text().splitlines()
            self._leaps = tuple((float(since), float(span)) for since, span in map(str.split, lines))
            self._size = size
        return self._leaps

    def asleep(self, since: float, span: float) -> None:
        part = self._wakes.with_suffix(".part")
        part.write_text(f"{since!r} {span!r}")
        part.replace(self._wakes)

    def awake(self) -> None:
        self._wakes.unlink(missing_ok=True)

    def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
        came = readable((*ports, self._leapt), within)
        if self._leapt in came:
            os.read(self._leapt, 4096)
        return [port for port in came if port != self._leapt]


class Clock:
    """Time of day (Unix seconds, UTC) and time since power on, both in phone seconds."""

    def __init__(
        self,
        rate: float,
        believed: float = FIRMWARE_BUILT,
        monotonic: Callable[[], float] = time.monotonic,
        bench: Bench | None = None,
    ) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._bench = bench or Alone()
        self._power_on = monotonic()
        self._set_at = 0.0
        self._set_to = believed

    def now(self) -> float:
        """Time of day as the phone believes it."""
        return self._set_to + self.uptime() - self._set_at

    def set(self, epoch: float) -> None:
        """Believe from here on that it is `epoch`."""
        self._set_at, self._set_to = self.uptime(), epoch

    def uptime(self) -> float:
        """Phone seconds since power on."""
        until = self._monotonic()
        leapt = sum(span for since, span in self._bench.leaps() if self._power_on <= since <= until)
        return (until - self._power_on) * self._rate + leapt

    def sleep(self, seconds: float, ports: Sequence[Port] = ()) -> None:
        """Let `seconds` of phone time pass; less where something comes at one of the ports."""
        end = self.uptime() + seconds
        if seconds > _NAP:
            self._bench.asleep(self._monotonic(), seconds)
        while (left := end - self.uptime()) > _SHORTEST:
            if self._bench.wait(ports, min(left / self._rate, _LONGEST)):
                break
        if seconds > _NAP:
            self._bench.awake()

    def rest(self) -> None:
        """Nothing is left to do until the power goes."""
        self._bench.asleep(self._monotonic(), float("inf"))
