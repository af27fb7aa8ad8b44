"""Distinguished names: read leniently, shown as RFC 4514 has it, written in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hil import asn1
from hil.asn1 import Element, Malformed
from hil.errors import Misuse
from hil.scep.remembering import remembering

ATTRIBUTES = {
    "CN": "2.5.4.3",
    "SN": "2.5.4.4",
    "serialNumber": "2.5.4.5",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "STREET": "2.5.4.9",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "title": "2.5.4.12",
    "GN": "2.5.4.42",
    "dnQualifier": "2.5.4.46",
    "UID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25",
    "emailAddress": "1.2.840.113549.1.9.1",
    "unstructuredName": "1.2.840.113549.1.9.2",
    "unstructuredAddress": "1.2.840.113549.1.9.8",
}
_SHORT = {dotted: short for short, dotted in ATTRIBUTES.items()}
_BY_FOLDED = {short.upper(): dotted for short, dotted in ATTRIBUTES.items()} | {"E": ATTRIBUTES["emailAddress"]}
MAX_NAME = 32_768  # octets of a whole name, as many as RFC 5280 appendix A lets a single text in one have
_ESCAPES = str.maketrans({char: "\\" + char for char in ',+"\\<>;'} | {"\0": "\\00"})

_MOST_KNOWN, _LONGEST_KNOWN = 512, 512

Rdn = tuple[tuple[str, str], ...]


class Name(NamedTuple):
    """A Name as read: its RDNs in the order encoded, and the string form of RFC 4514."""

    rdns: tuple[Rdn, ...]
    text: str

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """All attributes in the order encoded."""
        return tuple(attribute for rdn in self.rdns for attribute in rdn)


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def read_name(element: Element) -> Name:
    """A Name, each RDN a tuple of (short name or dotted OID, value); `#hex` for a value that is no string."""
    if element.end - element.start > MAX_NAME:
        raise Malformed(f"a name of {element.end - element.start} octets, more than {MAX_NAME}")
    rdns = tuple(map(_read_rdn, element.expect(asn1.SEQUENCE).children))
    return Name(rdns, _rfc4514(rdns))


@remembering(_MOST_KNOWN, _LONGEST_KNOWN)
def _read_rdn(element: Element) -> Rdn:
    attributes = []
    for attribute in element.expect(asn1.SET).children:
        fields = asn1.Fields(attribute)
        dotted = fields.take(asn1.OID).oid()
        attributes.append((_SHORT.get(dotted, dotted), _value(fields.take())))
    return tuple(attributes)


def _rfc4514(rdns: Sequence[Rdn]) -> str:
    """The last RDN first."""
    return ",".join("+".join(f"{name}={_escape(value)}" for name, value in rdn) for rdn in reversed(rdns))


def folded(text: str) -> str:
    """A name's text as names are compared: without case, blanks as one (RFC 5280 section 7.1)."""
    return " ".join(text.casefold().split())


def write_name(attributes: Sequence[tuple[str, str]]) -> bytes:
    """A Name with one RDN for each attribute, in the order given; names are short or dotted."""
    return asn1.sequence(*(asn1.set_of([_attribute(name, value)]) for name, value in attributes))


def _value(element: Element) -> str:
    try:
        return element.text()
    except Malformed:
        return "#" + element.raw.hex()


def _escape(value: str) -> str:
    escaped = value.translate(_ESCAPES)
    if escaped.startswith((" ", "#")):
        escaped = "\\" + escaped
    if escaped.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _attribute(name: str, value: str) -> bytes:
    dotted = name if name[:1].isdigit() else _BY_FOLDED.get(name.upper())
    if dotted is None:
        remedy = f"use one of {', '.join(ATTRIBUTES)} or a dotted OID"
        raise Misuse(f"unknown attribute {name} in a distinguished name", remedy=remedy)
    if dotted in (ATTRIBUTES["emailAddress"], ATTRIBUTES["DC"]) and value.isascii():
        string = asn1.tlv(asn1.IA5_STRING, value.encode("ascii"))
    elif dotted in (ATTRIBUTES["C"], ATTRIBUTES["serialNumber"], ATTRIBUTES["dnQualifier"]):
        string = asn1.printable_or_utf8(value)
    else:
        string = asn1.tlv(asn1.UTF8_STRING, value.encode())
    return asn1.sequence(asn1.oid(dotted), string)
