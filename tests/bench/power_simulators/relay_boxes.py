"""What relay boxes answer, written from their makers' papers and not from the bench's protocols."""

from __future__ import annotations

import re
from collections.abc import Callable

from power_simulators.box import Box

Understand = Callable[[bytes, Box], tuple[bytes, bytes]]


def _drawn(box: Box, relay: int) -> bool:
    return box.look(str(relay))[1]


def numato(said: bytes, box: Box) -> tuple[bytes, bytes]:
    """ASCII lines that end with a carriage return; each is echoed, answered, and followed by a prompt."""
    answer = b""
    while b"\r" in said:
        line, _, said = said.partition(b"\r")
        answer += line + b"\n\r"
        found = re.fullmatch(rb"relay (on|off|read) ([0-9A-V])", line.strip())
        if found is None:
            answer += b">"
            continue
        relay = int(found[2].decode(), 32)
        if found[1] == b"read":
            answer += (b"on" if _drawn(box, relay) else b"off") + b"\n\r"
        else:
            box.order(str(relay), found[1] == b"on")
        answer += b">"
    return said, answer


def kmtronic(said: bytes, box: Box) -> tuple[bytes, bytes]:
    """Three bytes each; a third byte of 3 asks. Relay 9 stands for all."""
    answer = b""
    while len(said) >= 3:
        (_, relay, what), said = said[:3], said[3:]
        if relay == 9:
            answer += bytes(_drawn(box, int(name)) for name in box.ports)
        elif what == 3:
            answer += bytes((0xFF, relay, _drawn(box, relay)))
        else:
            box.order(str(relay), what == 1)
    return said, answer


def lcus(said: bytes, box: Box) -> tuple[bytes, bytes]:
    """Four bytes with a sum each; a single FF asks for all."""
    answer = b""
    while said:
        if said[0] == 0xFF:
            said = said[1:]
            lines = [f"CH{name}: {'ON' if box.look(name)[1] else 'OFF'}\r\n" for name in box.ports]
            answer += "".join(lines).encode()
        elif len(said) < 4:
            break
        else:
            order, said = said[:4], said[4:]
            if order[3] == sum(order[:3]) & 0xFF:
                box.order(str(order[1]), order[2] == 1)
    return said, answer


def devantech(said: bytes, box: Box) -> tuple[bytes, bytes]:
    """One byte each: 5B asks for all, 65 to 6C draw, 6F to 76 release."""
    answer = b""
    for letter in said:
        if letter == 0x5B:
            answer += bytes((sum(_drawn(box, int(name)) << (int(name) - 1) for name in box.ports),))
        elif 0x65 <= letter <= 0x6C:
            box.order(str(letter - 0x64), True)
        elif 0x6F <= letter <= 0x76:
            box.order(str(letter - 0x6E), False)
    return b"", answer


BOXES: dict[str, Understand] = {
    "numato": numato,
    "kmtronic": kmtronic,
    "kmtronic-4": kmtronic,
    "kmtronic-8": kmtronic,
    "lcus": lcus,
    "devantech": devantech,
}
