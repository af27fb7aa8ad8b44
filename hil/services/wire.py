"""What a script does to an HTTP answer on its way: the octets that leave, when, and how the connection ends."""

from __future__ import annotations

import asyncio
import fcntl
import random
import socket
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.client import responses

from hil.frozen import frozen
from hil.scenario import Answer, Drip, Garbage, HttpError, Redirect, Reset, Silence, Truncate, WrongLength, layers
from hil.services.web import Reply, answer_head

_BLOCK = 65_536
_ACKNOWLEDGED_EVERY = 0.002
"""Real seconds between looks whether the client's kernel has taken what was sent."""


@frozen
class Course:
    """An HTTP answer under way.

    The body is `block` over and over, `size` octets of it. `length` is what Content-Length says.
    `leaves` is how many octets of the body leave; None: not even the status line. They leave
    `piece` octets at a time with `every` phone seconds between. Then the connection is held for
    `hold` phone seconds as long as the client stays, and reset or closed.
    """

    status: int
    content_type: str
    block: bytes
    size: int
    length: int
    leaves: int | None
    fields: tuple[tuple[str, str], ...] = ()
    piece: int = _BLOCK
    every: float = 0.0
    hold: float = 0.0
    resets: bool = False

    @classmethod
    def of(cls, reply: Reply) -> Course:
        """The answer as it should leave."""
        size = len(reply.body)
        return cls(reply.status, reply.content_type, reply.body, size, size, size, reply.fields)

    @property
    def is_whole(self) -> bool:
        """Whether a client that takes everything has the whole answer, and can know it."""
        return self.leaves == self.length == self.size

    @property
    def head(self) -> bytes:
        """Status line and header fields, those that every answer of the bench has."""
        return answer_head(self.status, self.content_type, self.length, self.fields)

    def pieces(self) -> Iterator[bytes]:
        """What leaves, piece by piece, with never more than a block of it in memory; at once where it is no more than that."""
        if self.leaves is None:
            return
        head = self.head
        if self.piece == _BLOCK and len(head) + self.leaves <= _BLOCK:
            yield head + self.block[: self.leaves]
            return
        yield from _cut(head, self.piece)
        left = self.leaves
        while left > 0:
            part = self.block[:left]
            yield from _cut(part, self.piece)
            left -= len(part)


def course_of(reply: Reply, script: Answer, target: str) -> Course:
    """How the CA's `reply` to the request of `target` fares by the script's answer."""
    *around, inner = layers(script)
    course = _beginning(reply, inner, target)
    for layer in reversed(around):
        course = _spoilt(course, layer)
    return course


def _beginning(reply: Reply, answer: Answer, target: str) -> Course:
    match answer:
        case HttpError(status, text):
            return Course.of(Reply.text(status, text))
        case Redirect(location, status):
            told = Reply.text(status, responses.get(status, "Redirect"))
            return Course.of(replace(told, fields=(("Location", location or target),)))
        case Silence(span):
            return replace(Course.of(reply), leaves=None, hold=span)
        case Garbage(octets):
            noise = random.Random(0).randbytes(_BLOCK)
            return Course(200, reply.content_type, noise, octets, octets, octets)
        case _:
            return Course.of(reply)


def _spoilt(course: Course, fault: Answer) -> Course:
    match fault:
        case Reset("before"):
            return replace(course, leaves=None, resets=True)
        case Reset("during"):
            return replace(course, leaves=_at_most(course, course.size // 2), resets=True)
        case Reset():
            return replace(course, resets=True)
        case Truncate(octets):
            return replace(course, leaves=_at_most(course, course.size // 2 if octets is None else octets))
        case WrongLength(by):
            return replace(course, length=max(0, course.length + by))
        case Drip(octets, every):
            return replace(course, piece=octets, every=every)
        case _:
            return course


def _at_most(course: Course, octets: int) -> int | None:
    return None if course.leaves is None else min(course.leaves, octets)


def _cut(octets: bytes, piece: int) -> Iterator[bytes]:
    for start in range(0, len(octets), piece):
        yield octets[start : start + piece]


@dataclass
class Delivery:
    """What became of a course, kept while it is played: octets that left, and whether it came to its end."""

    course: Course
    octets: int = 0
    ended: bool = False
    client_left: bool = False

    @property
    def sent(self) -> bool:
        """Whether the client could have the whole answer."""
        return self.ended and self.course.is_whole

    async def play(self, sock: socket.socket | None, *, rate: float, patience: float) -> None:
        """Play the course on a connection that the caller closes after, its socket not blocking; None where the client has left.

        `rate` is phone seconds in one real second. A client that takes nothing for `patience` real
        seconds is given up and reset; one that leaves ends the course.
        """
        if sock is None:
            self.client_left = True
            return
        try:
            await self._send(sock, rate, patience)
            await self._hold(sock, rate)
            self.ended = True
        except TimeoutError:
            pass  # `ended` tells
        except ConnectionError:
            self.client_left = True
        if self.course.resets or not self.ended:
            # Closing becomes a reset (socket(7), SO_LINGER).
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _send(self, sock: socket.socket, rate: float, patience: float) -> None:
        for piece in self.course.pieces():
            if self.octets and self.course.every:
                await asyncio.sleep(self.course.every / rate)
            await _send_all(sock, piece, patience)
            self.octets += len(piece)
        if self.course.resets and self.octets:
            # A reset takes back what the client's kernel has not taken yet.
            async with asyncio.timeout(patience):
                while _unacknowledged(sock):
                    await asyncio.sleep(_ACKNOWLEDGED_EVERY)

    async def _hold(self, sock: socket.socket, rate: float) -> None:
        """Wait for the client to leave, for so long as the course says."""
        if not self.course.hold:
            return
        try:
            async with asyncio.timeout(self.course.hold / rate):
                while await asyncio.get_running_loop().sock_recv(sock, _BLOCK):
                    pass  # nothing more is answered
        except TimeoutError:
            return
        self.client_left = True


async def _send_all(sock: socket.socket, octets: bytes, patience: float) -> None:
    """Send what the kernel takes at once, most often all, and the rest as the client takes it."""
    try:
        sent = sock.send(octets)
    except BlockingIOError:
        sent = 0
    if sent < len(octets):
        async with asyncio.timeout(patience):
            await asyncio.get_running_loop().sock_sendall(sock, octets[sent:])


def _unacknowledged(sock: socket.socket) -> int:
    """Octets that were sent and that the other end has not acknowledged (tcp(7), SIOCOUTQ)."""
    return int(struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0])
