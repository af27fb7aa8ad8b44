"""Requests for files, answered straight on their sockets: a thousand phones that start at once all ask at once.

A request that came whole and is for a file is answered here, in less than half the time that the HTTP library takes for it;
whatever else a connection begins with is left unread for that library.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.files import FileShelf
from hil.services.http import PATIENCE, SCEP_FOLDER, at_fault
from hil.services.stored import PIECE, Part
from hil.services.web import AGENT_SHOWN, Call, Peer, Served, answer_head

LONGEST_HEAD = 8_192
"""Octets of a request that is looked at here."""

_METHODS = (b"GET ", b"HEAD ")
_OTHERS = frozenset(("content-length", "transfer-encoding", "expect", "upgrade"))
"""Fields of requests that more has to be known of than their head."""


class QuickFiles:
    """Takes connections whose first request is for a file. `patience` is real seconds for a client to take a piece of it."""

    def __init__(self, shelf: FileShelf, events: EventStream, *, patience: float = PATIENCE) -> None:
        self._shelf = shelf
        self._events = events
        self._patience = patience
        self._sending: set[asyncio.Task[None]] = set()

    def take(self, sock: socket.socket, peer: Peer) -> bool:
        """Answer the request that waits on a connection, and close it; False, with all left as it is, where it is no such one."""
        waiting = sock.recv(LONGEST_HEAD, socket.MSG_PEEK)
        call = read_call(waiting, *peer)
        if call is None:
            return False
        try:
            served = self._shelf.find(call)
        except Exception as fault:  # noqa: BLE001  of the bench, and the client is to know
            served = at_fault(fault)
        sock.recv(len(waiting))  # closed with something unread, a connection is reset
        self._answer(sock, call, served)
        return True

    async def stop(self) -> None:
        """Close what is still being sent."""
        for task in self._sending:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending)

    def _answer(self, sock: socket.socket, call: Call, served: Served) -> None:
        """Send what the socket takes at once, and leave the rest to a task of its own."""
        reply = served.reply
        octets = answer_head(reply.status, reply.content_type, reply.size, reply.fields)
        part = reply.part
        if call.method == "HEAD":
            part = None
        elif part is None:
            octets += reply.body
        try:
            sent = sock.send(octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(sock, call, served, sent=False)
            return
        if sent == len(octets) and part is None:
            self._end(sock, call, served, sent=True)
            return
        task = asyncio.ensure_future(self._send(sock, call, served, octets[sent:], part))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        task.add_done_callback(lambda _: sock.close())  # should it be cancelled before its turn came

    async def _send(self, sock: socket.socket, call: Call, served: Served, octets: bytes, part: Part | None) -> None:
        whole = False
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.get_running_loop().sock_sendall(sock, octets)
            if part is not None:
                await send_part(sock, part, self._patience)
            whole = True
        except EOFError as fault:
            self._events.publish(EventName.FAULT, text=f"{call.path}: {fault}")
        except OSError:
            pass  # `sent` tells: the phone left, or takes nothing
        finally:
            self._end(sock, call, served, sent=whole)

    def _end(self, sock: socket.socket, call: Call, served: Served, *, sent: bool) -> None:
        sock.close()
        served.publish(self._events, call, status=served.reply.status, size=served.reply.size, sent=sent)


def read_call(octets: bytes, address: str, port: int) -> Call | None:
    """The request that these octets are, None where they are not one whole GET or HEAD of a file."""
    if not octets.startswith(_METHODS) or not octets.endswith(b"\r\n\r\n") or b"\n" in octets.replace(b"\r\n", b""):
        return None
    first, *lines = octets[:-4].decode("latin-1").split("\r\n")
    method, target, version = first.split(" ") if first.count(" ") == 2 else ("", "", "")
    if version not in ("HTTP/1.1", "HTTP/1.0") or not target.startswith("/"):
        return None
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name.lower() in _OTHERS:
            return None
        fields[name.lower()] = value.strip()
    agent = fields.get("user-agent")
    call = Call(address, port, method, target, agent and agent[:AGENT_SHOWN], fields=fields)
    return None if call.path.startswith(SCEP_FOLDER) else call


async def send_part(sock: socket.socket, part: Part, patience: float) -> None:
    """Send a part of a file from the kernel's own pages; `TimeoutError` where the client takes nothing for so long."""
    at, end = part.offset, part.offset + part.length
    while at < end:
        try:
            sent = os.sendfile(sock.fileno(), part.stored.descriptor, at, min(PIECE, end - at))
        except BlockingIOError:
            async with asyncio.timeout(patience):
                await _writable(sock)
            continue
        if not sent:
            raise EOFError("a file became shorter while it was served")
        at += sent


async def _writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(sock, _resolve, ready)
    try:
        await ready
    finally:
        with suppress(OSError, ValueError):
            loop.remove_writer(sock)


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
