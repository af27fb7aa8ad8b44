"""Captures that were tampered with: problems at worst, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.capture.datagrams import dhcp_acknowledged, sntp_transmit_time
from hil.capture.files import CaptureFile
from hil.capture.frames import KNOWN_LINKS, dissect
from hil.capture.transcript import read_packets

LIMITS = settings(max_examples=200, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=12)


def changed(data: bytes, changes: list[tuple[float, bytes]], keep: float) -> bytes:
    out = bytearray(data)
    for place, octets in changes:
        start = int(place * len(out))
        out[start : start + len(octets)] = octets
    return bytes(out[: int(keep * len(out))])


@pytest.fixture(scope="module")
def seeds(workshop: SimpleNamespace) -> list[bytes]:
    talk = workshop.Talk()
    packets = [
        *talk.opening(),
        talk.ask(workshop.request("/s?operation=PKIOperation&message=MIIB")),
        talk.answer(workshop.reply(b"0" * 300)),
    ]
    packets += [talk.ask(workshop.request("/s?operation=PKIOperation", "POST", b"\x30\x82\x01\x00"))]
    packets += [
        talk.answer(workshop.reply(b"5\r\nabcde\r\n0\r\n\r\n", extra="Transfer-Encoding: chunked\r\n")),
        talk.segment(False, flags=17),
    ]
    frames = [workshop.framed(packet) for packet in packets]
    return [workshop.pcap(frames), workshop.pcapng([(0, frame) for frame in frames], drops=[0])]


@LIMITS
@given(which=st.booleans(), changes=CHANGES, keep=st.floats(0.5, 1))
def test_a_changed_capture_never_raises(seeds: list[bytes], which: bool, changes: list[tuple[float, bytes]], keep: float) -> None:
    transcript = read_packets(CaptureFile(changed(seeds[which], changes, keep)), "changed")
    assert transcript.packets <= 10


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, keep=st.floats(0.5, 1))
def test_a_changed_recording_of_real_peers_never_raises(vectors: Path, changes: list[tuple[float, bytes]], keep: float) -> None:
    data = (vectors / "lab/stepca/aes.pcap").read_bytes()
    assert read_packets(CaptureFile(changed(data, changes, keep)), "changed").packets <= 300


@LIMITS
@given(st.binary(max_size=200))
def test_any_octets_as_capture_frame_or_datagram(data: bytes) -> None:
    for start in (b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a", b""):
        assert read_packets(CaptureFile(start + data), "octets").exchanges == ()
    for link in KNOWN_LINKS:
        dissect(link, data)
    sntp_transmit_time(data)
    dhcp_acknowledged(bytes([2, 1, 6]) + bytes(233) + bytes.fromhex("63825363") + data)


@LIMITS
@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=12))
def test_any_bytes_after_a_request_line(workshop: SimpleNamespace, pieces: list[tuple[bool, bytes]]) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(b"POST /s?operation=PKIOperation HTTP/1.1\r\n"), talk.answer(b"HTTP/1.1 200 OK\r\n")]
    packets += [talk.segment(from_client, payload) for from_client, payload in pieces]
    assert len(workshop.of(packets).exchanges) <= 1


def test_frames_of_what_is_not_http_may_be_cut_anywhere(workshop: SimpleNamespace) -> None:
    talk = workshop.Talk(server_port=443)
    packets = [*talk.opening(), talk.ask(b"\x16\x03\x01\x02"), talk.answer(b"\x16\x03\x03")]
    frames = [workshop.framed(packet) for packet in packets]
    frames += [frames[-1][:kept] for kept in range(len(frames[-1]))]
    assert workshop.transcribe(workshop.pcap(frames)).packets == len(frames)


def measured(data: bytes) -> tuple[float, int]:
    """Seconds and bytes of memory that a reading takes."""
    tracemalloc.start()
    before = time.process_time()
    read_packets(CaptureFile(data), "measured")
    seconds, peak = time.process_time() - before, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def test_a_flood_of_segments_after_a_hole_is_bounded(workshop: SimpleNamespace) -> None:
    packets = []
    for port in range(100):
        talk = workshop.Talk(client_port=20_000 + port)
        packets += [*talk.opening(), talk.ask(workshop.request()), talk.answer(b"HTTP/1.1 200 OK\r\n")]
        talk.answer(b"the hole")
        packets += [talk.answer(bytes(20_000)) for _ in range(60)]
    seconds, peak = measured(workshop.pcap([workshop.framed(packet) for packet in packets]))
    assert seconds < 30
    assert peak < 150 * 2**20


@pytest.mark.parametrize("start", [b"GET /", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
def test_a_line_without_end_in_small_pieces_is_not_quadratic(workshop: SimpleNamespace, start: bytes) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(start), *(talk.ask(b"0" * 40) for _ in range(8_000))]
    seconds, peak = measured(workshop.pcap([workshop.framed(packet) for packet in packets]))
    assert seconds < 5
    assert peak < 20 * 2**20
