"""Changes to DER that leave most of it sound: what is nested deep is reached by no change of single octets."""

from __future__ import annotations

from hil import asn1
from hil.asn1 import Element, Malformed
from targets.draw import Draw

_MOST_COPIES = 300
_LONGEST_RUN = 20_000


def changed(data: bytes, draw: Draw) -> bytes:
    """`data` with up to three drawn changes, of elements where it is BER, else of octets."""
    for _ in range(draw.number(4)):
        change = draw.number(12)
        data = _octets_changed(data, draw) if change < 2 else _element_changed(data, change, draw)
    return data


def flipped(data: bytes, draw: Draw) -> bytes:
    """`data` with one bit turned over."""
    at = draw.number(len(data)) if data else 0
    return data[:at] + bytes((data[at] ^ 1 << draw.number(8),)) + data[at + 1 :] if data else data


def elements(data: bytes) -> list[Element]:
    """Every element of BER, those within others after them; as far as it can be read."""
    found: list[Element] = []
    try:
        waiting = [asn1.read(data)]
        while waiting:
            element = waiting.pop()
            found.append(element)
            if element.constructed:
                waiting += element.children
    except Malformed:
        pass
    return found


def _octets_changed(data: bytes, draw: Draw) -> bytes:
    at = draw.number(len(data) + 1)
    return data[:at] + draw.string(8) + data[at + draw.number(9) :]


def _element_changed(data: bytes, change: int, draw: Draw) -> bytes:
    found = elements(data)
    if not found:
        return data
    target = draw.choice(found)
    return rebuilt(found[0], target, _replacement(target, change, draw))


def rebuilt(root: Element, target: Element, replacement: bytes) -> bytes:
    """The octets of `root` with `replacement` in the place of `target`, the lengths around it put right."""
    if root is target:
        return replacement
    if not root.constructed or not root.start < target.start < root.end:
        return root.raw
    identifier = root.data[root.start]
    if identifier & 0x1F == 0x1F:
        return root.raw
    return asn1.tlv(identifier, *(rebuilt(child, target, replacement) for child in root.children))


def _replacement(target: Element, change: int, draw: Draw) -> bytes:
    raw, content, identifier = target.raw, target.content, target.data[target.start]
    match change:
        case 2:
            return b""
        case 3:
            return raw * min(1 + draw.number(_MOST_COPIES), 1 + _LONGEST_RUN // len(raw))
        case 4:
            return asn1.tlv(draw.number(256), content)
        case 5:
            return asn1.tlv(identifier, draw.string())
        case 6:
            return asn1.tlv(identifier, flipped(content, draw))
        case 7:
            return asn1.tlv(identifier, bytes((draw.number(256),)) * draw.number(_LONGEST_RUN))
        case 8:
            return bytes((identifier | asn1.CONSTRUCTED, 0x80)) + content + b"\0\0"
        case 9:
            return bytes((identifier, 0x84)) + (len(content) + draw.number(7) - 3 & 0xFFFFFFFF).to_bytes(4, "big") + content
        case 10:
            for _ in range(draw.number(80)):
                raw = asn1.tlv(identifier | asn1.CONSTRUCTED, raw)
            return raw
        case _:
            return asn1.tlv(identifier | asn1.CONSTRUCTED, asn1.octet_string(content[:5]), asn1.octet_string(content[5:]))
