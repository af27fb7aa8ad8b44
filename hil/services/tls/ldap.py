"""LDAP as far as a phone that looks into a directory needs it: anybody may bind, and nothing is found (RFC 4511)."""

from __future__ import annotations

from hil import asn1
from hil.asn1 import Element, Fields
from hil.services.tls.connection import NotSpoken, Requests

LONGEST_MESSAGE = 65_536
"""Octets of an LDAPMessage."""

_LONGEST_NAME = 256
_SUCCESS, _PROTOCOL_ERROR, _COMPARE_FALSE, _UNWILLING = 0, 2, 5, 53
_BIND, _UNBIND, _SEARCH, _ABANDON = 0x40, 0x42, 0x43, 0x50
_OPERATIONS = {
    _BIND: ("bind", 0x61, _SUCCESS),
    _SEARCH: ("search", 0x65, _SUCCESS),
    0x46: ("modify", 0x67, _UNWILLING),
    0x48: ("add", 0x69, _UNWILLING),
    0x4A: ("delete", 0x6B, _UNWILLING),
    0x4C: ("modify DN", 0x6D, _UNWILLING),
    0x4E: ("compare", 0x6F, _COMPARE_FALSE),
    0x57: ("extended", 0x78, _PROTOCOL_ERROR),
}
"""By the tag of the request: its name, the identifier octet of its answer, the resultCode."""


class Directory:
    """An empty directory; passwords that come in a bind are not looked at."""

    def __init__(self, requests: Requests) -> None:
        self.ended = False
        self._requests = requests
        self._held = b""

    def take(self, octets: bytes) -> bytes:
        """Answers to all messages that are whole by now."""
        self._held += octets
        answers = []
        while not self.ended and (size := _message_size(self._held)) is not None and len(self._held) >= size:
            message, self._held = self._held[:size], self._held[size:]
            answers.append(self._answer(asn1.read(message)))
        return b"".join(answers)

    def _answer(self, message: Element) -> bytes:
        fields = Fields(message)
        number = fields.take(asn1.INTEGER).integer()
        operation = fields.take()
        if operation.tag in (_UNBIND, _ABANDON):
            self.ended = operation.tag == _UNBIND
            self._requests.note("unbind" if self.ended else "abandon")
            return b""
        if operation.tag not in _OPERATIONS:
            raise NotSpoken(f"not LDAP: operation {operation.tag:#04x}")
        name, answer, code = _OPERATIONS[operation.tag]
        self._requests.note(name, entry=_entry(operation))
        nothing = asn1.octet_string(b"")
        return asn1.sequence(asn1.integer(number), asn1.tlv(answer, asn1.tlv(0x0A, bytes((code,))), nothing, nothing))


def _entry(operation: Element) -> str | None:
    """The name that a bind, or the base that a search is about."""
    if operation.tag not in (_BIND, _SEARCH):
        return None
    fields = Fields(operation, operation.tag)
    if operation.tag == _BIND:
        fields.take(asn1.INTEGER)
    return fields.take(asn1.OCTET_STRING).octets().decode(errors="replace")[:_LONGEST_NAME]


def _message_size(held: bytes) -> int | None:
    """Octets of the message that `held` begins with, None where its header is not whole (RFC 4511 section 5.1)."""
    if held[:1] not in (b"", b"\x30"):
        raise NotSpoken("not LDAP: no SEQUENCE")
    if len(held) < 2:
        return None
    more = held[1] & 0x7F if held[1] & 0x80 else 0
    if held[1] == 0x80 or more > 4:
        raise NotSpoken("not LDAP: a length that it does not allow")
    if len(held) < 2 + more:
        return None
    size = 2 + more + (int.from_bytes(held[2 : 2 + more], "big") if more else held[1])
    if size > LONGEST_MESSAGE:
        raise NotSpoken(f"a message longer than {LONGEST_MESSAGE} octets")
    return size
