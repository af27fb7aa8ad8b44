"""HTTP as it is read from one direction of a connection: the same however the bytes are cut, and as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hil.capture.http import Message, Reader
from targets.draw import Draw

_KEEP = 1_000
_LAST = 100  # the frame that closes the connection
_METHODS = (b"GET", b"POST", b"HEAD", b"OPTIONS")


def run(data: bytes) -> None:
    """One input: its first octet says how the rest is taken."""
    draw = Draw(data)
    draw.choice((_any_bytes, _written))(draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    cuts = b"\0\4\x03\x05\x20\x40"
    yield "get", cuts + b"GET /s?operation=GetCACaps HTTP/1.1\r\nHost: s\r\n\r\nGET / HTTP/1.0\n\n"
    yield "post", cuts + b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdeHEAD / HTTP/1.1\r\n\r\n"
    yield (
        "chunked",
        cuts + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: x\r\n\r\nHTTP/1.1 204 A\r\n\r\n",
    )
    yield "closed", cuts + b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500\r\nContent-Length: x\r\n\r\nuntil the end"
    for number in range(4):
        yield f"written-{number}", bytes((1, *((17 * number + 5 * i) % 256 for i in range(60))))


@dataclass
class _Heard:
    """What a reader tells of one stream."""

    messages: list[Message] = field(default_factory=list)

    def begins(self, message: Message) -> None:
        message.keep = _KEEP

    def ends(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def facts(self) -> list[tuple[object, ...]]:
        return [(m.method, m.target, m.status, m.headers, bytes(m.body), m.size, m.whole, m.problems) for m in self.messages]


def _read(pieces: Sequence[bytes]) -> _Heard:
    heard = _Heard()
    reader = Reader(heard.begins, heard.ends, from_start=True)
    for frame, piece in enumerate(pieces, 1):
        reader.feed(piece, frame, frame)
    reader.end(_LAST, 0)
    for message in heard.messages:
        assert len(message.body) <= min(message.size, _KEEP)
        assert 0 < message.first_frame <= message.frame <= _LAST
    return heard


def _cut(data: bytes, draw: Draw) -> tuple[list[bytes], bytes]:
    """Pieces of drawn lengths, and what is left."""
    lengths = [1 + draw.number(64) for _ in range(draw.number(12))]
    data = data or draw.rest()
    pieces = []
    for length in lengths:
        pieces.append(data[:length])
        data = data[length:]
    return [piece for piece in pieces if piece], data


def _any_bytes(draw: Draw) -> None:
    pieces, rest = _cut(b"", draw)
    whole = _read([b"".join(pieces) + rest]).facts
    # A reader that has lost its way finds it again where a piece begins with a message.
    assert _read([*pieces, rest]).facts[: len(whole)] == whole, "it matters how the bytes are cut"


def _written(draw: Draw) -> None:
    """Messages as they are written, each with a body framed in a drawn way."""
    written, sent = b"", []
    for _ in range(1 + draw.number(4)):
        body, end = draw.string(60), draw.choice((b"\r\n", b"\n"))
        reply, chunked = bool(draw.number(2)), bool(draw.number(2))
        start = b"HTTP/1.1 200 OK" if reply else draw.choice(_METHODS) + b" /" + draw.string(9).hex().encode() + b" HTTP/1.1"
        framing = b"Transfer-Encoding: chunked" if chunked else b"content-length:%d " % len(body)
        head = end.join((start, b"X-Noise: " + draw.string(20).hex().encode(), framing, b"", b""))
        written += head + (_chunks(body, end, draw) if chunked else body)
        sent.append((start, body))
    pieces, rest = _cut(written, draw)
    heard = _read([*pieces, rest])
    assert [(_start(message), bytes(message.body)) for message in heard.messages] == sent
    assert all(message.whole for message in heard.messages)


def _chunks(body: bytes, end: bytes, draw: Draw) -> bytes:
    chunks = b""
    while body:
        size = 1 + draw.number(len(body))
        chunks += b"%x;a=b" % size + end + body[:size] + end
        body = body[size:]
    return chunks + b"0" + end + (b"Trailer: x" + end if draw.number(2) else b"") + end


def _start(message: Message) -> bytes:
    return b"HTTP/1.1 200 OK" if message.is_reply else f"{message.method} {message.target} HTTP/1.1".encode()
