"""Captures by several clocks made one by this PC's clock: what a tap recorded, and what was recorded here.

Frames carry the clock of the machine that captured them. Markers, of which this PC knows when it sent them, tell how far
a tap's clock is ahead: at the beginning and at the end of a recording, and in between it is taken to drift evenly. Of
several markers the one that seems to have come soonest is right, for none is captured before it was sent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, pack
from typing import BinaryIO, Final, NamedTuple

from hil.capture.files import (
    IF_NAME,
    IF_TSRESOL,
    INTERFACE,
    ISB_IFDROP,
    ISB_IFRECV,
    PACKET,
    SECTION,
    STATISTICS,
    CaptureFile,
    Interface,
    Packet,
    open_capture,
)
from hil.capture.frames import ETHERNET
from hil.capture.marker import marker_in

SECOND: Final = 10**9
MOST_DRIFT: Final = 500e-6
"""Seconds by which a clock in order may gain or lose in a second: NTP slews no faster."""
SLACK: Final = 0.05
"""Seconds by which two measurements may differ that are close to each other: what a busy switch or PC takes for a frame."""
NANOSECONDS: Final = 9
_packet_head = Struct("<IIIIIII").pack


class Ahead(NamedTuple):
    """How far a clock is ahead of this PC's, at an instant of its own; nanoseconds, negative where it is behind."""

    at: int
    by: int


@dataclass(frozen=True)
class TapClock:
    """A tap's clock, held against this PC's at the beginning and the end of a recording.

    `back` is the farthest, in nanoseconds, that one of its times lies before an earlier frame's: so it shows that a clock
    was set and set right again.
    """

    begin: Ahead
    end: Ahead
    back: int = 0

    @property
    def problem(self) -> str | None:
        """Why times by it cannot be converted, None where they can: it must not have been set while it recorded."""
        if self.back > SLACK * SECOND:
            return f"the clock of the tap was set back by {self.back / SECOND:.3f} s meanwhile"
        span, gained = (self.end.at - self.begin.at) / SECOND, (self.end.by - self.begin.by) / SECOND
        if abs(gained) <= SLACK + MOST_DRIFT * abs(span):
            return None
        return (
            f"the clock of the tap, or of this PC, was set meanwhile: the one gained {gained:+.3f} s on the other in {span:.1f} s"
        )

    def here(self, time: int) -> int:
        """A time by the tap's clock as this PC's clock has it."""
        span = self.end.at - self.begin.at
        gained = (self.end.by - self.begin.by) * (time - self.begin.at) // span if span > 0 else 0
        return time - self.begin.by - gained


def clock_by_markers(capture: CaptureFile, at_begin: Mapping[bytes, int], at_end: Mapping[bytes, int]) -> TapClock | None:
    """The clock of a capture, by the markers in it and when each was sent; None where a marker is missing."""
    soonest: list[Ahead | None] = [None, None]
    latest = back = 0
    for packet in capture.packets():
        latest = max(latest, packet.time)
        back = max(back, latest - packet.time)
        body = marker_in(packet.data)
        for place, sent in enumerate((at_begin, at_end)):
            if body is not None and body in sent:
                known, seen = soonest[place], Ahead(packet.time, packet.time - sent[body])
                soonest[place] = seen if known is None or seen.by < known.by else known
    begin, end = soonest
    return None if begin is None or end is None else TapClock(begin, end, back)


def merge(parts: Sequence[tuple[Path, TapClock | None]], file: Path) -> tuple[str, ...]:
    """Write the packets of captures into one, in the order of this PC's time; what of them was damaged.

    Each part is of one interface, which keeps its statistics. A part without a clock has this PC's already.
    """
    captures = [open_capture(path) for path, _ in parts]
    last = max((packet.time for capture in captures for packet in capture.packets()), default=0)
    interfaces = [next(iter(capture.interfaces), Interface("", ETHERNET, 0)) for capture in captures]
    sources = [_by_this_clock(open_capture(path), clock, index) for index, (path, clock) in enumerate(parts)]
    with file.open("wb") as output:
        _block(output, SECTION, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        for interface in interfaces:
            options = _option(IF_NAME, interface.name.encode()) + _option(IF_TSRESOL, bytes([NANOSECONDS])) + bytes(4)
            _block(output, INTERFACE, pack("<HHI", interface.link, 0, interface.snapshot) + options)
        for time, index, packet in heapq.merge(*sources, key=lambda found: found[0]):
            _packet(output, index, time, packet)
        for index, interface in enumerate(interfaces):
            _statistics(output, index, last, interface)
    return tuple(problem for capture in captures for problem in capture.problems)


def _by_this_clock(capture: CaptureFile, clock: TapClock | None, index: int) -> Iterator[tuple[int, int, Packet]]:
    """Each packet with this PC's time and the number of its interface."""
    for packet in capture.packets():
        yield packet.time if clock is None else max(0, clock.here(packet.time)), index, packet


def _packet(output: BinaryIO, index: int, time: int, packet: Packet) -> None:
    data = packet.data
    size = 32 + len(data) + -len(data) % 4
    head = _packet_head(PACKET, size, index, time >> 32, time & 0xFFFFFFFF, len(data), packet.length)
    output.write(head + data + bytes(-len(data) % 4) + pack("<I", size))


def _statistics(output: BinaryIO, index: int, time: int, interface: Interface) -> None:
    counts = ((ISB_IFRECV, interface.received), (ISB_IFDROP, interface.dropped))
    options = b"".join(_option(code, pack("<Q", count)) for code, count in counts if count is not None) + bytes(4)
    _block(output, STATISTICS, pack("<III", index, time >> 32, time & 0xFFFFFFFF) + options)


def _option(code: int, value: bytes) -> bytes:
    return pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def _block(output: BinaryIO, kind: int, body: bytes) -> None:
    output.write(pack("<II", kind, 12 + len(body)) + body + pack("<I", 12 + len(body)))
