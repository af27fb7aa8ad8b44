"""A TLS server that shows who presents which certificate, and keeps connections open."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from hil.asn1 import Malformed
from hil.evidence import EventName
from hil.scep.certificate import read_certificate
from hil.services.events import EventStream, Scalar
from hil.services.http import LONGEST_SILENCE
from hil.services.listening import connections
from hil.services.roster import Roster
from hil.services.tls.connection import Caller, Meter, publish
from hil.services.tls.handshake import Credentials, Watch
from hil.services.tls.keylog import KeyLogs
from hil.services.web import Peer

_LONGEST_NAME = 512
_FAREWELL = 1.0
_STOPPING = 5.0
"""Real seconds: for the client to answer a close, for all connections to end."""

_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 20, socket.TCP_KEEPCNT: 3}
"""A phone that lost its power says no goodbye; the kernel finds out (tcp(7))."""


@dataclass(frozen=True)
class Limits:
    """Connections of one client and of all, octets that one may send, real seconds for a handshake and of silence."""

    of_client: int = 32
    of_all: int = 256
    octets: int = 64 * 2**20
    handshake: float = 15.0
    silence: float = LONGEST_SILENCE


Speaker = Callable[[Caller], asyncio.Protocol]
"""Gives what speaks a service's protocol with a caller."""


