"""HTTP put together again from segments that come as they like."""

from __future__ import annotations

import itertools
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from hil.capture.transcript import Transcript
from hil.capture.tshark import disagreements, read_with_tshark

GAP = "missing from the capture"


def only(transcript: Transcript) -> tuple[int, int | None, str, int | None, int]:
    (fetch,) = transcript.fetches
    return fetch.request_frame, fetch.reply_frame, fetch.path, fetch.status, fetch.size


def agreed(workshop: Any, packets: list[bytes], path: Path) -> Transcript:
    """The transcript of packets, once tshark has confirmed its frames."""
    path.write_bytes(workshop.pcap([workshop.framed(packet) for packet in packets]))
    transcript: Transcript = workshop.of(packets)
    assert disagreements(transcript, read_with_tshark(path, ports=[80])) == ()
    return transcript


def test_one_fetch_with_frames_addresses_and_macs(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    transcript = agreed(
        workshop, [*talk.opening(), talk.ask(workshop.request("/a?b=c")), talk.answer(workshop.reply(b"12345"))], tmp_path / "c"
    )
    (fetch,) = transcript.fetches
    assert only(transcript) == (4, 5, "/a", 200, 5)
    assert (fetch.client, fetch.server, fetch.method) == ("10.0.0.7:50000", "10.0.0.1:80", "GET")
    assert (fetch.client_mac, fetch.server_mac) == ("c8:1f:ea:83:e8:5a", "02:00:00:00:00:0a")
    assert fetch.user_agent == "AVAYA/J179"
    assert (fetch.request_time - transcript.first).total_seconds() == 0.003
    assert (transcript.packets, transcript.problems, fetch.problems) == (5, (), ())


def test_every_order_of_arrival_gives_the_same_reply(workshop: Any) -> None:
    for order in itertools.permutations(range(4)):
        talk = workshop.Talk()
        packets = [*talk.opening(), talk.ask(workshop.request())]
        text = workshop.reply(bytes(range(256)) * 2)
        parts = [talk.answer(text[start : start + 170]) for start in range(0, len(text), 170)]
        transcript = workshop.of(packets + [parts[index] for index in order])
        assert only(transcript) == (4, 8, "/46xxsettings.txt", 200, 512)
        assert transcript.problems == ()


def test_a_hole_filled_late_completes_the_reply_in_the_frame_that_fills_it(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    start = [*talk.opening(), talk.ask(workshop.request())]
    text = workshop.reply(b"x" * 1_000)
    one, two, three = (talk.answer(text[place : place + 400]) for place in (0, 400, 800))
    assert only(agreed(workshop, [*start, one, three, two], tmp_path / "c"))[1] == 7


def test_retransmission_overlap_and_keepalive_add_nothing(workshop: Any) -> None:
    talk = workshop.Talk()
    start = [*talk.opening(), talk.ask(workshop.request())]
    before = talk.numbers[False]
    text = workshop.reply(b"0123456789" * 10)
    whole = talk.answer(text)
    after = dict(talk.numbers)
    talk.numbers[False] = before + 50
    overlapping = talk.answer(text[50:120])
    talk.numbers[False] = before - 1
    keepalive = talk.answer(b"\0")
    talk.numbers = after
    last = [talk.ask(workshop.request("/next")), talk.answer(workshop.reply(b"n"))]
    transcript = workshop.of([*start, keepalive, whole, overlapping, whole, *last])
    assert [(fetch.path, fetch.size, fetch.reply_frame) for fetch in transcript.fetches] == [
        ("/46xxsettings.txt", 100, 6),
        ("/next", 1, 10),
    ]
    assert transcript.problems == ()


def test_each_frame_twice_is_one_exchange_of_each(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request()), talk.answer(workshop.reply(b"abc"))]
    packets += [talk.segment(True, flags=17), talk.segment(False, flags=17), talk.segment(True)]
    transcript = workshop.of([packet for packet in packets for _ in range(2)])
    assert only(transcript) == (7, 9, "/46xxsettings.txt", 200, 3)
    assert transcript.problems == ()


def test_a_gap_in_a_body_is_a_problem_of_that_exchange_alone(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request("/one"))]
    text = workshop.reply(b"x" * 600)
    packets.append(talk.answer(text[:300]))
    talk.answer(text[300:400])  # never captured
    packets += [talk.answer(text[400:]), talk.ask(workshop.request("/two")), talk.answer(workshop.reply(b"fine"))]
    transcript = workshop.of(packets)
    one, two = transcript.fetches
    assert "100 bytes of the body are missing from the capture" in one.problems
    assert (two.path, two.size, two.problems) == ("/two", 4, ())
    assert [problem for problem in transcript.problems if GAP in problem] == [
        "frame 6: 100 bytes beside it on its connection are missing from the capture"
    ]


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_lost_message_does_not_shift_the_pairs_after_it(workshop: Any, lost: str) -> None:
    talk = workshop.Talk()
    packets = list(talk.opening())
    for path, size in (("/one", 1), ("/two", 2), ("/three", 3), ("/four", 4)):
        asked, answered = talk.ask(workshop.request(path)), talk.answer(workshop.reply(b"x" * size))
        packets += [asked] if path != "/two" or lost != "request" else []
        packets += [answered] if path != "/two" or lost != "reply" else []
    transcript = workshop.of(packets)
    found = {fetch.path: fetch.size for fetch in transcript.fetches if fetch.reply_frame}
    assert found == {"/one": 1, "/three": 3, "/four": 4}
    assert any(GAP in problem for problem in transcript.problems)


