"""Power by a USB relay, for phones on 5 V adapters: the relay is in the adapter's line, and the box says what it is.

What is read back is the relay, not the line behind it: a welded contact or a pulled adapter it does not see.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hil.bench.power import Outlet, PowerSettings, PowerWay, Wiring
from hil.bench.power.readback import Gibberish, Interruption, Line, LineSwitch, NoAnswer, Reading
from hil.bench.power.relays import RELAYS, RelayProtocol
from hil.bench.power.serial_port import open_serial
from hil.bench.strict import Asked
from hil.errors import Misuse

if TYPE_CHECKING:
    from serial import Serial

_LONGEST_ANSWER = 4096


class RelaySettings(PowerSettings):
    """A box of relays on a serial port."""

    kind: Literal["relay"] = Field(description="a USB box of relays, for phones on 5 V adapters")
    device: str = Field(description="serial port; one of /dev/serial/by-id stays the same over restarts")
    protocol: Literal["numato", "kmtronic", "kmtronic-4", "kmtronic-8", "lcus", "devantech"] = Field(
        description="whose protocol the box speaks"
    )
    inverted: Annotated[bool, Asked()] = Field(
        default=False, description="true where the phones hang on the normally closed contacts"
    )
    timeout: Annotated[float, Field(gt=0, le=60)] = Field(default=2.0, description="wait for one answer [real s]")


class RelayOutlet(Outlet):
    """The relay as its box numbers it."""

    relay: Annotated[int, Field(ge=0, le=31)] = Field(description="the relay as its box numbers it")


class RelayBox:
    """The box on its serial port, which is open, and nobody else's, for the time of a `session`."""

    def __init__(self, device: str, protocol: RelayProtocol, timeout: float) -> None:
        self._device = device
        self._protocol = protocol
        self._timeout = timeout
        self._port: Serial | None = None

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Open the port; `NoSession` where another program has it."""
        with open_serial(self._device, baud=self._protocol.baud, timeout=self._timeout) as port:
            self._port = port
            try:
                yield
            finally:
                self._port = None

    def order(self, relay: int, drawn: bool) -> None:
        """Draw a relay, or release it."""
        done = self._protocol.done
        self._ask(self._protocol.order(relay, drawn), lambda said: True if done is None or done in said else None)

    def drawn(self, relay: int) -> bool:
        """Whether the box says that a relay is drawn."""
        return self._ask(self._protocol.question(relay), lambda said: self._protocol.state(said, relay))

    def _ask(self, words: bytes, read: Callable[[bytes], bool | None]) -> bool:
        """Say `words`, then listen until `read` understands the answer."""
        if self._port is None:
            raise RuntimeError("the box is asked outside a session")
        said, deadline = b"", time.monotonic() + self._timeout
        try:
            self._port.write(words)
            while (understood := read(said)) is None:
                said += self._port.read(max(1, self._port.in_waiting))
                if time.monotonic() > deadline or len(said) > _LONGEST_ANSWER:
                    raise (
                        Gibberish(f"{said[:60]!r}") if said else NoAnswer(f"{self._device} says nothing for {self._timeout:g} s")
                    )
        except OSError as error:
            raise Interruption(f"{self._device}: {error}") from error
        return understood


class RelayLine(Line):
    """A relay that a phone's adapter hangs on."""

    def __init__(self, box: RelayBox, settings: RelaySettings, relay: int) -> None:
        self._box = box
        self._device = settings.device
        self._inverted = settings.inverted
        self._relay = relay

    @property
    def label(self) -> str:
        return f"{self._device} relay {self._relay}"

    def asking(self, on: bool) -> str:
        return f"{'draw' if on != self._inverted else 'release'} relay {self._relay}"

    def set(self, on: bool) -> None:
        self._box.order(self._relay, on != self._inverted)

    def read(self) -> Reading:
        drawn = self._box.drawn(self._relay)
        on = drawn != self._inverted
        return Reading(on, on, f"relay {self._relay} {'drawn' if drawn else 'released'}")

    def session(self) -> AbstractContextManager[None]:
        return self._box.session()


def check(settings: PowerSettings, outlet: Outlet) -> None:
    """Raise `Misuse` where the box has no such relay."""
    if not isinstance(settings, RelaySettings) or not isinstance(outlet, RelayOutlet):
        raise TypeError(f"not a relay box and one of its outlets: {settings!r}, {outlet!r}")
    protocol = RELAYS[settings.protocol]
    if not protocol.first <= outlet.relay <= protocol.last:
        problem = f"a box that speaks {settings.protocol} has no relay {outlet.relay}"
        raise Misuse(problem, key="relay", remedy=f"it has {protocol.first} to {protocol.last}")


def connect(settings: PowerSettings, wiring: Wiring) -> LineSwitch:
    """A relay box; opens nothing yet."""
    if not isinstance(settings, RelaySettings):
        raise TypeError(f"not the settings of a relay box: {settings!r}")
    protocol = RELAYS[settings.protocol]
    box = RelayBox(settings.device, protocol, settings.timeout)

    def line_of(outlet: Outlet) -> RelayLine:
        if not isinstance(outlet, RelayOutlet):
            raise TypeError(f"not an outlet of a relay box: {outlet!r}")
        return RelayLine(box, settings, outlet.relay)

    return LineSwitch(str(Path(settings.device).resolve()), settings, wiring, line_of)


WAY = PowerWay(settings=RelaySettings, outlet=RelayOutlet, connect=connect, check=check)
