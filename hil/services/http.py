"""HTTP/1.1 towards phones: Content-Length and, but where connections are kept, `Connection: close` on every answer.

A sibling of the J100 takes nothing else from a file server (observed on a 9611G).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import traceback
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from hil.evidence import EventName
from hil.services.events import EventStream, Scalar
from hil.services.simple import LONGEST_SIMPLE, read_simple
from hil.services.web import AGENT_SHOWN, SERVER, Call, Peer, Reply, Served, Site
from hil.services.wire import Course, Delivery, course_of

LONGEST_LINE = 65_536
"""Octets of a request line: a PKIOperation by GET with a 4096-bit key needs well over 4,096."""

PATIENCE = 60.0
"""Real seconds for a request's body to arrive, and for a scripted answer's next octets to be taken."""

SCEP_FOLDER = "/scep/"

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
        return await (self.scep if call.path.startswith(SCEP_FOLDER) else self.files).answer(call)


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
        self._tasks: set[asyncio.Task[None]] = set()
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

    def take(self, sock: socket.socket, peer: Peer) -> bool:
        """Answer a simple request to a CA that waits on a connection, past the HTTP library; False, with all left as it is,
        where it is no such one.
        """
        octets = sock.recv(LONGEST_SIMPLE, socket.MSG_PEEK)
        call = read_simple(octets, peer)
        if call is None or not call.path.startswith(SCEP_FOLDER):
            return False
        sock.recv(len(octets))
        task = self._do(self._attend(sock, call))
        task.add_done_callback(lambda _: sock.close())  # should it be cancelled before its turn came
        return True

    async def stop(self) -> None:
        """Close the listener and what is still open, within a bound."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_SHUTDOWN)
        if self._runner is not None:
            await self._runner.cleanup()

    def _do(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have `work` done, until the server stops."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _attend(self, sock: socket.socket, call: Call) -> None:
        """Answer a simple request, and close."""
        with sock:
            try:
                served = await self._site.answer(call)
            except Exception as fault:  # noqa: BLE001  of the bench, and the client is to know
                served = at_fault(fault)
            await self._deliver(sock, call, served)

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
        except web.RequestPayloadError:
            served = _unread(400, "body malformed")
        else:
            call = replace(call, body=body)
            served = await self._site.answer(call)
        if served.script is not None and _over_tls(request):
            self._events.publish(
                EventName.FAULT, device=served.device, text="an answer's fault on the wire cannot be played in TLS"
            )
        elif served.script is not None:
            await self._do(self._deliver_past(request.transport, call, served))
            return _Sent()
        return await self._send(request, call, served)

    async def _deliver_past(self, transport: asyncio.Transport | None, call: Call, served: Served) -> None:
        """Have the answer fare as its script says, past the HTTP library."""
        with _own_socket(transport) as sock:
            await self._deliver(sock, call, served)

    async def _deliver(self, sock: socket.socket | None, call: Call, served: Served) -> None:
        """Send the answer as its script says, or whole; the event tells how far it came."""
        course = course_of(served.reply, served.script, call.target) if served.script else Course.of(served.reply)
        delivery = Delivery(course)
        status: int | None = course.status
        try:
            await delivery.play(sock, rate=self._events.clock_of(served.device).rate, patience=self._patience)
        finally:
            if served.script:
                came = {"octets": delivery.octets, "client_left": delivery.client_left}
                served = replace(served, details={**served.details, **came})
                status = course.status if delivery.octets else None
            self._publish(call, served, status, course.size, delivery.sent)

    async def _send(self, request: web.BaseRequest, call: Call, served: Served) -> web.StreamResponse:
        reply, sent = served.reply, True
        response = _response(reply)
        if not self._keeps:
            response.force_close()
        try:
            await response.prepare(request)
            if reply.part is not None and request.method != "HEAD":
                for piece in reply.part.pieces():
                    async with asyncio.timeout(self._patience):
                        await response.write(piece)
            await response.write_eof()
        except ConnectionError:
            sent = False
        except TimeoutError:
            sent = False
            if request.transport is not None:
                request.transport.abort()
        self._publish(call, served, reply.status, reply.size, sent)
        return response

    def _publish(self, call: Call, served: Served, status: int | None, size: int, sent: bool) -> None:
        served.publish(self._events, call, status=status, size=size, sent=sent, **self._details)


class _Sent(web.StreamResponse):
    """Tells the HTTP library that the answer has left already, and that the connection is at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """There is no more to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """There is no more to send."""


@contextmanager
def _own_socket(transport: asyncio.Transport | None) -> Iterator[socket.socket | None]:
    """The transport's socket, past its buffers, which would hide when octets leave; None where the client has left."""
    if transport is None or transport.is_closing():
        yield None
        return
    transport.pause_reading()
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
        sock.setblocking(False)
        yield sock


def _response(reply: Reply) -> web.StreamResponse:
    """The answer as the HTTP library has it: its body, or that a part of a file is to follow."""
    headers = {"Content-Type": reply.content_type}
    response: web.StreamResponse
    if reply.part is None:
        response = web.Response(status=reply.status, body=reply.body, headers=headers)
    else:
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = reply.size
    response.headers.extend(reply.fields)
    response.headers.setdefault("Server", SERVER)
    return response


def _head(request: web.BaseRequest) -> Call:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    address, port = (str(peer[0]), int(peer[1])) if peer else ("unknown", 0)
    agent = request.headers.get("User-Agent")
    fields = {name.lower(): request.headers[name] for name in request.headers}
    kind = fields.get("content-type")
    return Call(address, port, request.method, request.raw_path, agent and agent[:AGENT_SHOWN], content_type=kind, fields=fields)


def _over_tls(request: web.BaseRequest) -> bool:
    return request.transport is not None and request.transport.get_extra_info("ssl_object") is not None


def _unread(status: int, reason: str) -> Served:
    return Served(Reply.text(status, reason), EventName.STRAY, details={"reason": reason})


class _FaultLog(logging.Handler):
    """Turns what the HTTP library logs with an exception into events: bad HTTP is a client's, all else is the bench's."""

    def __init__(self, events: EventStream) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, HttpProcessingError | web.RequestPayloadError):
            self._events.publish(EventName.STRAY, reason="not HTTP", text=record.getMessage())
        elif fault is not None:
            self._events.publish(EventName.FAULT, text=describe(fault))


def at_fault(fault: BaseException) -> Served:
    """What a client is told, and the event that names the fault, where the bench itself failed to answer."""
    return Served(Reply.text(500, "the bench is at fault"), EventName.FAULT, details={"text": describe(fault)})


def describe(fault: BaseException) -> str:
    """Class, text and innermost line of `fault`."""
    frames = traceback.extract_tb(fault.__traceback__)
    place = f" in {frames[-1].name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(fault).__name__}: {fault}{place}"
