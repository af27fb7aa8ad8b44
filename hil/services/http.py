"""HTTP/1.1 towards phones: Content-Length and, but where connections are kept, `Connection: close` on every answer.

A sibling of the J100 takes nothing else from a file server (observed on a 9611G).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from hil.evidence import EventName
from hil.services.events import EventStream, Scalar
from hil.services.web import Call, Reply, Served, Site
from hil.services.wire import Course, Delivery, course_of

LONGEST_LINE = 65_536
"""Octets of a request line: a PKIOperation by GET with a 4096-bit key needs well over 4,096."""

PATIENCE = 60.0
"""Real seconds for a request's body to arrive, and for a scripted answer's next octets to be taken."""

_LONGEST_USER_AGENT = 256
LONGEST_SILENCE = 14_400.0
"""Real seconds that a connection may stay open between two requests."""

_SHUTDOWN = 1.0


@dataclass(frozen=True)
class Routes:
    """SCEP under `/scep/`, files everywhere else."""

    scep: Site
    files: Site

    async def answer(self, call: Call) -> Served:
        """The answer of the site that `call` is for."""
        return await (self.scep if call.path.startswith("/scep/") else self.files).answer(call)


class HttpServer:
    """Serves a site on listening sockets, in the event loop that starts it; scripts let an answer take phone time.

    `keeps` lets a connection stay open for more requests. `details` stand in each event too.
    """

    def __init__(
        self,
        site: Site,
        events: EventStream,
        *,
        patience: float = PATIENCE,
        keeps: bool = False,
        details: Mapping[str, Scalar] = MappingProxyType({}),
    ) -> None:
        self._site = site
        self._events = events
        self._patience = patience
        self._keeps = keeps
        self._details = details
        self._deliveries: set[asyncio.Task[None]] = set()
        self._runner: web.ServerRunner | None = None

    async def start(self, listeners: Sequence[socket.socket]) -> None:
        """Take connections from each of `listeners`."""
        logger = logging.Logger("hil.services.http")
        logger.addHandler(_FaultLog(self._events))
        server = web.Server(
            self._handle,
            logger=logger,
            access_log=None,
            keepalive_timeout=LONGEST_SILENCE,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN)
        await self._runner.setup()
        for listener in listeners:
            await web.SockSite(self._runner, listener).start()

    def speaker(self) -> asyncio.Protocol:
        """What speaks HTTP on a connection that was made elsewhere; once started."""
        if self._runner is None or self._runner.server is None:
            raise RuntimeError("the HTTP server has not started")
        return self._runner.server()

    async def stop(self) -> None:
        """Close the listener and what is still open, within a bound."""
        for delivery in self._deliveries:
            delivery.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call = _head(request)
        try:
            async with asyncio.timeout(self._patience):
                body = await request.read()
        except HTTPRequestEntityTooLarge:
            served = _unread(413, "body too large")
        except TimeoutError:
            served = _unread(408, "body too slow")
        except ConnectionError:
            # What a phone leaves that loses its power while it sends.
            served = _unread(400, "body broken off")
        else:
            call = replace(call, body=body)
            served = await self._site.answer(call)
        if served.script is not None:
            return await self._deliver(request, call, served, course_of(served.reply, served.script, call.target))
        return await self._send(request, call, served)

    async def _deliver(self, request: web.BaseRequest, call: Call, served: Served, course: Course) -> web.StreamResponse:
        """Have the answer fare as its script says, past the HTTP library; the event tells how far it came."""
        delivery = Delivery(course)
        play = delivery.play(request.transport, rate=self._events.clock_of(served.device).rate, patience=self._patience)
        task = asyncio.ensure_future(play)
        self._deliveries.add(task)
        try:
            await task
        finally:
            self._deliveries.discard(task)
            told = replace(served, details={**served.details, "octets": delivery.octets, "client_left": delivery.client_left})
            self._publish(call, told, course.status if delivery.octets else None, course.size, delivery.sent)
        return _Sent()

    async def _send(self, request: web.BaseRequest, call: Call, served: Served) -> web.StreamResponse:
        reply = served.reply
        response = web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type})
        response.headers.extend(reply.fields)
        response.headers.setdefault("Server", "j100-hil")
        if not self._keeps:
            response.force_close()
        sent = True
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            sent = False
        self._publish(call, served, reply.status, len(reply.body), sent)
        return response

    def _publish(self, call: Call, served: Served, status: int | None, size: int, sent: bool) -> None:
        self._events.publish(
            served.event,
            device=served.device,
            slot=served.slot,
            client=f"{call.address}:{call.port}",
            method=call.method,
            path=call.path,
            status=status,
            size=size,
            user_agent=call.user_agent,
            sent=sent,
            **self._details,
            **served.details,
        )


class _Sent(web.StreamResponse):
    """Tells the HTTP library that the answer has left already, and that the connection is at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """There is no more to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """There is no more to send."""


def _head(request: web.BaseRequest) -> Call:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address, port = (str(peer[0]), int(peer[1])) if peer else ("unknown", 0)
    agent = request.headers.get("User-Agent")
    agent = agent and agent[:_LONGEST_USER_AGENT]
    return Call(address, port, request.method, request.raw_path, agent, content_type=request.headers.get("Content-Type"))


def _unread(status: int, reason: str) -> Served:
    return Served(Reply.text(status, reason), EventName.STRAY, details={"reason": reason})


class _FaultLog(logging.Handler):
    """Turns what the HTTP library logs with an exception into events: bad HTTP is a client's, all else is the bench's."""

    def __init__(self, events: EventStream) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, HttpProcessingError):
            self._events.publish(EventName.STRAY, reason="not HTTP", text=record.getMessage())
        elif fault is not None:
            self._events.publish(EventName.FAULT, text=describe(fault))


def describe(fault: BaseException) -> str:
    """Class, text and innermost line of `fault`."""
    frames = traceback.extract_tb(fault.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(fault).__name__}: {fault}{place}"
