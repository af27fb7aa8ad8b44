"""What a capture lacks shows by what the receiver acknowledged, in either direction, and nothing else looks like it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hil.capture.acknowledged import Missing, missing_from, missing_octets
from hil.capture.files import CaptureFile
from hil.capture.tshark import frames_that_acknowledge_lost_segments

CLIENT, SERVER = "10.0.0.7:50000", "10.0.0.1:80"
FIN_ACK, RST, RST_ACK = 17, 4, 20


def conversation(workshop: Any, **talk: Any) -> list[bytes]:
    """A whole connection in twelve frames: handshake, a request in two, a reply in two, each acknowledged, and its end."""
    one = workshop.Talk(**talk)
    return [
        *one.opening(),
        one.ask(b"GET /46xxsettings.txt "),
        one.ask(b"HTTP/1.1\r\n\r\n"),
        one.segment(False),
        one.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
        one.answer(b"text"),
        one.segment(True),
        one.segment(True, flags=FIN_ACK),
        one.segment(False, flags=FIN_ACK),
        one.segment(True),
    ]


def lacks(workshop: Any, packets: Sequence[bytes]) -> list[tuple[str, int | None]]:
    """The sender and the number of octets of all that is missing."""
    return [(one.source, one.octets) for one in found(workshop, packets)]


def found(workshop: Any, packets: Sequence[bytes]) -> tuple[Missing, ...]:
    return missing_from(CaptureFile(workshop.pcap([workshop.framed(packet) for packet in packets])))


def test_a_whole_connection_lacks_nothing(workshop: Any) -> None:
    assert found(workshop, conversation(workshop)) == ()


@pytest.mark.parametrize(
    ("lost", "sender", "octets", "frame"),
    [
        (1, SERVER, 1, 11),  # its SYN
        (3, CLIENT, 22, 4),
        (4, CLIENT, 12, 8),
        (6, SERVER, 38, 7),
        (7, SERVER, 4, 10),
        (9, CLIENT, 1, 11),  # its FIN
    ],
)
def test_each_frame_that_is_lost_is_missed(workshop: Any, lost: int, sender: str, octets: int, frame: int) -> None:
    packets = conversation(workshop)
    del packets[lost]
    (missing,) = found(workshop, packets)
    assert (missing.source, missing.octets) == (sender, octets)
    assert missing.frame == frame
    assert str(missing).startswith(f"frame {frame}: {octets} octets that {sender} sent to ")


@pytest.mark.parametrize("lost", [2, 5, 8, 11])
def test_frames_that_carry_nothing_are_not_missed(workshop: Any, lost: int) -> None:
    packets = conversation(workshop)
    del packets[lost]
    assert found(workshop, packets) == ()


@pytest.mark.parametrize(("shown", "hidden"), [(CLIENT, SERVER), (SERVER, CLIENT)])
def test_a_mirror_that_shows_one_direction_alone_is_found_out(workshop: Any, shown: str, hidden: str) -> None:
    from_server = [packet[15] == 1 for packet in conversation(workshop)]
    packets = [packet for packet, server in zip(conversation(workshop), from_server, strict=True) if server == (shown == SERVER)]
    (missing,) = found(workshop, packets)
    assert (missing.source, missing.destination, missing.octets) == (hidden, shown, None)
    assert "nothing that" in str(missing)


def test_both_directions_of_one_connection_and_several_connections_are_told_apart(workshop: Any) -> None:
    packets = conversation(workshop)
    other = conversation(workshop, client_port=50_001)
    del packets[7], packets[4], other[3]
    both = [packet for pair in itertools.zip_longest(packets, other) for packet in pair if packet]
    assert sorted(lacks(workshop, both)) == [("10.0.0.1:80", 4), ("10.0.0.7:50000", 12), ("10.0.0.7:50001", 22)]


def test_every_order_twice_over_and_the_answer_before_its_cause_lack_nothing(workshop: Any) -> None:
    packets = conversation(workshop)
    assert found(workshop, [packet for packet in packets for _ in range(2)]) == ()
    for place in range(len(packets) - 1):
        swapped = [*packets[:place], packets[place + 1], packets[place], *packets[place + 2 :]]
        assert found(workshop, swapped) == (), place
    one_way = [packet for packet in packets if packet[15] == 1]
    other_way = [packet for packet in packets if packet[15] != 1]
    assert found(workshop, [*one_way, *other_way]) == ()
    assert found(workshop, [*other_way, *one_way]) == ()


def test_a_capture_that_begins_or_ends_in_mid_connection_lacks_nothing(workshop: Any) -> None:
    packets = conversation(workshop)
    for place in range(len(packets)):
        assert found(workshop, packets[place:]) == (), place
        assert found(workshop, packets[:place]) == (), place


def test_retransmissions_keep_alives_and_probes_are_no_loss(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(b"x" * 100), talk.segment(False)]
    before = dict(talk.numbers)
    talk.numbers[True] -= 1
    keep_alives = [talk.segment(True), talk.segment(True, b"\0")]
    talk.numbers = dict(before)
    talk.numbers[True] -= 40
    again = talk.ask(b"x" * 40)
    more = [talk.ask(b"y" * 10), talk.segment(False)]
    assert found(workshop, [*packets, *keep_alives, again, *more]) == ()
    assert found(workshop, [*keep_alives, packets[4], *more]) == (), "nor where the capture begins with one"


def test_a_hole_filled_by_a_retransmission_is_none_and_a_half_filled_one_is_as_large_as_what_is_left(workshop: Any) -> None:
    talk = workshop.Talk()
    start = [*talk.opening()]
    talk.ask(b"a" * 100)  # never captured
    later = [talk.ask(b"b" * 50), talk.segment(False)]
    talk.numbers[True] -= 150
    first_half = talk.ask(b"a" * 60)
    rest = talk.ask(b"a" * 40)
    assert lacks(workshop, [*start, *later]) == [(CLIENT, 100)]
    assert lacks(workshop, [*start, *later, first_half]) == [(CLIENT, 40)]
    assert lacks(workshop, [*start, *later, first_half, rest]) == []


def test_what_was_sent_and_never_acknowledged_is_not_missed(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(b"x" * 10)]
    talk.ask(b"y" * 10)  # lost on the wire, maybe
    assert found(workshop, [*packets, talk.ask(b"z" * 10)]) == ()


def test_what_is_left_over_from_before_the_power_went_lacks_nothing(workshop: Any) -> None:
    talk = workshop.Talk()
    talk.opening()
    talk.ask(b"GET / HTTP/1.1\r\n\r\n")
    repeated = talk.answer(b"HTTP/1.1 200 OK\r\n\r\n")
    reset = talk.segment(True, flags=RST)
    assert found(workshop, [repeated, repeated, reset, repeated]) == ()


def test_a_refused_connection_and_the_same_ports_again_lack_nothing(workshop: Any) -> None:
    refused = workshop.Talk(numbers={True: 77, False: 0})
    packets = [refused.segment(True, flags=2), refused.segment(False, flags=RST_ACK)]
    packets += conversation(workshop) + conversation(workshop, numbers={True: 5_000_000, False: 9})
    assert found(workshop, packets) == ()
    left_over = workshop.Talk(numbers={True: 900_000, False: 800_000})
    assert found(workshop, [left_over.answer(b"old"), *conversation(workshop)]) == ()


@pytest.mark.parametrize("lost", [(), (3,), (4,), (6,), (7,), (3, 6), (4, 7)])
def test_tshark_is_of_the_same_opinion(workshop: Any, lost: tuple[int, ...], tmp_path: Path) -> None:
    packets = [packet for place, packet in enumerate(conversation(workshop)) if place not in lost]
    file = tmp_path / "capture.pcap"
    file.write_bytes(workshop.pcap([workshop.framed(packet) for packet in packets]))
    assert bool(missing_octets(file)) == bool(frames_that_acknowledge_lost_segments(file)) == bool(lost)


def test_hostile_numbers_cost_little_and_claim_little(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening()]
    for place in range(3_000):
        talk.numbers[True] = (talk.numbers[True] + 7 * place**3 + 1) % 2**32
        talk.numbers[False] = (talk.numbers[False] + 11 * place**3) % 2**32
        packets.append(talk.segment(place % 2 == 0, b"x"))
    assert len(found(workshop, packets)) <= 2
