"""What a capture must have missed: octets of TCP that their receiver acknowledged and no frame shows.

A switch that mirrors more than its mirror port can carry drops copies and tells nobody, and one that is set up
wrongly shows one direction alone. The receiver's acknowledgements give both away. Nothing is missing that is shown
late, twice, in any order or only after it was acknowledged, nor what had passed before a capture that begins in
mid-connection.

Source: RFC 9293 section 3.4, where SYN and FIN take a sequence number each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from hil.capture.exchange import endpoint_text
from hil.capture.files import CaptureFile, open_capture
from hil.capture.fragments import Fragments
from hil.capture.frames import ACK, FIN, RST, SYN, Fragment, Segment, dissect

WRAP: Final = 2**32
HALF: Final = 2**31
MOST_AHEAD: Final = 64 * 2**20  # a number further away belongs to no octet of this connection
MOST_HOLES: Final = 64
MOST_CONNECTIONS: Final = 10_000
MOST_MISSING: Final = 1_000


class Missing(NamedTuple):
    """What of one direction was acknowledged and is in no frame; `octets` is None where nothing of it was captured at all.

    `frame` is the first that shows it: the one behind the gap, or the one that acknowledges what never came.
    """

    source: str
    destination: str
    octets: int | None
    frame: int

    def __str__(self) -> str:
        if self.octets is None:
            return f"frame {self.frame}: nothing that {self.source} sent to {self.destination} was captured, and it was received"
        what = f"{self.octets} octets that {self.source} sent to {self.destination} were received"
        return f"frame {self.frame}: {what} and are missing from the capture"


def missing_octets(path: Path) -> tuple[Missing, ...]:
    """What the connections of a pcap or pcapng file lack, in the order of its frames; Misuse if it cannot be opened."""
    return missing_from(open_capture(path))


def missing_from(capture: CaptureFile) -> tuple[Missing, ...]:
    """What the connections of an opened capture lack."""
    found: list[Missing] = []
    talks: OrderedDict[frozenset[bytes], _Talk] = OrderedDict()
    fragments = Fragments()
    for number, _, link, data, _ in capture.packets():
        content = dissect(link, data)
        if isinstance(content, Fragment):
            content = fragments.add(content, number)
        if not isinstance(content, Segment):
            continue
        key = frozenset((content.source, content.destination))
        talk = talks.get(key)
        if talk is not None and content.flags & SYN and talk.is_another(content):
            found += talks.pop(key).missing()
            talk = None
        if talk is None:
            talk = talks[key] = _Talk()
            if len(talks) > MOST_CONNECTIONS:
                found += talks.popitem(last=False)[1].missing()
        talk.add(content, number)
    for talk in talks.values():
        found += talk.missing()
    return tuple(sorted(found, key=lambda missing: missing.frame)[:MOST_MISSING])


class _Side:
    """What one side was seen to send and the other to acknowledge of it, in numbers that do not wrap."""

    __slots__ = ("acknowledged", "begun", "end", "floor", "frame", "has_reset", "holes", "least_acknowledged")

    def __init__(self) -> None:
        self.begun = False
        """Whether its SYN was captured."""
        self.has_reset = False
        self.floor: int | None = None
        """The lowest number captured, None where nothing was but a reset, whose numbers may be anything."""
        self.end = 0
        """Behind the highest number captured."""
        self.holes: list[tuple[int, int, int]] = []
        """Numbers below `end` that were not captured: the first, behind the last, and the frame behind them."""
        self.acknowledged: int | None = None
        self.least_acknowledged = 0
        self.frame = 0
        """The frame that acknowledged most."""

    def place(self, number: int) -> int:
        """A number of a segment without its wrapping, near those that are known."""
        known = self.end if self.floor is not None else self.acknowledged
        return number + WRAP if known is None else known + (number - known + HALF) % WRAP - HALF

    def send(self, first: int, length: int, frame: int) -> None:
        if self.floor is None:
            self.floor, self.end = first, first + length
        elif first == self.end:
            self.end += length
        elif self.end < first <= self.end + MOST_AHEAD:
            if len(self.holes) < MOST_HOLES:
                self.holes.append((self.end, first, frame))
            self.end = first + length
        elif self.end - MOST_AHEAD <= first < self.end:
            self._late(self.floor, first, first + length, frame)

    def _late(self, floor: int, first: int, behind: int, frame: int) -> None:
        """What was captured after what follows it."""
        if first < floor:
            self.holes += [(behind, floor, frame)] if behind < floor else []
            self.floor = first
        if self.holes and first < behind:
            parts = [
                part
                for begin, end, beside in self.holes
                for part in ((begin, min(end, first), beside), (max(begin, behind), end, beside))
            ]
            self.holes = [part for part in parts if part[0] < part[1]][:MOST_HOLES]
        self.end = max(self.end, behind)

    def acknowledge(self, number: int, frame: int) -> None:
        place = self.place(number)
        if self.acknowledged is None:
            self.acknowledged = self.least_acknowledged = place
            self.frame = frame
        elif self.acknowledged < place <= max(self.acknowledged, self.end) + MOST_AHEAD:
            self.acknowledged, self.frame = place, frame
        elif place < self.least_acknowledged:
            self.least_acknowledged = place

    def gaps(self, floor: int) -> Iterator[tuple[int, int]]:
        """Octets that were acknowledged and not captured from `floor` on, and the frame that shows each gap."""
        acknowledged = self.acknowledged or 0
        for begin, end, frame in (*self.holes, (self.end, acknowledged, self.frame)):
            octets = min(end, acknowledged) - max(begin, floor)
            if octets > 0:
                yield octets, frame


class _Talk:
    """Both directions of one connection."""

    __slots__ = ("_asked", "_begun", "_sides")

    def __init__(self) -> None:
        self._sides: dict[bytes, _Side] = {}
        self._begun = False
        """Whether the capture has the beginning of the connection, so that all octets of it should be there."""
        self._asked = False
        """Whether it has the very first SYN, and not only its answer, with which a capture may begin."""

    def is_another(self, segment: Segment) -> bool:
        """Whether a SYN begins a new connection between the same ports rather than this one, once more or late."""
        side = self._sides.get(segment.source)
        if side is None or (side.floor is None and side.acknowledged is None):
            return not self._begun
        first = side.place(segment.sequence)
        return first + 1 != side.least_acknowledged if side.floor is None else first not in (side.floor, side.floor - 1)

    def add(self, segment: Segment, frame: int) -> None:
        """A segment in capture order."""
        flags = segment.flags
        side = self._side(segment.source)
        if flags & RST:
            side.has_reset = True
            return
        length = len(segment.payload) + bool(flags & SYN) + bool(flags & FIN)
        side.send(side.place(segment.sequence), length, frame)
        if flags & SYN:
            side.begun = self._begun = True
            self._asked = self._asked or not flags & ACK
        if flags & ACK:
            self._side(segment.destination).acknowledge(segment.acknowledged, frame)

    def _side(self, source: bytes) -> _Side:
        side = self._sides.get(source)
        if side is None:
            side = self._sides[source] = _Side()
        return side

    def missing(self) -> Iterator[Missing]:
        """What either side sent that the other had and the capture has not."""
        for source, side in self._sides.items():
            if side.acknowledged is None:
                continue
            destination = next(other for other in self._sides if other != source)
            ends = endpoint_text(source), endpoint_text(destination)
            if side.floor is None:
                if self._begun or (side.acknowledged > side.least_acknowledged + 1 and not side.has_reset):
                    yield Missing(*ends, None, side.frame)
                continue
            # a capture that begins in mid-connection may do so with a keep-alive, whose number was used before
            gaps = [*side.gaps(side.floor if self._begun else side.floor + 1)]
            before = side.floor - side.least_acknowledged + self._asked  # with the SYN that answered it
            if self._begun and not side.begun and before > 0:
                gaps.append((before, side.frame))
            if gaps:
                yield Missing(*ends, sum(octets for octets, _ in gaps), min(frame for _, frame in gaps))
