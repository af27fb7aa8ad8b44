"""Frames that the bench sends to itself to prove that a recorder hears a source.

Each source has a random tag that its capture filter lets pass and no other's does, so that a marker in
the file proves that very source, even where one interface hears what another sends.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass, field
from typing import Final

ETHERTYPE: Final = 0x88B5  # IEEE 802, local experimental
NEAREST_BRIDGE: Final = bytes.fromhex("0180c200000e")  # no bridge passes it on
EVERYBODY: Final = bytes.fromhex("ffffffffffff")  # each bridge does
DISCARD: Final = 9
MINIMUM: Final = 60
WORDS: Final = b"recorder marker "
TAG: Final = 4
NONCE: Final = 16
LONGEST_HEADERS: Final = 100  # octets in which a marker has begun


@dataclass(frozen=True)
class Source:
    """An interface to record, what of it (a libpcap filter, empty for all), and where its marker goes.

    The marker is an Ethernet frame sent out of the interface; with `marker_address` it is a UDP datagram to the
    discard port of that IPv4 address, for where no raw frames may be sent, or the interface is `any`. An
    `interface` of another machine gets it from `sent_from`, an interface of this one, as a frame to everybody.
    """

    interface: str
    capture_filter: str = ""
    marker_address: str | None = None
    sent_from: str | None = None


@dataclass(frozen=True)
class Marker:
    """What one source sends, and the filter that lets it pass."""

    source: Source
    tag: bytes = field(default_factory=lambda: secrets.token_bytes(TAG))

    @property
    def capture_filter(self) -> str:
        """This marker, or what the source wants; in this order, since `vlan` in a filter moves what follows it."""
        wanted = self.source.capture_filter
        if not wanted:
            return ""
        tag = int.from_bytes(self.tag, "big")
        if self.source.marker_address:
            return f"(udp dst port {DISCARD} and udp[8:4] = {tag:#010x}) or ({wanted})"
        return f"(ether proto {ETHERTYPE:#06x} and ether[14:4] = {tag:#010x}) or ({wanted})"

    def send(self, nonce: bytes) -> bytes:
        """Sends the marker with a nonce of `NONCE` bytes; the bytes to look for in the file. OSError if it cannot be sent."""
        body = self.tag + WORDS + nonce
        if self.source.marker_address:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(body, (self.source.marker_address, DISCARD))
        else:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
                sender.bind((self.source.sent_from or self.source.interface, 0))
                own: bytes = sender.getsockname()[4][:6]
                frame = (
                    (EVERYBODY if self.source.sent_from else NEAREST_BRIDGE)
                    + own.ljust(6, b"\0")
                    + ETHERTYPE.to_bytes(2, "big")
                    + body
                )
                sender.send(frame.ljust(MINIMUM, b"\0"))
        return body


def marker_in(frame: bytes) -> bytes | None:
    """What `send` returned for the marker that this frame is, None for any other frame."""
    at = frame.find(WORDS, 0, LONGEST_HEADERS)
    return frame[at - TAG : at + len(WORDS) + NONCE] if at >= TAG else None
