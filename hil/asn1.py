"""A BER reader that keeps offsets and raw bytes, and a small DER writer.

Reading is lenient where the encoding rules of BER are (X.690 section 8): indefinite lengths, segmented strings, long
lengths with leading zeros, high tag numbers. It is bounded in size, depth and number of elements, so that the worst an
untrusted message gets is `Malformed`. Elements are read when they are first asked for; each octet is looked at once.

A tag is one integer: class bits and number of a low tag (`SEQUENCE` is 0x10, context [0] is 0x80), without the bit that
says constructed; a high tag number stands above bit 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MAX_SIZE, MAX_DEPTH, MAX_ELEMENTS = 16 * 1024 * 1024, 64, 100_000
MAX_OID, MAX_INTEGER = 128, 1024

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, SEQUENCE, SET, PRINTABLE_STRING, IA5_STRING = 0x0C, 0x10, 0x11, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
CONTEXT_0, CONTEXT_1, CONTEXT_2, CONTEXT_3 = 0x80, 0x81, 0x82, 0x83
CONSTRUCTED = 0x20

_CODECS = {
    UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    PRINTABLE_STRING: "ascii",
    0x14: "latin-1",  # TeletexString, in practice
    IA5_STRING: "ascii",
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_TIME = re.compile(r"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(?:[.,]\d{1,9})?(Z|[+-]\d{4})?")
_NEW = object.__new__
_TAGS = tuple(octet & 0xDF if octet & 0x1F != 0x1F else None for octet in range(256))  # by identifier octet, None for high ones


class Malformed(ValueError):
    """The octets are not what they should be; the only exception that reading raises."""


class _Budget:
    """What the elements of one reading share: how many more there may be, and what BER they needed."""

    __slots__ = ("left", "liberties")

    def __init__(self) -> None:
        self.left = MAX_ELEMENTS
        self.liberties: set[str] = set()


class Element:
    """One element as it stands in `data`: `start` to `end` with its header, `body` to `stop` without."""

    __slots__ = ("_budget", "_children", "body", "data", "depth", "end", "start", "stop", "tag")

    def __init__(self, data: bytes, start: int, limit: int, depth: int, budget: _Budget) -> None:
        budget.left -= 1
        if budget.left < 0:
            raise Malformed(f"more than {MAX_ELEMENTS} elements")
        if depth > MAX_DEPTH:
            raise Malformed(f"elements nested deeper than {MAX_DEPTH} at offset {start}")
        self.data, self.start, self.depth, self._budget = data, start, depth, budget
        self._children: tuple[Element, ...] | None = None
        self.tag, at = _identifier(data, start, limit)
        length, self.body = _length(data, at, limit)
        if length is None:
            if not self.constructed:
                raise Malformed(f"indefinite length of a primitive element at offset {start}")
            budget.liberties.add("indefinite lengths")
            self._children, self.stop = self._read_with_care(limit, to_end_of_contents=True)
            self.end = self.stop + 2
        else:
            if self.body - at > 1 and (length < 0x80 or data[at + 1] == 0):
                budget.liberties.add("lengths longer than need be")
            self.stop = self.end = self.body + length
            if self.end > limit:
                raise Malformed(f"element at offset {start} is cut: {length} octets announced, {limit - self.body} present")

    def _read_with_care(self, limit: int, *, to_end_of_contents: bool) -> tuple[tuple[Element, ...], int]:
        """The elements within, whatever their headers are, and the offset after them."""
        children: list[Element] = []
        at = self.body
        while at < limit:
            if to_end_of_contents and self.data[at : at + 2] == b"\0\0":
                return tuple(children), at
            children.append(Element(self.data, at, limit, self.depth + 1, self._budget))
            at = children[-1].end
        if to_end_of_contents:
            raise Malformed(f"no end of the contents of the element at offset {self.start}")
        return tuple(children), at

    def _read_plain_children(self) -> tuple[Element, ...] | None:
        """The elements within, all made at once, if each has a header of DER with at most four octets."""
        data, at, limit, depth, budget = self.data, self.body, self.stop, self.depth + 1, self._budget
        if depth > MAX_DEPTH or limit - at > 2 * budget.left:  # an element has at least two octets
            return None
        children = []
        last = limit - 1
        while at < last:
            tag, size, body = _TAGS[data[at]], data[at + 1], at + 2
            if size >= 0x80:
                if size == 0x81 and body < limit and data[body] >= 0x80:
                    size, body = data[body], at + 3
                elif size == 0x82 and body < last and data[body]:
                    size, body = data[body] << 8 | data[at + 3], at + 4
                else:
                    return None
            stop = body + size
            if stop > limit or tag is None:
                return None
            child = _NEW(Element)
            child.data, child.start, child.body = data, at, body
            child.stop = child.end = at = stop
            child.tag, child.depth = tag, depth
            child._budget, child._children = budget, None
            children.append(child)
        if at < limit:
            return None
        budget.left -= len(children)
        return tuple(children)

    @property
    def constructed(self) -> bool:
        """Whether the contents are elements."""
        return self.data[self.start] & CONSTRUCTED > 0

    @property
    def raw(self) -> bytes:
        """All octets, header included, as received."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The contents octets as received."""
        return self.data[self.body : self.stop]

    @property
    def children(self) -> tuple[Element, ...]:
        """The elements within a constructed one."""
        if self._children is None:
            if not self.data[self.start] & CONSTRUCTED:
                raise Malformed(f"primitive element at offset {self.start} where a constructed one should stand")
            plain = self._read_plain_children()
            self._children = self._read_with_care(self.stop, to_end_of_contents=False)[0] if plain is None else plain
        return self._children

    def expect(self, *tags: int) -> Element:
        """The element itself, if its tag is one of these."""
        if self.tag not in tags:
            raise Malformed(f"tag {self.tag:#04x} at offset {self.start}, expected {' or '.join(f'{tag:#04x}' for tag in tags)}")
        return self

    def only_child(self) -> Element:
        """The one element within, as of an explicit tag."""
        children = self.children
        if len(children) != 1:
            raise Malformed(f"{len(children)} elements at offset {self.start} where one should stand")
        return children[0]

    def octets(self) -> bytes:
        """The octets of a string, its segments joined where it is constructed; any tag (an implicit one too)."""
        if not self.data[self.start] & CONSTRUCTED:
            return self.data[self.body : self.stop]
        self._budget.liberties.add("strings in segments")
        return b"".join(child.expect(OCTET_STRING).octets() for child in self.children)

    @property
    def liberties(self) -> tuple[str, ...]:
        """What of BER that DER forbids (X.690 section 10) this reading has met so far, this element's and all others'."""
        return tuple(sorted(self._budget.liberties))

    def integer(self, most: int = MAX_INTEGER) -> int:
        """The value of an INTEGER of at most `most` octets; by default Python can show it in decimal."""
        if self.expect(INTEGER).body == self.stop or self.data[self.start] & CONSTRUCTED:
            raise Malformed(f"INTEGER without a value at offset {self.start}")
        if self.stop - self.body > most:
            raise Malformed(f"INTEGER of more than {most} octets at offset {self.start}")
        return int.from_bytes(self.data[self.body : self.stop], "big", signed=True)

    def small(self) -> int:
        """The value of an INTEGER of at most four octets, as a version or a size has."""
        if self.stop - self.body > 4:
            raise Malformed(f"INTEGER of {self.stop - self.body} octets at offset {self.start}")
        return self.integer()

    def oid(self) -> str:
        """The value of an OBJECT IDENTIFIER, dotted."""
        if self.tag != OID:
            self.expect(OID)
        return _dotted(self.data[self.body : self.stop])

    def bits(self) -> bytes:
        """The octets of a primitive BIT STRING, its count of unused bits dropped."""
        if self.expect(BIT_STRING).body == self.stop or self.data[self.start] & CONSTRUCTED or self.data[self.body] > 7:
            raise Malformed(f"BIT STRING that cannot be read at offset {self.start}")
        return self.data[self.body + 1 : self.stop]

    def text(self) -> str:
        """A character string of any type; what does not decode becomes U+FFFD."""
        codec = _CODECS.get(self.tag)
        if codec is None:
            raise Malformed(f"tag {self.tag:#04x} at offset {self.start} where a string should stand")
        return self.octets().decode(codec, "replace")

    def time(self) -> datetime:
        """A UTCTime or GeneralizedTime, aware, in UTC; offsets and missing seconds are read too."""
        text = self.expect(UTC_TIME, GENERALIZED_TIME).octets().decode("ascii", "replace")
        match = _TIME.fullmatch(text)
        if match is None or (len(match[1]) == 4) != (self.tag == GENERALIZED_TIME):
            raise Malformed(f"time that cannot be read at offset {self.start}")
        *numbers, zone = match.groups("0")  # no seconds are none; no zone is UTC's
        year, month, day, hour, minute, second = map(int, numbers)
        if self.tag == UTC_TIME:
            year += 2000 if year < 50 else 1900
        try:
            instant = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            if zone not in ("0", "Z"):
                offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
                instant += offset if zone[0] == "-" else -offset
        except (ValueError, OverflowError) as error:
            raise Malformed(f"impossible time at offset {self.start}") from error
        return instant