def test_pipelined_requests_are_answered_in_order(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request("/a") + workshop.request("/b")), talk.ask(workshop.request("/c"))]
    packets.append(talk.answer(workshop.reply(b"a") + workshop.reply(b"bb") + workshop.reply(b"ccc")))
    transcript = workshop.of(packets)  # tshark pairs by frame, and so cannot tell two requests in one frame apart
    assert [(fetch.path, fetch.request_frame, fetch.size) for fetch in transcript.fetches] == [
        ("/a", 4, 1),
        ("/b", 4, 2),
        ("/c", 5, 3),
    ]


def test_a_chunked_reply_in_single_bytes(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request())]
    text = workshop.reply(b"4\r\nabcd\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n", extra="Transfer-Encoding: chunked\r\n")
    packets += [talk.answer(text[index : index + 1]) for index in range(len(text))]
    transcript = workshop.of(packets)
    assert only(transcript) == (4, len(packets), "/46xxsettings.txt", 200, 14)
    agreed(workshop, [*packets[:4], *_rest(workshop, text)], tmp_path / "c")


def _rest(workshop: Any, text: bytes) -> list[bytes]:
    talk = workshop.Talk()
    talk.opening()
    talk.ask(workshop.request())
    return [talk.answer(text[:70]), talk.answer(text[70:])]


def test_a_body_that_ends_with_the_connection_completes_at_its_fin(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request()), talk.answer(workshop.reply(b"abc", extra="")), talk.answer(b"def")]
    whole = agreed(workshop, [*packets, talk.segment(False, flags=17), talk.segment(True, flags=17)], tmp_path / "c")
    assert only(whole) == (4, 7, "/46xxsettings.txt", 200, 6)
    assert whole.fetches[0].problems == ()
    cut = workshop.of(packets)
    assert cut.fetches[0].problems == ("the capture ends before the answer",)


def test_expect_continue_pairs_with_the_final_reply(workshop: Any, tmp_path: Path) -> None:
    talk = workshop.Talk()
    text = workshop.request("/p", "POST", b"x" * 30, "Expect: 100-continue\r\n")
    packets = [*talk.opening(), talk.ask(text[:-30]), talk.answer(b"HTTP/1.1 100 Continue\r\n\r\n"), talk.ask(text[-30:])]
    packets.append(talk.answer(workshop.reply(b"done")))
    assert only(agreed(workshop, packets, tmp_path / "c")) == (6, 7, "/p", 200, 4)


