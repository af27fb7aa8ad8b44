"""TLS connections of a capture as far as they show themselves without keys (RFC 5246, RFC 8446).

Up to TLS 1.2 the client's certificate crosses the wire in clear; TLS 1.3 seals it. How many octets of
application data crossed, and when, is seen in either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from hil.asn1 import Malformed
from hil.capture.exchange import endpoint_text
from hil.capture.files import CaptureFile, instant, open_capture
from hil.capture.frames import ACK, FIN, RST, SYN, Segment, dissect
from hil.capture.records import (
    APPLICATION,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    HANDSHAKE,
    HEARTBEAT,
    MAX_MESSAGE,
    MAX_RECORD,
    SERVER_HELLO,
    SUPPORTED_VERSIONS,
    extensions,
)
from hil.capture.streams import HALF, Budget, Direction
from hil.scep.certificate import Certificate, read_certificate

MAX_CONNECTIONS = 10_000
MAX_RECORDS = 50_000  # of application data that one connection is told of
VERSIONS: Final = {0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}

_Following = dict[tuple[bytes, bytes], "Direction[_Side]"]
"""By source and destination what is read of one side."""


class Record(NamedTuple):
    """A record of application data: the frame that completed it, its sender, its octets as sealed.

    In TLS 1.3 the sealed part of the handshake looks the same.
    """

    frame: int
    time: datetime
    from_client: bool
    octets: int


class End(NamedTuple):
    """The first frame in which a side closes a connection, or resets it."""

    frame: int
    time: datetime


@dataclass
class TlsConnection:
    """One connection, from the frame of its ClientHello on.

    `version` is None without a ServerHello. `certificate` is the client's own, None where it sent none, the
    handshake did not come so far, or TLS 1.3 hides it (`sealed`). `ended` is where either side first closed or
    reset the connection; who began that may be sealed. `problems` say what is missing.
    """

    client: str
    server: str
    frame: int
    time: datetime
    version: str | None = None
    certificate: Certificate | None = None
    certificate_frame: int | None = None
    ended: End | None = None
    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def sealed(self) -> bool:
        """Whether the client's certificate cannot be seen without keys."""
        return self.version == "TLSv1.3"


def read_tls(path: Path) -> tuple[TlsConnection, ...]:
    """The TLS connections that a capture has from their first segment on, in the order of their beginning."""
    return tls_connections(open_capture(path))


def tls_connections(capture: CaptureFile) -> tuple[TlsConnection, ...]:
    """The TLS connections of an opened capture."""
    budget = Budget()
    following: _Following = {}
    found: list[TlsConnection] = []
    for number, time, link, data, _ in capture.packets():
        segment = dissect(link, data)
        if not isinstance(segment, Segment):
            continue
        way, back = (segment.source, segment.destination), (segment.destination, segment.source)
        first = (segment.sequence + 1) % (2 * HALF)
        side = following.get(way)
        if segment.flags & SYN and (side is None or side.first != first):
            _end(following, way)
            if not segment.flags & ACK:
                _end(following, back)
            if len(following) < 2 * MAX_CONNECTIONS:
                peer = following.get(back)
                reader = _Side(peer.reader.talk if peer else _Talk(*way, found), way[0])
                side = following[way] = Direction(reader, reader.gap, first, budget)
        if side is not None:
            if segment.flags & (FIN | RST):
                side.reader.talk.end(number, time)
            side.accept(segment, number, time)
            if side.reader.foreign:
                _end(following, way)
    for way in tuple(following):
        _end(following, way)
    return tuple(found)


def _end(following: _Following, way: tuple[bytes, bytes]) -> None:
    """Let what one side sent be all."""
    side = following.pop(way, None)
    if side is not None:
        side.finish("nothing more was captured")


