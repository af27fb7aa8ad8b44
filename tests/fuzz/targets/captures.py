"""The packet reader: any octets are a capture file, and what was sent is what is read, however it arrived."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import count
from struct import pack
from typing import Any

import by_hand
from by_hand import Talk
from scapy.utils import RawPcapReader

from hil.capture.acknowledged import missing_from
from hil.capture.as_json import exchange_json
from hil.capture.files import PCAP_MAGIC, PCAPNG_MAGIC, CaptureFile
from hil.capture.transcript import Transcript, read_packets
from hil.scep import build
from targets import lab, pki
from targets.draw import Draw

logging.getLogger("scapy").setLevel(logging.CRITICAL)  # it tells of each damaged file

_SCAPY_LEAST = 28  # octets, short of which scapy takes nothing for a file
_WRITERS: tuple[Callable[[list[bytes]], bytes], ...] = (
    by_hand.pcap,
    lambda frames: by_hand.pcap(frames, order=">", nano=True),
    lambda frames: by_hand.pcapng([(0, frame) for frame in frames], drops=[0]),
    lambda frames: by_hand.pcapng([(0, frame) for frame in frames], order=">"),
)
_ENCODINGS = ("", "", "gzip", "deflate")
_ENDS = (("10.0.0.7", "10.0.0.1"), ("fd00::7", "fd00::1"))


def run(data: bytes) -> None:
    """One input: its first octet says how the rest is taken."""
    draw = Draw(data)
    draw.choice((_file, _frames, _conversation))(draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    sealed = pki.request(Draw(b""), lab.authority()).octets
    for number, write in enumerate(_WRITERS):
        talk = Talk(*_ENDS[number % 2])
        sent = [
            *talk.opening(),
            talk.ask(by_hand.request("/s?operation=GetCACert&message=CA")),
            talk.answer(by_hand.reply(build.degenerate((lab.authority().certificate,)))),
            talk.ask(by_hand.request("/s?operation=PKIOperation", "POST", sealed)),
            talk.answer(by_hand.reply(b"5\r\nabcde\r\n0\r\n\r\n", extra="Transfer-Encoding: chunked\r\n")),
            talk.segment(True, flags=by_hand.FIN | by_hand.ACK),
        ]
        yield f"file-{number}", b"\0" + write([by_hand.framed(packet) for packet in sent])
    lease = bytes((2, 1, 6)) + bytes(233) + bytes.fromhex("63825363 350105 ff")
    datagrams = (
        by_hand.udp_packet("10.0.0.1", 123, "10.0.0.7", 5000, bytes((0x24,)) + bytes(39) + bytes(range(200, 208))),
        by_hand.udp_packet("10.0.0.1", 67, "10.0.0.7", 68, lease),
    )
    frames = b"".join(len(frame).to_bytes(2, "big") + frame for frame in map(by_hand.ethernet, datagrams))
    yield "datagrams", b"\x01\0" + frames
    yield "strangers", bytes((1, 0)) + b"".join(len(frame).to_bytes(2, "big") + frame for frame in _strangers())
    for number in range(8):
        yield f"conversation-{number}", bytes((2, number, *((31 * number + 7 * i) % 256 for i in range(70))))


def _strangers() -> Iterator[bytes]:
    """A connection that is not HTTP, whose later frames are cut, and one within PPPoE and SNAP."""
    talk = Talk()
    for packet in (*talk.opening(), talk.ask(b"\x16\x03\x01\0\1x")):
        yield by_hand.framed(packet)
    for kept in (54, 47, 40, 38, 30, 14):
        yield by_hand.framed(talk.ask(b"x"))[:kept]
    inside = talk.ask(b"y")
    macs = by_hand.SERVER_MAC + by_hand.CLIENT_MAC
    yield macs + bytes.fromhex("8864 1100 0001") + pack(">HH", len(inside) + 2, 0x21) + inside
    yield macs + pack(">H", len(inside) + 8) + bytes.fromhex("aaaa03 000000 0800") + inside


def _file(draw: Draw) -> None:
    data = draw.rest()
    _check(_read(data))
    if data[:4] != PCAPNG_MAGIC:
        _compare_packets(data)


def _frames(draw: Draw) -> None:
    """Frames of drawn octets, so that what is within them is reached whatever becomes of the file's own lengths."""
    write = draw.choice(_WRITERS)
    frames = []
    while not draw.spent:
        frames.append(draw.octets(int.from_bytes(draw.octets(2), "big")))
    data = write(frames)
    assert [packet.data for packet in CaptureFile(data).packets()] == frames
    transcript = _read(data)
    assert transcript.packets == len(frames)
    _check(transcript)
    _compare_packets(data)


