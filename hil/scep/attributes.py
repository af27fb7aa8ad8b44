"""The signed attributes of a pkiMessage (RFC 8894 section 3.2.1), and the remarks that gather while one is read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from typing import TypeVar

from hil import asn1
from hil.asn1 import Element, Fields, Malformed


class Remarks:
    """Problems and notes as they gather while a message is read: what is wrong, and which departures were allowed."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []


NONCE_SIZE = 16
_Member = TypeVar("_Member", bound=IntEnum)


class Attributes:
    """The signed attributes by OID; what cannot be read or is missing though required becomes a problem."""

    def __init__(self, element: Element | None, remarks: Remarks) -> None:
        self._remarks = remarks
        self._values: dict[str, Element] = {}
        if element is None:
            remarks.problems.append("no signed attributes")
            return
        for attribute in element.children:
            fields = Fields(attribute)
            dotted = fields.take(asn1.OID).oid()
            values = fields.take(asn1.SET).children
            if dotted in self._values or len(values) != 1:
                remarks.problems.append(f"signed attribute {dotted} has not exactly one value")
            if values:
                self._values.setdefault(dotted, values[0])

    def has(self, dotted: str) -> bool:
        """Whether there is such an attribute."""
        return dotted in self._values

    def nonce(self, dotted: str, name: str, *, required: bool) -> bytes | None:
        """A nonce; noted where it has not the 16 octets of RFC 8894 section 3.2.1.5."""
        value = self.octets(dotted, name, required=required)
        if value is not None and len(value) != NONCE_SIZE:
            self._remarks.notes.append(f"{name} has {len(value)} octets, not {NONCE_SIZE}")
        return value

    def octets(self, dotted: str, name: str, *, required: bool = False) -> bytes | None:
        """The octets of an OCTET STRING."""
        value = self._value(dotted, name, required)
        if value is None:
            return None
        if value.tag != asn1.OCTET_STRING:
            self._remarks.problems.append(f"{name} is no OCTET STRING")
            return value.content
        try:
            return value.octets()
        except Malformed as error:
            self._remarks.problems.append(f"{name}: {error}")
            return None

    def text(self, dotted: str, name: str, *, required: bool = False, kind: int | None = asn1.PRINTABLE_STRING) -> str | None:
        """The text; noted where it is another kind of string than the standard's, or holds what that cannot.

        With no `kind` any string will do.
        """
        value = self._value(dotted, name, required)
        if value is None:
            return None
        try:
            text = value.text()
        except Malformed as error:
            self._remarks.problems.append(f"{name}: {error}")
            return None
        if kind is not None and value.tag != kind:
            self._remarks.notes.append(f"{name} is a string of tag {value.tag:#04x}, not {kind:#04x}")
        elif kind == asn1.PRINTABLE_STRING and not asn1.is_printable(text):
            self._remarks.notes.append(f"{name} has characters that PrintableString has not")
        return text

    def member(self, dotted: str, kind: type[_Member], name: str, *, required: bool = True) -> _Member | None:
        """The member whose number the text is."""
        text = self.text(dotted, name, required=required)
        if text is None:
            return None
        member = _members(kind).get(text)
        if member is None:
            self._remarks.problems.append(f"{name} {text[:40]!r} is unknown")
        return member

    def _value(self, dotted: str, name: str, required: bool) -> Element | None:
        value = self._values.get(dotted)
        if value is None and required:
            self._remarks.problems.append(f"no {name}")
        return value


@cache
def _members(kind: type[_Member]) -> Mapping[str, _Member]:
    return {str(member.value): member for member in kind}