class _Talk:
    """What both sides of a connection have shown."""

    def __init__(self, client: bytes, server: bytes, found: list[TlsConnection]) -> None:
        self.client = client
        self._server = server
        self._found = found
        self.seen: TlsConnection | None = None

    def message(self, from_client: bool, kind: int, body: bytes, frame: int, time: int) -> None:
        """A handshake message that is not sealed."""
        if kind == CLIENT_HELLO and from_client and self.seen is None and len(self._found) < MAX_CONNECTIONS:
            self.seen = TlsConnection(endpoint_text(self.client), endpoint_text(self._server), frame, instant(time))
            self._found.append(self.seen)
        elif self.seen is not None and kind == SERVER_HELLO and not from_client:
            self.seen.version = _version(body)
        elif self.seen is not None and kind == CERTIFICATE and from_client:
            size = int.from_bytes(body[3:6], "big")
            if size:
                self._certificate(self.seen, body[6 : 6 + size], frame)

    def _certificate(self, seen: TlsConnection, der: bytes, frame: int) -> None:
        seen.certificate_frame = frame
        try:
            seen.certificate = read_certificate(der)
        except Malformed as problem:
            self.problem(f"frame {frame}: the client's certificate cannot be read: {problem}")

    def data(self, from_client: bool, octets: int, frame: int, time: int) -> None:
        """A sealed record."""
        if self.seen is not None and len(self.seen.records) < MAX_RECORDS:
            self.seen.records.append(Record(frame, instant(time), from_client, octets))

    def end(self, frame: int, time: int) -> None:
        """One side sends no more."""
        if self.seen is not None and self.seen.ended is None:
            self.seen.ended = End(frame, instant(time))

    def problem(self, text: str) -> None:
        """Something is missing or cannot be read."""
        if self.seen is not None:
            self.seen.problems.append(text)


class _Side:
    """Reads the records of one direction; once bytes are missing where a record may begin, no more of them."""

    def __init__(self, talk: _Talk, source: bytes) -> None:
        self.talk = talk
        self.lost = False
        self.foreign = False
        self.recognised = False
        self._from_client = source == talk.client
        self._records = bytearray()
        self._messages = bytearray()
        self._sealed = False

    def feed(self, data: bytes, frame: int, time: int) -> None:
        if self.lost or self.foreign:
            return
        self._records += data
        while len(self._records) >= 5:
            kind, size = self._records[0], int.from_bytes(self._records[3:5], "big")
            if not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT or self._records[1] != 3 or size > MAX_RECORD:
                self._lose(f"frame {frame}: not a TLS record")
                return
            if len(self._records) < 5 + size:
                return
            payload = bytes(self._records[5 : 5 + size])
            del self._records[: 5 + size]
            self.recognised = True
            self._record(kind, payload, frame, time)

    def _record(self, kind: int, payload: bytes, frame: int, time: int) -> None:
        if kind == APPLICATION:
            self.talk.data(self._from_client, len(payload), frame, time)
        elif kind == CHANGE_CIPHER_SPEC:
            self._sealed = True
        elif kind == HANDSHAKE and not self._sealed:
            self._messages += payload
            while len(self._messages) >= 4:
                end = 4 + int.from_bytes(self._messages[1:4], "big")
                if end > MAX_MESSAGE:
                    self._lose(f"frame {frame}: a handshake message of {end} bytes")
                    return
                if len(self._messages) < end:
                    return
                body = bytes(self._messages[4:end])
                self.talk.message(self._from_client, self._messages[0], body, frame, time)
                del self._messages[:end]

    def _lose(self, problem: str) -> None:
        self.lost, self.foreign = True, not self.recognised
        self._records.clear()
        self._messages.clear()
        self.talk.problem(problem)

    def gap(self, missing: int, frame: int) -> None:
        """Told before `skip`, with the frame beside the gap."""
        self.talk.problem(f"frame {frame}: {missing} bytes beside it on its connection are missing from the capture")

    def skip(self, _: int) -> None:
        self.lost = True
        self._records.clear()

    def end(self, frame: int, time: int) -> None:
        """A record cut by the end of its connection shows nothing."""

    def stop(self, reason: str) -> None:
        """What is not whole shows nothing."""


def _version(hello: bytes) -> str:
    """The version that a ServerHello chose (RFC 8446 section 4.2.1)."""
    told = extensions(hello).get(SUPPORTED_VERSIONS, b"")
    chosen = int.from_bytes(told if len(told) == 2 else hello[:2], "big")
    return VERSIONS.get(chosen, f"{chosen:#06x}")