class Fields:
    """Walks over the elements of a SEQUENCE in their order."""

    __slots__ = ("_element", "_left")

    def __init__(self, element: Element, tag: int = SEQUENCE) -> None:
        if element.tag != tag:
            element.expect(tag)
        self._element = element
        self._left = [*reversed(element.children)]

    def take(self, tag: int | None = None, or_tag: int | None = None) -> Element:
        """The next element, which must have this tag, or one of these, if any is given."""
        if not self._left:
            raise Malformed(f"the element at offset {self._element.start} ends too early")
        element = self._left.pop()
        if tag is not None and element.tag != tag and element.tag != or_tag:
            element.expect(tag) if or_tag is None else element.expect(tag, or_tag)
        return element

    def maybe(self, tag: int, or_tag: int | None = None) -> Element | None:
        """The next element if it has this tag, or one of these."""
        if self._left and self._left[-1].tag in (tag, or_tag):
            return self._left.pop()
        return None

    def rest(self) -> tuple[Element, ...]:
        """All elements not yet taken."""
        return tuple(reversed(self._left))


def read(data: bytes) -> Element:
    """The first element of `data`; what follows it starts at its `end`."""
    if len(data) > MAX_SIZE:
        raise Malformed(f"{len(data)} octets, more than {MAX_SIZE}")
    return Element(data, 0, len(data), 0, _Budget())


