"""What USB relay boxes say on their serial port, as data: the boxes that can be asked what a relay is.

A box that only takes orders (an LCUS with one relay, say) cannot be read back, and so is no way of power.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RelayProtocol:
    """The language of a kind of relay box.

    Relays are numbered from `first` to `last` as the box does. `order` is what switches a relay, `question` what asks for it;
    `state` reads an answer so far: whether that relay is drawn, or None while the answer is not whole. `done` ends the answer
    to an order; None where the box gives none.
    """

    first: int
    last: int
    order: Callable[[int, bool], bytes]
    question: Callable[[int], bytes]
    state: Callable[[bytes, int], bool | None]
    done: bytes | None = None
    baud: int = 9600


def _numato_digit(relay: int) -> str:
    return "0123456789ABCDEFGHIJKLMNOPQRSTUV"[relay]


def _numato_state(said: bytes, relay: int) -> bool | None:
    found = re.search(rb"relay read %s\s+(on|off)\s*>" % _numato_digit(relay).encode(), said)
    return None if found is None else found[1] == b"on"


def _lcus_order(relay: int, on: bool) -> bytes:
    head = bytes((0xA0, relay, on))
    return head + bytes((sum(head) & 0xFF,))


def _lcus_state(said: bytes, relay: int) -> bool | None:
    found = re.search(rb"(?i)CH%d: ?(ON|OFF)\s*[\r\n\0]" % relay, said)
    return None if found is None else found[1].upper() == b"ON"


def _one_byte(said: bytes, at: int, length: int) -> bool | None:
    return None if len(said) < length or said[at] > 1 else said[at] == 1


def _kmtronic_state(said: bytes, relay: int) -> bool | None:
    return _one_byte(said, 2, 3) if said.startswith(bytes((0xFF, relay))) else None


def _kmtronic(relays: int) -> RelayProtocol:
    return RelayProtocol(
        first=1,
        last=relays,
        order=lambda relay, on: bytes((0xFF, relay, on)),
        question=lambda _: b"\xff\x09\x00",
        state=lambda said, relay: _one_byte(said, relay - 1, relays),
    )


RELAYS = {
    "numato": RelayProtocol(
        first=0,
        last=31,
        order=lambda relay, on: f"relay {'on' if on else 'off'} {_numato_digit(relay)}\r".encode(),
        question=lambda relay: f"relay read {_numato_digit(relay)}\r".encode(),
        state=_numato_state,
        done=b">",
    ),
    "kmtronic": RelayProtocol(
        first=1,
        last=2,
        order=lambda relay, on: bytes((0xFF, relay, on)),
        question=lambda relay: bytes((0xFF, relay, 3)),
        state=_kmtronic_state,
    ),
    "kmtronic-4": _kmtronic(4),
    "kmtronic-8": _kmtronic(8),
    "lcus": RelayProtocol(first=1, last=8, order=_lcus_order, question=lambda _: b"\xff", state=_lcus_state),
    "devantech": RelayProtocol(
        first=1,
        last=8,
        order=lambda relay, on: bytes((0x64 + relay if on else 0x6E + relay,)),
        question=lambda _: b"\x5b",
        state=lambda said, relay: None if not said else bool(said[0] >> (relay - 1) & 1),
    ),
}
"""Protocols by the name that a testbed uses.

numato: Numato Lab, user guide of the 8 Channel USB Relay Module; the box echoes each order and ends with `>`.
kmtronic: KMTronic, USB one and two relay commands; kmtronic-4 and -8: USB four and eight relay commands.
lcus: orders by the sellers' sheets of the LCUS boards (CH340); the status byte and its `CH1: ON` lines from experience.
devantech: data sheet of the USB-RLY02, whose commands the USB-RLY08 shares.
"""
