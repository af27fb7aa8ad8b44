"""IP fragments, in whatever order and number they come, make the packets that they are parts of."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from hil.capture.fragments import MAX_PACKET, MAX_PARTS, MAX_WAITING, Fragments
from hil.capture.frames import TCP, Fragment
from hil.capture.transcript import Transcript
from hil.capture.tshark import disagreements, read_with_tshark

Split = Callable[[bytes, int], list[bytes]]
BODY = bytes(range(256)) * 8


def split_ipv4(packet: bytes, number: int, size: int = 400) -> list[bytes]:
    """The packet's fragments; those of one size cannot hide an order that is wrong."""
    header, payload = packet[:20], packet[20:]
    parts = []
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        more = 0x2000 if at + size < len(payload) else 0
        parts.append(header[:2] + pack(">HHH", 20 + len(piece), number, more | at // 8) + header[8:] + piece)
    return parts


def split_ipv6(packet: bytes, number: int, size: int = 400) -> list[bytes]:
    header, payload = packet[:40], packet[40:]
    parts = []
    for at in range(0, len(payload), size):
        piece = payload[at : at + size]
        extension = pack(">BBHI", header[6], 0, at | (at + size < len(payload)), number)
        parts.append(header[:4] + pack(">HBB", 8 + len(piece), 44, 64) + header[8:] + extension + piece)
    return parts


def conversation(workshop: Any, split: Split) -> list[list[bytes]]:
    client, server = ("10.0.0.7", "10.0.0.1") if split is split_ipv4 else ("fd00::7", "fd00::1")
    talk = workshop.Talk(client, server)
    packets = [*talk.opening(), talk.ask(workshop.request("/s", "POST", BODY)), talk.answer(workshop.reply(BODY))]
    return [split(packet, number) for number, packet in enumerate(packets, 1)]


@pytest.mark.parametrize("split", [split_ipv4, split_ipv6])
@pytest.mark.parametrize("order", ["sent", "reversed", "shuffled", "twice"])
def test_fragments_are_put_together(workshop: Any, tmp_path: Path, split: Split, order: str) -> None:
    parts = conversation(workshop, split)
    dice = random.Random(6)
    for group in parts:
        if order == "reversed":
            group.reverse()
        elif order == "shuffled":
            dice.shuffle(group)
    sent = [part for group in parts for part in group for _ in range(1 + (order == "twice"))]
    capture = tmp_path / "c.pcap"
    capture.write_bytes(workshop.pcap([workshop.framed(part) for part in sent]))
    transcript: Transcript = workshop.of(sent)
    (fetch,) = transcript.fetches
    assert (fetch.status, fetch.size, transcript.problems) == (200, len(BODY), ())
    assert disagreements(transcript, read_with_tshark(capture, ports=[80])) == ()


def test_a_missing_part_is_a_problem(workshop: Any) -> None:
    parts = conversation(workshop, split_ipv4)
    del parts[4][2]
    transcript = workshop.of([part for group in parts for part in group])
    (fetch,) = transcript.fetches
    assert fetch.reply_frame is None
    assert transcript.problems == ("frame 10: parts of an IP packet are missing (1 such packets)",)


def part(offset: int, more: bool, payload: bytes, number: int = 1) -> Fragment:
    return Fragment((b"\x0a\0\0\1", b"\x0a\0\0\2", TCP, number), offset, more, payload, None)


def test_of_parts_that_overlap_the_first_counts() -> None:
    segment = pack(">HHIIBBHHH", 1, 2, 3, 4, 0x50, 16, 0, 0, 0) + b"0123456789abcdef"
    fragments = Fragments()
    assert fragments.add(part(0, True, segment[:24]), 1) is None
    whole = fragments.add(part(16, False, b"XXXXXXXX" + segment[24:]), 2)
    assert whole is not None
    assert whole.payload == b"0123456789abcdef"
    assert fragments.finish() is None


def test_parts_are_held_within_bounds() -> None:
    fragments = Fragments()
    for number in range(MAX_WAITING + 10):
        for place in range(MAX_PARTS + 10):
            assert fragments.add(part(place * 8, True, bytes(8), number), number + 1) is None
    assert fragments.add(part(MAX_PACKET - 7, False, bytes(16), 1), 9_999) is None
    problem = fragments.finish()
    assert problem is not None
    assert problem.endswith(f"({MAX_WAITING + 11} such packets)")