def _conversation(draw: Draw) -> None:
    """A talk whose segments arrive in a drawn order, some twice: nothing is missing, so nothing may be wrong."""
    write, talk = draw.choice(_WRITERS), Talk(*draw.choice(_ENDS))
    opening, segments, sent, numbers = talk.opening(), [], [], count(1)
    for number in range(1 + draw.number(3)):
        answer = f"CAP{number}{'x' * draw.number(40)}"
        sent.append((f"id{number}", (answer,)))
        target = f"/s?operation=GetCACaps&message=id{number}"
        segments += _segments(talk, True, by_hand.request(target), numbers, draw)
        segments += _segments(talk, False, _framed_body(answer.encode(), draw), numbers, draw)
    _disorder(segments, draw)
    data = write([by_hand.framed(packet) for packet in (*opening, *segments)])
    transcript = _read(data)
    read = [(exchange.ca_identifier, exchange.capabilities) for exchange in transcript.exchanges]
    assert sorted(read) == sent
    assert not transcript.problems
    assert not any(exchange.problems for exchange in transcript.exchanges)
    assert missing_from(CaptureFile(data)) == ()


def _segments(talk: Talk, from_client: bool, data: bytes, numbers: Iterator[int], draw: Draw) -> list[bytes]:
    sent: list[bytes] = []
    for _ in range(draw.number(5)):
        cut = draw.number(256)
        sent += _fragments(talk.segment(from_client, data[:cut]), next(numbers), draw)
        data = data[cut:]
    return [*sent, talk.segment(from_client, data)]


def _fragments(packet: bytes, number: int, draw: Draw) -> list[bytes]:
    """An IPv4 packet, sometimes in two parts that share its number."""
    if packet[0] >> 4 != 4 or draw.number(4):
        return [packet]
    cut = 8 * (1 + draw.number(2))
    parts = []
    for place, payload, more in ((0, packet[20 : 20 + cut], 0x2000), (cut // 8, packet[20 + cut :], 0)):
        head = packet[:2] + pack(">HHH", 20 + len(payload), number, place | more) + packet[8:20]
        parts.append(head + payload)
    return parts


def _framed_body(body: bytes, draw: Draw) -> bytes:
    encoding = draw.choice(_ENCODINGS)
    extra = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    if encoding:
        compressor = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
        body = compressor.compress(body) + compressor.flush()
    if draw.number(2):
        return by_hand.reply(body, extra=f"{extra}Content-Length: {len(body)}\r\n")
    cut = draw.number(len(body))
    pieces = b"".join(f"{len(piece):x};x=y\r\n".encode() + piece + b"\r\n" for piece in (body[:cut], body[cut:]) if piece)
    return by_hand.reply(pieces + b"0\r\nTrailer: x\r\n\r\n", extra=f"{extra}Transfer-Encoding: chunked\r\n")


def _disorder(segments: list[bytes], draw: Draw) -> None:
    for _ in range(draw.number(8)):
        one, other = draw.number(len(segments)), draw.number(len(segments))
        if draw.number(2):
            segments[one], segments[other] = segments[other], segments[one]
        else:
            segments.insert(one, segments[other])


def _read(data: bytes) -> Transcript:
    for missing in missing_from(CaptureFile(data)):
        assert str(missing).startswith("frame ")
    return read_packets(CaptureFile(data), "fuzzed", keys=(lab.key("ca"), lab.key("phone")))


def _check(transcript: Transcript) -> None:
    """What is read can be shown."""
    shown = [exchange_json(exchange, show_secrets=True) for exchange in transcript.exchanges]
    told = (*transcript.fetches, *transcript.leases, *transcript.time_replies, *transcript.dhcp_servers)
    others = [vars(entry) for entry in told]
    json.dumps([shown, others, transcript.problems], ensure_ascii=False, default=str).encode()
    assert [exchange.index for exchange in transcript.exchanges] == list(range(1, len(transcript.exchanges) + 1))


def _compare_packets(data: bytes) -> None:
    """scapy finds the same packets in a file that is whole."""
    capture = CaptureFile(data)
    ours = [(packet.data, packet.length, packet.time) for packet in capture.packets()]
    if capture.problems or len(data) < _SCAPY_LEAST:
        return
    with RawPcapReader(BytesIO(data)) as reader:  # type: ignore[arg-type] # a name or a file
        theirs = [(packet, about.wirelen, _nanoseconds(about, data)) for packet, about in reader]
    assert ours == theirs, "scapy reads other packets"


def _nanoseconds(about: Any, data: bytes) -> int:
    if data[:4] == PCAPNG_MAGIC:
        return int(about.tshigh << 32 | about.tslow)
    return int(about.sec * 10**9 + about.usec * PCAP_MAGIC[data[:4]][1])