def _identifier(data: bytes, at: int, limit: int) -> tuple[int, int]:
    """Tag and the offset after it."""
    if at >= limit:
        raise Malformed(f"no element at offset {at}")
    first, at = data[at], at + 1
    if (tag := _TAGS[first]) is not None:
        return tag, at
    number = 0
    for _ in range(4):
        if at >= limit:
            break
        octet, at = data[at], at + 1
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            if number < 31:
                break
            return first & 0xC0 | number << 8, at
    raise Malformed(f"tag that cannot be read before offset {at}")


def _length(data: bytes, at: int, limit: int) -> tuple[int | None, int]:
    """Length (None where indefinite) and the offset after it."""
    if at >= limit:
        raise Malformed(f"no length at offset {at}")
    first, at = data[at], at + 1
    if first <= 0x80:
        return (first if first < 0x80 else None), at
    count = first & 0x7F
    if count > 8 or at + count > limit:
        raise Malformed(f"length that cannot be read at offset {at}")
    return int.from_bytes(data[at : at + count], "big"), at + count


@lru_cache(maxsize=512)
def _dotted(content: bytes) -> str:
    if not content or len(content) > MAX_OID or content[-1] & 0x80:
        raise Malformed("OBJECT IDENTIFIER that cannot be read")
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def tlv(identifier: int, *parts: bytes) -> bytes:
    """An element with this identifier octet around the joined parts."""
    body = b"".join(parts)
    return _header(identifier, len(body)) + body


@lru_cache(maxsize=4096)
def _header(identifier: int, size: int) -> bytes:
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((identifier, size)) if size < 0x80 else bytes((identifier, 0x80 | len(length))) + length


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of encoded parts."""
    body = b"".join(parts)
    return _header(0x30, len(body)) + body


def set_of(parts: Iterable[bytes]) -> bytes:
    """SET OF encoded parts, in the order that DER asks for (X.690 section 11.6)."""
    return tlv(0x31, *sorted(parts))


def explicit(number: int, *parts: bytes) -> bytes:
    """Constructed context tag [number] around encoded parts."""
    return tlv(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


@lru_cache(maxsize=512)
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = map(int, dotted.split("."))
    body = bytearray()
    for arc in (first * 40 + second, *rest):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        body += bytes(reversed(groups))
    return tlv(OID, bytes(body))


def null() -> bytes:
    """NULL."""
    return b"\x05\0"


def boolean(value: bool) -> bytes:
    """BOOLEAN."""
    return tlv(BOOLEAN, b"\xff" if value else b"\0")


def octet_string(octets: bytes) -> bytes:
    """OCTET STRING."""
    return _header(OCTET_STRING, len(octets)) + octets


def bit_string(octets: bytes, unused: int = 0) -> bytes:
    """BIT STRING whose last octet has this many unused bits."""
    return tlv(BIT_STRING, bytes((unused,)), octets)


def is_printable(text: str) -> bool:
    """Whether PrintableString can hold the text (X.680 section 41.4)."""
    return _PRINTABLE.fullmatch(text) is not None


def printable_or_utf8(text: str) -> bytes:
    """PrintableString where that can hold the text, else UTF8String."""
    return tlv(PRINTABLE_STRING if is_printable(text) else UTF8_STRING, text.encode())


def time(instant: datetime) -> bytes:
    """UTCTime until 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5)."""
    at = instant.astimezone(UTC)
    rest = b"%02d%02d%02d%02d%02dZ" % (at.month, at.day, at.hour, at.minute, at.second)
    if 1950 <= at.year < 2050:
        return tlv(UTC_TIME, b"%02d" % (at.year % 100), rest)
    return tlv(GENERALIZED_TIME, b"%04d" % at.year, rest)
