"""The plaintext side of a TLS connection: octets counted and bounded, and what one protocol says on it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from hil.asn1 import Malformed
from hil.evidence import EventName
from hil.services.events import EventStream, Scalar

MOST_REQUESTS = 10_000
"""Requests that one connection may make."""

_PIECE = 4_096
"""Octets taken at a time: what is held grows by so much, and is cut off its front message by message."""


@dataclass(frozen=True)
class Caller:
    """Who is at the other end of a connection to a service; `device` is None for a stranger."""

    service: str
    device: str | None
    address: str
    port: int
    server: str = ""
    """The bench's own address and port."""

    @property
    def client(self) -> str:
        """Address and port."""
        return f"{self.address}:{self.port}"


def publish(events: EventStream, name: EventName, caller: Caller, /, **details: Scalar) -> None:
    """Publish what a caller did."""
    events.publish(name, device=caller.device, slot=None, service=caller.service, client=caller.client, **details)


class NotSpoken(Exception):
    """What came is not the protocol of the service, or is more than it takes."""


class Speech(Protocol):
    """A service's side of one connection, free of any transport."""

    ended: bool
    """Whether the client has said that nothing more comes."""

    def take(self, octets: bytes) -> bytes:
        """What is answered to the next octets, empty where nothing is yet; raises `NotSpoken` or `Malformed`."""


class Talk(asyncio.Protocol):
    """Speaks a `Speech` on a transport; what is not its protocol is a stray and ends the connection."""

    def __init__(self, speech: Speech, caller: Caller, events: EventStream) -> None:
        self._speech = speech
        self._caller = caller
        self._events = events
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        try:
            answer = b"".join(self._speech.take(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))
        except (NotSpoken, Malformed) as problem:
            publish(self._events, EventName.STRAY, self._caller, reason=str(problem))
            transport.close()
            return
        if answer:
            transport.write(answer)
        if self._speech.ended:
            transport.close()

    def pause_writing(self) -> None:
        """Hear no more from a client that does not take its answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()


class Requests:
    """Makes each request of a connection an event, and lets there be only so many."""

    def __init__(self, caller: Caller, events: EventStream) -> None:
        self.caller = caller
        self._events = events
        self._left = MOST_REQUESTS

    def count(self) -> None:
        """One more; raises `NotSpoken` where it is one too many."""
        self._left -= 1
        if self._left < 0:
            raise NotSpoken(f"more than {MOST_REQUESTS} requests")

    def note(self, what: str, **details: Scalar) -> None:
        """Count a request and publish it."""
        self.count()
        publish(self._events, EventName.TLS_REQUEST, self.caller, request=what, **details)


class Meter(asyncio.Protocol):
    """Counts the octets between a transport and a protocol, and sets `over` when the connection is lost.

    `opened` gives the protocol for what the handshake has shown.
    """

    def __init__(self, most: int, opened: Callable[[ssl.SSLObject], asyncio.Protocol]) -> None:
        self.received = 0
        self.sent = 0
        self.reason: str | None = None
        self.by_client = False
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self._now = loop.time
        self.heard = loop.time()
        self._inner = asyncio.Protocol()
        self._most = most
        self._opened = opened
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inner = self._opened(transport.get_extra_info("ssl_object"))
        self._inner.connection_made(cast(asyncio.Transport, _Counted(self._transport, self)))

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.heard = self._now()
        if self.received > self._most:
            self.abort("too many octets")
        else:
            self._inner.data_received(data)

    def eof_received(self) -> None:
        self._ended("the client closed it", by_client=True)
        self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        # The bench's own endings are known by now; not every event loop tells before how a client ended its side.
        self._ended(str(exc) if exc else "the client closed it", by_client=True)
        self._inner.connection_lost(exc)
        if not self.over.done():
            self.over.set_result(None)

    def close(self, reason: str) -> None:
        """End the connection as its protocol has it."""
        self._ended(reason)
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End the connection at once."""
        self._ended(reason)
        if self._transport is not None:
            self._transport.abort()

    def _ended(self, reason: str, *, by_client: bool = False) -> None:
        """What ended it first is why it ended."""
        if self.reason is None:
            self.reason, self.by_client = reason, by_client


class _Counted:
    """A transport that counts what is written to it, and knows who closes it."""

    def __init__(self, transport: asyncio.Transport, meter: Meter) -> None:
        self._transport = transport
        self._meter = meter

    def write(self, data: bytes) -> None:
        self._meter.sent += len(data)
        self._transport.write(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.write(b"".join(pieces))

    def close(self) -> None:
        self._meter.close("the bench closed it")

    def abort(self) -> None:
        self._meter.abort("the bench closed it")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