def test_the_reply_to_head_has_no_body(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [
        *talk.opening(),
        talk.ask(workshop.request("/h", "HEAD")),
        talk.answer(workshop.reply(extra="Content-Length: 900\r\n")),
    ]
    packets += [talk.ask(workshop.request("/g")), talk.answer(workshop.reply(b"g"))]
    assert [(fetch.path, fetch.size) for fetch in workshop.of(packets).fetches] == [("/h", 0), ("/g", 1)]


def test_a_reset_and_a_close_leave_the_request_unanswered_with_the_reason(workshop: Any) -> None:
    for flags, reason in (
        (20, "no answer: the connection was reset (frame 5)"),
        (17, "no answer: the connection was closed (frame 5)"),
    ):
        talk = workshop.Talk()
        transcript = workshop.of([*talk.opening(), talk.ask(workshop.request()), talk.segment(False, flags=flags)])
        assert only(transcript) == (4, None, "/46xxsettings.txt", None, 0)
        assert transcript.fetches[0].problems == (reason,)


def test_the_same_ports_again_are_another_connection(workshop: Any) -> None:
    packets = []
    for number, path in ((1_000, "/one"), (900_000, "/two")):
        talk = workshop.Talk(numbers={True: number, False: number + 7})
        packets += [*talk.opening(), talk.ask(workshop.request(path)), talk.answer(workshop.reply(b"x"))]
    assert [(fetch.path, fetch.request_frame, fetch.reply_frame) for fetch in workshop.of(packets).fetches] == [
        ("/one", 4, 5),
        ("/two", 9, 10),
    ]


def test_a_capture_that_begins_in_mid_connection(workshop: Any) -> None:
    talk = workshop.Talk()
    tail = talk.answer(b"the rest of some reply")
    packets = [tail, talk.ask(workshop.request("/seen")), talk.answer(workshop.reply(b"ok"))]
    assert only(workshop.of(packets)) == (2, 3, "/seen", 200, 2)
    talk = workshop.Talk()
    stray = workshop.of([talk.answer(workshop.reply(b"ok")), talk.ask(workshop.request("/open"))])
    assert stray.problems == ("frame 1: a reply whose request is not in the capture",)
    assert stray.fetches[0].reply_frame is None


REFUSED = "a reply whose request is not in the capture, left over from before it: the client's side has nothing but a reset"


def repeated_answer(workshop: Any, **ports: int) -> tuple[Any, bytes]:
    """A connection that a power-off cut, and what its server still sends on it."""
    cut = workshop.Talk(**ports)
    cut.opening()
    cut.ask(workshop.request())
    return cut, cut.answer(workshop.reply(b"late"))


@pytest.mark.parametrize("answered_by", [None, "RST", "RST and ACK"])
def test_an_answer_repeated_to_a_client_that_lost_its_power_is_a_note(workshop: Any, answered_by: str | None) -> None:
    cut, repeated = repeated_answer(workshop)
    refusals = [] if answered_by is None else [cut.segment(True, flags=4 if answered_by == "RST" else 20)]
    new = workshop.Talk(client_port=50_001)
    packets = [repeated, *refusals, repeated, *new.opening(), new.ask(workshop.request("/new")), new.answer(workshop.reply())]
    transcript = workshop.of(packets)
    assert transcript.problems == ()
    assert transcript.notes == (f"frame 1: {REFUSED}",)
    assert [(fetch.path, fetch.status) for fetch in transcript.fetches] == [("/new", 200)]


def test_an_answer_that_the_client_takes_is_no_remnant(workshop: Any) -> None:
    cut, repeated = repeated_answer(workshop)
    for taken in (cut.segment(True), cut.segment(True, flags=17)):
        transcript = workshop.of([repeated, taken])
        assert transcript.problems == ("frame 1: a reply whose request is not in the capture",)
        assert transcript.notes == ()


def test_what_is_missing_from_a_remnant_is_a_note_too(workshop: Any) -> None:
    cut = workshop.Talk()
    text = workshop.reply(b"late")
    begun = cut.answer(text[:-4])
    cut.answer(text[-4:-2])  # never captured
    transcript = workshop.of([begun, cut.answer(text[-2:])])
    assert transcript.problems == ()
    gap, reply = transcript.notes
    assert gap.startswith("frame 2: 2 bytes beside it on its connection are missing from the capture")
    assert reply == f"frame 2: {REFUSED}"


def test_the_ports_of_a_remnant_may_be_taken_by_a_new_connection(workshop: Any) -> None:
    _, repeated = repeated_answer(workshop)
    new = workshop.Talk(numbers={True: 900_000, False: 700_000})
    packets = [repeated, *new.opening(), new.ask(workshop.request("/new")), new.answer(workshop.reply(b"n"))]
    transcript = workshop.of(packets)
    assert only(transcript) == (5, 6, "/new", 200, 1)
    assert (transcript.problems, transcript.notes) == ((), (f"frame 1: {REFUSED}",))


def test_a_reply_recorded_before_its_request(workshop: Any) -> None:
    talk = workshop.Talk()
    opening, asked, answered = talk.opening(), talk.ask(workshop.request()), talk.answer(workshop.reply(b"ab"))
    assert only(workshop.of([*opening, answered, asked])) == (5, 4, "/46xxsettings.txt", 200, 2)


def test_what_is_not_http_is_left_alone(workshop: Any) -> None:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(b"OPTIONS sip:phone SIP/2.0\r\n\r\n"), talk.answer(b"SIP/2.0 200 OK\r\n\r\n")]
    other = workshop.Talk(client_port=50_001)
    packets += [*other.opening(), other.ask(b"\x16\x03\x01\x02\x00\x01"), other.answer(b"\x16\x03\x03")]
    talk_again = workshop.Talk(numbers={True: 77, False: 99})  # the ports of the first, now for HTTP
    packets += [*talk_again.opening(), talk_again.ask(workshop.request()), talk_again.answer(workshop.reply(b"x"))]
    transcript = workshop.of(packets)
    assert only(transcript) == (14, 15, "/46xxsettings.txt", 200, 1)
    assert transcript.problems == ()


