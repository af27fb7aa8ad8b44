"""IP fragments put together (RFC 791 section 3.2, RFC 8200 section 4.5), within bounds.

A packet belongs to the frame that brought its last missing part, where Wireshark shows it. Of parts
that overlap the first counts, as with TCP.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from hil.capture.frames import Datagram, Fragment, Segment, transport

MAX_WAITING: Final = 256  # packets, of 64 KiB at most each
MAX_PARTS: Final = 128
MAX_PACKET: Final = 65_535

_Identity = tuple[bytes, bytes, int, int]


@dataclass
class _Parts:
    frame: int
    held: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None

    def add(self, fragment: Fragment) -> None:
        end = fragment.offset + len(fragment.payload)
        if end > MAX_PACKET or len(self.held) == MAX_PARTS:
            return
        self.held.setdefault(fragment.offset, fragment.payload)
        if not fragment.more and self.size is None:
            self.size = end

    def whole(self) -> bytes | None:
        """The packet's payload once no part is missing."""
        if self.size is None or sum(map(len, self.held.values())) < self.size:
            return None
        packet = bytearray()
        for offset in sorted(self.held):
            if offset > len(packet):
                return None
            packet += self.held[offset][len(packet) - offset :]
        return bytes(packet[: self.size]) if len(packet) >= self.size else None


class Fragments:
    """The packets of a capture of which parts have been seen."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[_Identity, _Parts] = OrderedDict()
        self._done: OrderedDict[_Identity, _Parts] = OrderedDict()  # a frame captured twice starts no packet
        self._given_up: list[int] = []
        self._lost = 0

    def add(self, fragment: Fragment, frame: int) -> Segment | Datagram | None:
        """What the packet carries that this fragment completes; None while parts are missing."""
        identity = fragment.identity
        parts = self._waiting.get(identity)
        if parts is None:
            if identity in self._done and self._done[identity].held.get(fragment.offset) == fragment.payload:
                return None
            parts = self._waiting[identity] = _Parts(frame)
        parts.add(fragment)
        packet = parts.whole()
        if packet is None:
            if len(self._waiting) > MAX_WAITING:
                self._give_up(self._waiting.popitem(last=False)[1])
            return None
        del self._waiting[identity]
        self._done[identity] = parts
        if len(self._done) > MAX_WAITING:
            self._done.popitem(last=False)
        source, destination, protocol, _ = identity
        return transport(packet, 0, len(packet), protocol, source, destination, fragment.mac)

    def finish(self) -> str | None:
        """What is wrong once the capture is at its end."""
        for parts in self._waiting.values():
            self._give_up(parts)
        self._waiting.clear()
        if not self._lost:
            return None
        return f"frame {self._given_up[0]}: parts of an IP packet are missing ({self._lost} such packets)"

    def _give_up(self, parts: _Parts) -> None:
        self._lost += 1
        self._given_up = self._given_up or [parts.frame]
