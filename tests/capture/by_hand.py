"""Frames and captures made by hand, so that a test decides every byte and its order."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from struct import pack

from hil.capture.files import CaptureFile
from hil.capture.transcript import Transcript, read_packets

FIN, SYN, RST, ACK = 1, 2, 4, 16
CLIENT_MAC, SERVER_MAC = bytes.fromhex("c81fea83e85a"), bytes.fromhex("02000000000a")
START = 1_700_000_000 * 10**9
STEP = 1_000_000  # nanoseconds between frames


def ethernet(packet: bytes, source: bytes = CLIENT_MAC, destination: bytes = SERVER_MAC, vlans: Sequence[int] = ()) -> bytes:
    tags = b"".join(pack(">HH", 0x8100, vlan) for vlan in vlans)
    kind = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return destination + source + tags + pack(">H", kind) + packet


def ip_packet(source: str, destination: str, protocol: int, payload: bytes, fragment: int = 0) -> bytes:
    one, two = ip_address(source).packed, ip_address(destination).packed
    if len(one) == 16:
        return pack(">IHBB", 0x60000000, len(payload), protocol, 64) + one + two + payload
    return pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, fragment, 64, protocol, 0) + one + two + payload


def udp_packet(source: str, sport: int, destination: str, dport: int, payload: bytes) -> bytes:
    return ip_packet(source, destination, 17, pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload)


@dataclass
class Talk:
    """One TCP connection; each call returns the IP packet of one segment, in the order of sending."""

    client: str = "10.0.0.7"
    server: str = "10.0.0.1"
    client_port: int = 50_000
    server_port: int = 80
    numbers: dict[bool, int] = field(default_factory=lambda: {True: 1_000, False: 0xFFFFFF00})  # the server's wraps

    def segment(self, from_client: bool, payload: bytes = b"", flags: int = ACK) -> bytes:
        ends = [(self.client, self.client_port), (self.server, self.server_port)]
        (source, sport), (destination, dport) = ends if from_client else reversed(ends)
        number, peer = self.numbers[from_client], self.numbers[not from_client]
        self.numbers[from_client] = (number + len(payload) + bool(flags & (SYN | FIN))) % 2**32
        header = pack(">HHIIBBHHH", sport, dport, number, peer, 0x50, flags, 64_000, 0, 0)
        return ip_packet(source, destination, 6, header + payload)

    def opening(self) -> list[bytes]:
        return [self.segment(True, flags=SYN), self.segment(False, flags=SYN | ACK), self.segment(True)]

    def ask(self, payload: bytes) -> bytes:
        return self.segment(True, payload)

    def answer(self, payload: bytes) -> bytes:
        return self.segment(False, payload)


def over_tls(client: ssl.SSLContext, server: ssl.SSLContext, says: bytes, answers: bytes = b"") -> list[tuple[bool, bytes]]:
    """What crosses a connection in its order, each flight with whether the client sent it: a handshake, and what both say."""
    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(ways[0], ways[1], server_hostname="10.0.0.1")
    two = server.wrap_bio(ways[1], ways[0], server_side=True)
    crossed: list[tuple[bool, bytes]] = []

    def step(side: ssl.SSLObject, out: ssl.MemoryBIO, does: str, *values: bytes | int) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            getattr(side, does)(*values)
        if out.pending:
            flight = out.read()
            out.write(flight)
            crossed.append((side is one, flight))

    for _ in range(2):
        step(one, ways[1], "do_handshake")
        step(two, ways[0], "do_handshake")
    step(one, ways[1], "do_handshake")
    step(one, ways[1], "read", 1)  # takes what TLS 1.3 says after its handshake, so that nothing crosses twice
    step(one, ways[1], "write", says)
    step(two, ways[0], "read", 10_000)
    if answers:
        step(two, ways[0], "write", answers)
    return crossed


def in_segments(crossed: Sequence[tuple[bool, bytes]], *, piece: int = 1_400) -> list[bytes]:
    """The packets of a connection that carries each flight in segments of `piece` octets."""
    talking = Talk()
    cut = [(way, flight[at : at + piece]) for way, flight in crossed for at in range(0, len(flight), piece)]
    return [*talking.opening(), *(talking.segment(way, octets) for way, octets in cut)]


def framed(packet: bytes) -> bytes:
    """An Ethernet frame with the MAC of the side that an address ending in .1 or :1 tells."""
    source = packet[12:16] if packet[0] >> 4 == 4 else packet[8:24]
    return ethernet(packet, SERVER_MAC, CLIENT_MAC) if source[-1] == 1 else ethernet(packet)


def pcap(frames: Sequence[bytes], link: int = 1, order: str = "<", nano: bool = False) -> bytes:
    tick = 1 if nano else 1_000
    out = bytearray(pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link))
    for index, frame in enumerate(frames):
        seconds, rest = divmod(START + index * STEP, 10**9)
        out += pack(order + "IIII", seconds, rest // tick, len(frame), len(frame)) + frame
    return bytes(out)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return pack(order + "II", kind, 12 + len(body)) + body + pack(order + "I", 12 + len(body))


def pcapng(
    frames: Sequence[tuple[int, bytes]],
    links: Sequence[int] = (1,),
    order: str = "<",
    drops: Sequence[int] | None = None,
    secrets: Sequence[bytes] = (),
) -> bytes:
    """Frames with their interface, times in nanoseconds, statistics where drops are given; `secrets` of TLS before them."""
    out = block(order, 0x0A0D0D0A, pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    for text in secrets:
        out += block(order, 10, pack(order + "II", 0x544C534B, len(text)) + text)
    for index, link in enumerate(links):
        name = f"if{index}".encode()
        options = pack(order + "HH", 2, len(name)) + name + bytes(-len(name) % 4) + pack(order + "HHBxxx", 9, 1, 9)
        out += block(order, 1, pack(order + "HHI", link, 0, 0) + options + bytes(4))
    for index, (interface, frame) in enumerate(frames):
        ticks = START + index * STEP
        head = pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
        out += block(order, 6, head + frame)
    for index, dropped in enumerate(drops or ()):
        counts = pack(order + "HHQHHQ", 4, 8, 100, 5, 8, dropped) + bytes(4)
        out += block(order, 5, pack(order + "III", index, 0, 0) + counts)
    return out


def request(target: str = "/46xxsettings.txt", method: str = "GET", body: bytes = b"", extra: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: s\r\nUser-Agent: AVAYA/J179\r\n{length}{extra}\r\n".encode() + body


def reply(body: bytes = b"", status: str = "200 OK", extra: str | None = None) -> bytes:
    headers = f"Content-Length: {len(body)}\r\n" if extra is None else extra
    return f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{headers}\r\n".encode() + body


def transcribe(data: bytes) -> Transcript:
    return read_packets(CaptureFile(data), "made by hand")


def of(packets: Sequence[bytes]) -> Transcript:
    """The transcript of IP packets in that order, over Ethernet."""
    return transcribe(pcap([framed(packet) for packet in packets]))
