"""SIP as far as a phone that registers needs it: a registrar that believes everybody (RFC 3261 section 10)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import NamedTuple

from hil.services.tls.connection import NotSpoken, Requests

LONGEST_HEAD = 16_384
LONGEST_LINE = 2_048
LONGEST_BODY = 65_536
DEFAULT_EXPIRES = 3_600
"""Octets of a message's head, of a line of it, of its body; seconds that a registration lasts where none are asked for."""

_PING, _PONG = b"\r\n\r\n", b"\r\n"
_REQUEST = re.compile(r"([A-Z]{1,32}) (\S+) SIP/2\.0")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length"}
_COPIED = ("via", "from", "to", "call-id", "cseq")
_SHOWN = {"call-id": "Call-ID", "cseq": "CSeq"}
_CONTACT = re.compile(r"""(?:[^,<"]|<[^>]*>|"(?:[^"\\]|\\.)*")+""")
_EXPIRES = re.compile(r";\s*expires\s*=\s*(\d{1,10})", re.IGNORECASE)
_ALLOWED = "REGISTER, OPTIONS"


class _Head(NamedTuple):
    first: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> Iterator[str]:
        return (value for field, value in self.fields if field == name)

    def one(self, name: str) -> str | None:
        return next(self.all(name), None)


class Registrar:
    """Answers REGISTER with the contacts it names, OPTIONS with 200, a keep-alive ping with its pong; asks for no password."""

    ended = False

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._held = b""

    def take(self, octets: bytes) -> bytes:
        """Answers to all that is whole by now."""
        self._held += octets
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        return b"".join(answers)

    def _next(self) -> bytes | None:
        """The answer to the next message, None where there is no whole one."""
        if self._held.startswith(_PING):  # RFC 5626 section 3.5.1
            self._held = self._held[len(_PING) :]
            self._requests.note("keep-alive")
            return _PONG
        if _PING.startswith(self._held):
            return None
        self._held = self._held.removeprefix(b"\r\n")  # RFC 3261 section 7.5
        end = self._held.find(_PING, 0, LONGEST_HEAD)
        if end < 0:
            if len(self._held) >= LONGEST_HEAD:
                raise NotSpoken("not SIP: a head without end")
            return None
        head = _read_head(self._held[:end])
        length = head.one("content-length") or "0"
        if not re.fullmatch(r"\d{1,6}", length) or int(length) > LONGEST_BODY:
            raise NotSpoken("not SIP: a length that cannot be")
        whole = end + len(_PING) + int(length)
        if len(self._held) < whole:
            return None
        self._held = self._held[whole:]
        return self._answer(head)

    def _answer(self, head: _Head) -> bytes:
        if head.first.startswith("SIP/2.0 "):
            self._requests.note("response", status=head.first[8:11])
            return b""
        request = _REQUEST.fullmatch(head.first)
        if request is None or not all(head.one(name) for name in _COPIED):
            raise NotSpoken("not SIP: neither a request nor a response")
        method = request[1]
        self._requests.note(method, to=(head.one("to") or "")[:256])
        if method == "ACK":
            return b""
        lines = [*self._copied(head)]
        if method == "REGISTER":
            return _message("200 OK", [*lines, *_bindings(head)])
        if method == "OPTIONS":
            return _message("200 OK", [*lines, f"Allow: {_ALLOWED}"])
        return _message("405 Method Not Allowed", [*lines, f"Allow: {_ALLOWED}"])

    def _copied(self, head: _Head) -> Iterator[str]:
        """Fields of a response that come from its request (RFC 3261 section 8.2.6.2, RFC 3581 section 4)."""
        caller, top = self._requests.caller, True
        for name, value in head.fields:
            if name not in _COPIED:
                continue
            if name == "via" and top:
                top = False
                value = re.sub(r";rport(?=\s*(;|,|$))", f";received={caller.address};rport={caller.port}", value, count=1)
            if name == "to" and ";tag=" not in value:
                value += f";tag={secrets.token_hex(4)}"
            yield f"{_SHOWN.get(name, name.capitalize())}: {value}"


def _read_head(octets: bytes) -> _Head:
    lines: list[str] = []
    for line in octets.decode(errors="surrogateescape").split("\r\n"):
        if len(line) > LONGEST_LINE:
            raise NotSpoken("not SIP: a line too long")
        if line[:1] in (" ", "\t") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise NotSpoken("not SIP: a field without a colon")
        folded = name.strip().lower()
        fields.append((_COMPACT.get(folded, folded), value.strip()))
    return _Head(lines[0], tuple(fields))


def _bindings(head: _Head) -> Iterator[str]:
    """Each contact with how long it is registered, none that is taken back (RFC 3261 section 10.3)."""
    asked = head.one("expires") or ""
    default = asked if re.fullmatch(r"\d{1,10}", asked) else str(DEFAULT_EXPIRES)
    for contact in (contact.strip() for value in head.all("contact") for contact in _CONTACT.findall(value)):
        own = _EXPIRES.search(contact.rpartition(">")[2])
        if contact != "*" and int(own[1] if own else default):
            yield f"Contact: {contact}" + ("" if own else f";expires={default}")
    yield f"Expires: {default}"


def _message(status: str, lines: list[str]) -> bytes:
    return "\r\n".join((f"SIP/2.0 {status}", *lines, "Server: j100-hil", "Content-Length: 0", "", "")).encode(
        errors="surrogateescape"
    )