LINK_TYPES = ["ipv6", "vlan", "vlans", "pppoe", "snap", "sll", "sll-vlan", "sll2", "raw", "null", "loop", "ppp", "padded"]


@pytest.mark.parametrize("form", LINK_TYPES)
def test_link_types(workshop: Any, form: str) -> None:
    talk = workshop.Talk("fd00::7", "fd00::1") if form == "ipv6" else workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request()), talk.answer(workshop.reply(b"abc"))]
    phone = bytes.fromhex("c81fea83e85a")
    addresses = bytes.fromhex("02000000000a") + phone
    wrap = {
        "ipv6": (1, workshop.framed),
        "vlan": (1, lambda packet: workshop.ethernet(packet, vlans=[100])),
        "vlans": (1, lambda packet: workshop.ethernet(packet, vlans=[100, 7])),
        "pppoe": (1, lambda packet: addresses + pack(">HBBHHH", 0x8864, 0x11, 0, 5, len(packet) + 2, 0x21) + packet),
        "snap": (1, lambda packet: addresses + pack(">H", len(packet) + 8) + b"\xaa\xaa\x03\0\0\0\x08\0" + packet),
        "sll": (113, lambda packet: pack(">HHH6sHH", 0, 1, 6, phone, 0, 0x0800) + packet),
        "sll-vlan": (113, lambda packet: pack(">HHH6sHHHH", 0, 1, 6, phone, 0, 0x8100, 100, 0x0800) + packet),
        "sll2": (276, lambda packet: pack(">HHIHBB6sH", 0x0800, 0, 3, 1, 0, 6, phone, 0) + packet),
        "raw": (101, lambda packet: packet),
        "null": (0, lambda packet: pack("<I", 2) + packet),
        "loop": (108, lambda packet: pack(">I", 2) + packet),
        "ppp": (9, lambda packet: b"\xff\x03\0\x21" + packet),
        "padded": (1, lambda packet: workshop.framed(packet) + bytes(12)),
    }
    link, frame = wrap[form]
    transcript = workshop.transcribe(workshop.pcap([frame(packet) for packet in packets], link=link))
    assert only(transcript) == (4, 5, "/46xxsettings.txt", 200, 3)
    mac = None if form in ("raw", "null", "loop", "ppp") else "c8:1f:ea:83:e8:5a"
    assert transcript.fetches[0].client_mac == mac
    if form == "ipv6":
        assert transcript.fetches[0].client == "[fd00::7]:50000"


def test_what_cannot_be_read_is_said_once_with_a_count(workshop: Any) -> None:
    foreign = workshop.transcribe(workshop.pcap([b"x" * 60], link=195))
    assert foreign.problems == ("frame 1: link type 195 is not one that can be read (1 such frames)",)


def test_tls_is_noted_by_its_server(workshop: Any) -> None:
    packets = []
    for port in (50_001, 50_002):
        talk = workshop.Talk(server_port=443, client_port=port)
        packets += [*talk.opening(), talk.ask(b"\x16\x03\x01\x02\x00\x01"), talk.answer(b"\x16\x03\x03")]
    other = workshop.Talk(server_port=5_061)
    packets += [*other.opening(), other.ask(b"\0\1nothing known"), other.answer(b"\0")]
    transcript = workshop.of(packets)
    assert transcript.notes == ("TLS to 10.0.0.1:443 is not opened (2 connections)",)
    assert transcript.problems == ()


