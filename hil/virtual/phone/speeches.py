"""What the phone says to its services over TLS: SIP, LDAP, HTTP, syslog.

A speech `opens` a new connection, and goes `on` each time its period is over; both return once the
server has answered in its protocol, and raise OSError or ValueError where it does not.
"""

from __future__ import annotations

import secrets
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hil.virtual.phone import web
from hil.virtual.phone.services import Service
from hil.virtual.phone.unit import Unit

_LONGEST_ANSWER = 65536
_MOST_LINES = 512


class Speech(Protocol):
    """A protocol's part of a connection; `keeps` says whether the connection stays open when it has been spoken."""

    keeps: bool

    def open(self, connection: socket.socket) -> None: ...

    def on(self, connection: socket.socket) -> None: ...


class Web:
    """An HTTP request whose answer is not looked into."""

    def __init__(self, service: Service, unit: Unit, keeps: bool, method: str = "GET") -> None:
        self.keeps = keeps
        self._service = service
        self._unit = unit
        self._method = method

    def open(self, connection: socket.socket) -> None:
        self.on(connection)

    def on(self, connection: socket.socket) -> None:
        host = f"{self._service.host}:{self._service.port}"
        web.ask(connection, self._method, self._service.path, host, self._unit.user_agent, self.keeps)


class Registration:
    """REGISTER of one extension, for somewhat longer than until the next one (RFC 3261 section 10)."""

    keeps = True

    def __init__(self, service: Service, unit: Unit, extension: str, domain: str, every: float) -> None:
        self._unit = unit
        self._extension = extension
        self._domain = domain or service.host
        self._expires = int(every * 2)
        self._call = f"{secrets.token_hex(8)}@{unit.mac_digits}"
        self._tag = secrets.token_hex(4)
        self._sequence = 0

    def open(self, connection: socket.socket) -> None:
        self.on(connection)

    def on(self, connection: socket.socket) -> None:
        self._sequence += 1
        connection.sendall(self._register(connection.getsockname()))
        status = _sip_answer(connection)
        if status != "200":
            raise ValueError(f"REGISTER was answered {status}")

    def _register(self, own: tuple[str, int]) -> bytes:
        here = f"{own[0]}:{own[1]}"
        address = f"<sip:{self._extension}@{self._domain}>"
        lines = (
            f"REGISTER sip:{self._domain} SIP/2.0",
            f"Via: SIP/2.0/TLS {here};branch=z9hG4bK{secrets.token_hex(8)};rport",
            "Max-Forwards: 70",
            f"From: {address};tag={self._tag}",
            f"To: {address}",
            f"Call-ID: {self._call}",
            f"CSeq: {self._sequence} REGISTER",
            f"Contact: <sip:{self._extension}@{here};transport=tls>;expires={self._expires}",
            f"User-Agent: Avaya {self._unit.model4} {self._unit.firmware}",
            "Content-Length: 0",
        )
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")


class Lookup:
    """An anonymous bind, and a search for anything under a name (RFC 4511)."""

    def __init__(self, base: str, keeps: bool) -> None:
        self.keeps = keeps
        self._base = base.encode()
        self._number = 0

    def open(self, connection: socket.socket) -> None:
        self._ask(connection, _tlv(0x60, _tlv(0x02, b"\x03") + _tlv(0x04, b"") + _tlv(0x80, b"")), 0x61)
        self.on(connection)

    def on(self, connection: socket.socket) -> None:
        nothing = _tlv(0x02, b"\0")
        scope = _tlv(0x0A, b"\x02") + _tlv(0x0A, b"\0") + nothing + nothing + _tlv(0x01, b"\0")
        anything = _tlv(0x87, b"objectClass") + _tlv(0x30, b"")
        self._ask(connection, _tlv(0x63, _tlv(0x04, self._base) + scope + anything), 0x65)

    def _ask(self, connection: socket.socket, operation: bytes, done: int) -> None:
        self._number += 1
        number = _tlv(0x02, self._number.to_bytes(4, "big"))
        connection.sendall(_tlv(0x30, number + operation))
        while _ldap_answer(connection) != done:
            pass


class LogLines:
    """Log lines over TLS, each after its length (RFC 5425 section 4.3); those of before the connection wait for it."""

    keeps = True

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=_MOST_LINES)
        self.wake: Callable[[], None] = _nothing

    def take(self, line: bytes) -> None:
        """Sends `line`, now or later."""
        self._waiting.append(line)
        self.wake()

    def open(self, connection: socket.socket) -> None:
        self.on(connection)

    def on(self, connection: socket.socket) -> None:
        while self._waiting:
            line = self._waiting[0]
            connection.sendall(b"%d %s" % (len(line), line))
            self._waiting.popleft()


def _nothing() -> None:
    """Nobody is there to be woken."""


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        received = connection.recv(count - len(found))
        if not received:
            raise ValueError("the server ended the connection")
        found += received
    return found


def _sip_answer(connection: socket.socket) -> str:
    """The status of the next response."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if len(head) > _LONGEST_ANSWER:
            raise ValueError("a SIP head without end")
        head += _exactly(connection, 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = fields.get("content-length", fields.get("l", "0"))
    if not first.startswith("SIP/2.0 ") or not (length.isdecimal() and int(length) <= _LONGEST_ANSWER):
        raise ValueError("not a SIP response")
    _exactly(connection, int(length))
    return first[8:11]


def _ldap_answer(connection: socket.socket) -> int:
    """The tag of the next message's operation; an unsuccessful result is a ValueError."""
    head = _exactly(connection, 2)
    more = head[1] & 0x7F if head[1] & 0x80 else 0
    size = int.from_bytes(_exactly(connection, more), "big") if more else head[1]
    if head[0] != 0x30 or more > 3 or size > _LONGEST_ANSWER:
        raise ValueError("not an LDAP message")
    message = _exactly(connection, size)
    at = 2 + message[1] if len(message) > 1 else size
    if len(message) < at + 5:
        raise ValueError("not an LDAP message")
    tag, result = message[at], message[at + 4]
    if tag in (0x61, 0x65) and result:
        raise ValueError(f"LDAP result {result}")
    return tag