class TlsServer:
    """Services on the same listening sockets, each with its speaker.

    A client is at the service that `hosts` has for the host it asks for, in lower case, else at the first of `speakers`.
    Of a client that has more connections than it may, the oldest is ended, so that a new one is
    always seen.
    """

    def __init__(
        self,
        speakers: Mapping[str, Speaker],
        *,
        hosts: Mapping[str, str] | None = None,
        credentials: Credentials,
        events: EventStream,
        roster: Roster,
        key_logs: KeyLogs,
        limits: Limits | None = None,
    ) -> None:
        self._speakers = speakers
        self._hosts = hosts or {}
        self._first = next(iter(speakers))
        self._name = f"{' and '.join(speakers)} over TLS"
        self._credentials = credentials
        self._events = events
        self._roster = roster
        self._key_logs = key_logs
        self._limits = limits or Limits()
        self._listeners: list[socket.socket] = []
        self._listening: list[asyncio.Task[None]] = []
        self._connections: dict[asyncio.Task[None], str] = {}
        self._open: dict[Meter, Caller] = {}

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Take connections from each of `listeners`, in the running event loop."""
        self._listeners += listeners
        self._listening += [asyncio.ensure_future(self._listen(listener)) for listener in listeners]

    async def hang_up(self, service: str, addresses: Collection[str]) -> int:
        """Say goodbye on the open connections of these clients to `service`; how many those were, once all are closed."""
        ended = [meter for meter, one in self._open.items() if one.service == service and one.address in addresses]
        for meter in ended:
            meter.close("the bench hung up")
        if ended:
            await asyncio.wait([meter.over for meter in ended], timeout=_STOPPING)
        return len(ended)

    async def stop(self) -> None:
        """Close what listens and what is open, within a bound."""
        tasks = [*self._listening, *self._connections]
        for task in tasks:
            task.cancel("the bench stops")
        if tasks:
            await asyncio.wait(tasks, timeout=_STOPPING)
        for listener in self._listeners:
            listener.close()

    def take(self, sock: socket.socket, peer: Peer) -> None:
        """Serve a connection that was made."""
        own = "{}:{}".format(*sock.getsockname())
        self._take(sock, Caller(self._first, self._roster.resident(peer[0]), peer[0], peer[1], own))

    async def _listen(self, listener: socket.socket) -> None:
        async for sock, peer in connections(listener, self._failed_to_take):
            self.take(sock, peer)

    def _failed_to_take(self, fault: OSError) -> None:
        self._events.publish(EventName.FAULT, text=f"{self._name}: {fault}")

    def _take(self, sock: socket.socket, caller: Caller) -> None:
        own = [task for task, address in self._connections.items() if address == caller.address and not task.cancelling()]
        if len(own) >= self._limits.of_client:
            own[0].cancel("too many connections")
        elif len(self._connections) >= self._limits.of_all:
            sock.close()
            publish(self._events, EventName.STRAY, caller, reason="too many connections of all")
            return
        task = asyncio.ensure_future(self._serve(sock, caller))
        self._connections[task] = caller.address
        task.add_done_callback(lambda task: self._forget(task, sock))

    def _forget(self, task: asyncio.Task[None], sock: socket.socket) -> None:
        self._connections.pop(task, None)
        if task.cancelled():
            sock.close()  # before its turn came
        elif (fault := task.exception()) is not None:
            self._events.publish(EventName.FAULT, text=f"{self._name}: {fault!r}")

    async def _serve(self, sock: socket.socket, caller: Caller) -> None:
        """A connection from its handshake to its end."""
        watch = Watch(self._credentials, self._key_logs.file_of(caller.device))
        meter = Meter(self._limits.octets, lambda tls: self._opened(self._asking(caller, watch), watch, tls))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEP_ALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: meter,
                sock,
                ssl=watch.context,
                ssl_handshake_timeout=self._limits.handshake,
                ssl_shutdown_timeout=_FAREWELL,
            )
        except (OSError, asyncio.CancelledError) as failure:
            self._failed(self._asking(caller, watch), watch, failure)
            return
        await self._hold(self._asking(caller, watch), watch, meter)

    def _asking(self, caller: Caller, watch: Watch) -> Caller:
        """The caller at the service that it asked for."""
        return replace(caller, service=self._hosts.get(watch.host, self._first))

    async def _hold(self, caller: Caller, watch: Watch, meter: Meter) -> None:
        clock = self._events.clock_of(caller.device)
        since, now = clock.now(), asyncio.get_running_loop().time
        self._open[meter] = caller
        try:
            while not meter.over.done():
                left = meter.heard + self._limits.silence - now()
                if left <= 0:
                    meter.abort("silent for too long")
                    left = _FAREWELL
                await asyncio.wait((meter.over,), timeout=left)
        except asyncio.CancelledError as cancelled:
            meter.abort(str(cancelled))
        del self._open[meter]
        span = (clock.now() - since).total_seconds()
        publish(
            self._events,
            EventName.TLS_CLOSED,
            caller,
            received=meter.received,
            sent=meter.sent,
            seconds=span,
            reason=meter.reason,
            by_client=meter.by_client,
            alert=watch.alert,
        )

    def _opened(self, caller: Caller, watch: Watch, tls: ssl.SSLObject) -> asyncio.Protocol:
        cipher = tls.cipher()
        watch.certificate = tls.getpeercert(binary_form=True)
        publish(
            self._events,
            EventName.TLS_HANDSHAKE,
            caller,
            server=caller.server,
            version=tls.version(),
            cipher=cipher and cipher[0],
            resumed=tls.session_reused,
            **described(watch.certificate),
        )
        return self._speakers[caller.service](caller)

    def _failed(self, caller: Caller, watch: Watch, failure: BaseException) -> None:
        text = reason_of(failure)
        if not watch.speaks_tls:
            publish(self._events, EventName.STRAY, caller, reason="not TLS", text=text)
            return
        publish(self._events, EventName.TLS_HANDSHAKE, caller, failure=text, alert=watch.alert, **described(watch.certificate))


def described(der: bytes | None) -> dict[str, Scalar]:
    """What an event says of a client's certificate: serial number in hex, subject and issuer; all None where it had none."""
    if der is None:
        return {"serial": None, "subject": None, "issuer": None}
    try:
        certificate = read_certificate(der)
    except Malformed as problem:
        return {"serial": None, "subject": None, "issuer": None, "problem": str(problem)}
    return {
        "serial": f"{certificate.serial:x}",
        "subject": certificate.subject[:_LONGEST_NAME],
        "issuer": certificate.issuer[:_LONGEST_NAME],
    }


def reason_of(failure: BaseException) -> str:
    """Why a handshake came to nothing, in OpenSSL's words where it has some."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return failure.verify_message
    if isinstance(failure, ssl.SSLError) and failure.reason:
        return failure.reason.replace("_", " ").lower()
    if isinstance(failure, ConnectionAbortedError):
        return "took too long"
    if isinstance(failure, ConnectionError):
        return "the client left"
    return str(failure)
