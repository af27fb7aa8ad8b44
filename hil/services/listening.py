"""How connections come in: from a listening socket, and at a port that speaks with and without TLS, by their first octet."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence

from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.http import LONGEST_SILENCE
from hil.services.web import Peer

_NO_DESCRIPTORS = 0.5
"""Real seconds until the next try to take a connection."""

_STOPPING = 5.0
_TLS_HANDSHAKE = b"\x16"  # RFC 5246 section 6.2.1; no method of HTTP begins so

_AT_A_TIME = 64

Taker = Callable[[socket.socket, Peer], None]
QuickTaker = Callable[[socket.socket, Peer], bool]


async def connections(listener: socket.socket, failed: Callable[[OSError], None]) -> AsyncIterator[tuple[socket.socket, Peer]]:
    """Each connection with its client's address and port; `failed` is told of one that could not be taken."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(0)  # a flood of connections waits for what is at work
        try:
            sock, peer = await loop.sock_accept(listener)
        except OSError as fault:
            failed(fault)
            await asyncio.sleep(_NO_DESCRIPTORS)
            continue
        yield sock, peer


class Doorway:
    """Ports where clients may speak in the clear or over TLS.

    A phone that is made to speak https is not documented to take another port than that of its http URL.
    `plain` gives what speaks on a connection in the clear, `sealed` takes one over TLS. One in the clear that
    has spoken goes to the first of `quick` that takes it.
    """

    def __init__(
        self, plain: Callable[[], asyncio.Protocol], sealed: Taker, events: EventStream, *, quick: Sequence[QuickTaker] = ()
    ) -> None:
        self._plain = plain
        self._sealed = sealed
        self._quick = quick
        self._events = events
        self._listeners: set[socket.socket] = set()
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._entering: set[asyncio.Task[object]] = set()

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Take connections from each of `listeners`, in the running event loop."""
        for listener in listeners:
            self._listeners.add(listener)
            self._listen(listener)

    async def stop(self) -> None:
        """Close what listens and what has not spoken yet, within a bound."""
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        for sock in tuple(self._waiting):
            self._stop_waiting(sock)
            sock.close()
        if self._entering:
            await asyncio.wait(self._entering, timeout=_STOPPING)

    def _listen(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take what has connected, only so many at a time: a flood of connections waits for what is at work."""
        for _ in range(_AT_A_TIME):
            try:
                sock, peer = listener.accept()
            except BlockingIOError:
                return
            except OSError as fault:
                self._events.publish(EventName.FAULT, text=f"HTTP: {fault}")
                loop = asyncio.get_running_loop()
                loop.remove_reader(listener)
                loop.call_later(_NO_DESCRIPTORS, self._listen, listener)
                return
            sock.setblocking(False)
            if not self._has_spoken(sock, peer):
                self._wait(sock, peer)

    def _wait(self, sock: socket.socket, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[sock] = loop.call_later(LONGEST_SILENCE, self._give_up, sock)
        loop.add_reader(sock, self._heard, sock, peer)

    def _stop_waiting(self, sock: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(sock)
        self._waiting.pop(sock).cancel()

    def _give_up(self, sock: socket.socket) -> None:
        self._stop_waiting(sock)
        sock.close()

    def _heard(self, sock: socket.socket, peer: Peer) -> None:
        self._stop_waiting(sock)
        if not self._has_spoken(sock, peer):
            self._wait(sock, peer)

    def _has_spoken(self, sock: socket.socket, peer: Peer) -> bool:
        """Let a connection in, or go, by the first octet on it, which is left where it is; False where there is none yet."""
        try:
            first = sock.recv(1, socket.MSG_PEEK)
            if first == _TLS_HANDSHAKE:
                self._sealed(sock, peer)
            elif not first:
                sock.close()
            elif not any(take(sock, peer) for take in self._quick):
                entering = asyncio.ensure_future(asyncio.get_running_loop().connect_accepted_socket(self._plain, sock))
                self._entering.add(entering)
                entering.add_done_callback(self._entering.discard)
        except BlockingIOError:
            return False
        except OSError:
            sock.close()
        return True