def test_dropped_and_shortened_packets_are_problems(workshop: Any) -> None:
    assert workshop.transcribe(workshop.pcapng([], drops=[3])).problems == ("the recorder dropped 3 packets of interface if0",)
    data = bytearray(workshop.pcap([b"x" * 60]))
    data[36:40] = pack("<I", 1_500)
    assert workshop.transcribe(bytes(data)).problems == ("1 frames were cut short when they were captured",)


def test_sntp_and_dhcp_are_seen_once_though_captured_twice(workshop: Any) -> None:
    seconds = 3_900_000_000
    answer = bytes([0x24]) + bytes(39) + pack(">II", seconds, 1 << 31)
    ack = bytes([2, 1, 6, 0]) + b"\1\2\3\4" + bytes(8) + bytes([10, 0, 0, 7]) + bytes(8) + bytes.fromhex("c81fea83e85a")
    ack = ack.ljust(236, b"\0") + bytes.fromhex("63825363") + bytes([0, 1, 4, 255, 255, 255, 0, 53, 1, 5, 255])
    offer = ack.replace(bytes([53, 1, 5, 255]), bytes([53, 1, 2, 54, 4, 10, 0, 0, 1, 255]))
    packets = [workshop.udp_packet("10.0.0.1", 67, "10.0.0.7", 68, payload) for payload in (offer, ack, ack)]
    packets += [workshop.udp_packet("10.0.0.1", 123, "10.0.0.7", 41_000, answer)] * 2
    transcript = workshop.of(packets)
    assert [(lease.frame, lease.mac, lease.ip) for lease in transcript.leases] == [(2, "c8:1f:ea:83:e8:5a", "10.0.0.7")]
    (server,) = transcript.dhcp_servers
    assert (server.frame, server.mac, server.ip) == (1, "c8:1f:ea:83:e8:5a", "10.0.0.1")
    (told,) = transcript.time_replies
    assert (told.frame, told.client, told.transmit.isoformat()) == (4, "10.0.0.7", "2023-08-02T21:20:00.500000+00:00")


def test_a_call_from_ports_that_an_earlier_connection_had_is_refused_once_that_is_reset(workshop: Any) -> None:
    earlier, call, again = (workshop.Talk(numbers={True: number, False: 0}) for number in (77, 900_000, 900_000))
    packets = [
        *earlier.opening(),
        call.segment(True, flags=workshop.SYN),
        earlier.segment(False),
        earlier.segment(True, flags=workshop.RST),
        again.segment(True, flags=workshop.SYN),
        again.segment(False, flags=workshop.RST | workshop.ACK),
    ]
    [refusal] = workshop.of(packets).refusals
    assert (refusal.client, refusal.request_frame, refusal.reply_frame) == ("10.0.0.7:50000", 4, 8)


def test_a_reset_that_answers_a_call_is_a_refusal(workshop: Any) -> None:
    one, two = workshop.Talk(server_port=8080), workshop.Talk(server_port=8081)
    refused = [one.segment(True, flags=workshop.SYN), one.segment(False, flags=workshop.RST | workshop.ACK)]
    broken = [*two.opening(), two.segment(False, flags=workshop.RST)]
    transcript = workshop.of([*refused, *broken])
    [refusal] = transcript.refusals
    assert (refusal.client, refusal.server, refusal.request_frame, refusal.reply_frame) == (
        "10.0.0.7:50000",
        "10.0.0.1:8080",
        1,
        2,
    )
    assert refusal.client_mac == "c8:1f:ea:83:e8:5a"
    assert (transcript.exchanges, transcript.problems) == ((), ())


def test_each_call_that_is_refused_counts(workshop: Any) -> None:
    calls = [workshop.Talk(client_port=port) for port in (50_000, 50_001)]
    again = workshop.Talk(numbers={True: 77_000, False: 0})
    packets = [
        packet
        for call in (*calls, again)
        for packet in (call.segment(True, flags=workshop.SYN), call.segment(False, flags=workshop.RST | workshop.ACK))
    ]
    assert [refusal.request_frame for refusal in workshop.of(packets).refusals] == [1, 3, 5]
