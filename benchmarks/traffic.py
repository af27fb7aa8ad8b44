"""A capture as an office with phones fills it, with SCEP here and there; the same octets for the same seed and conversations.

Of a thousand packets about 450 are RTP, 210 TCP bulk, 180 TLS, 100 phones that fetch firmware by HTTP, 60 DNS, ARP, syslog and
SNTP. Frames are whole, in pcapng with times in nanoseconds, as dumpcap writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, count, cycle, islice
from pathlib import Path
from random import Random
from struct import pack

ACK, PUSH, SYN, FIN = 0x10, 0x18, 0x02, 0x01
SEGMENT = 1460
START = 1_750_000_000 * 10**9
MEAN_GAP = 250_000  # nanoseconds between two packets
SHARES = {"rtp": 450, "bulk": 210, "firmware": 100, "tls": 180, "dns": 30, "arp": 15, "syslog": 10, "sntp": 5}
SCEP_SHARE = 50  # while an exchange is under way, of these thousand

Conversation = Sequence[tuple[bytes, bytes]]
"""HTTP requests with their answers, each to go on a connection of its own."""


def write_capture(file: Path, packets: int, conversations: Sequence[Conversation], seed: int = 1) -> None:
    """So many packets, the conversations begun at equal distances."""
    random = Random(seed)
    flows = {
        "rtp": _mingled([_rtp(random, call) for call in range(20)]),
        "bulk": _mingled([_tcp(random, 50 + side, 445 + side, _bulk(random)) for side in range(4)]),
        "firmware": _mingled([_tcp(random, 100 + phone, 80, _firmware(random)) for phone in range(3)]),
        "tls": _mingled([_tcp(random, 150 + client, 443, _tls(random)) for client in range(8)]),
        "dns": _dns(random),
        "arp": _arp(),
        "syslog": _syslog(),
        "sntp": _sntp(),
    }
    names = tuple(chain.from_iterable([name] * share for name, share in SHARES.items()))
    every = packets // max(1, len(conversations)) if conversations else packets + 1
    waiting = iter(conversations)
    scep: Iterator[bytes] = iter(())
    with file.open("wb") as out:
        out.write(_section())
        time = START
        for number in range(packets):
            if number % every == every // 10:
                scep = chain(scep, _scep(random, next(waiting, ()), number))
            frame = next(scep, None) if random.randrange(1000) < SCEP_SHARE else None
            out.write(_block(time, frame or next(flows[random.choice(names)])))
            time += random.randrange(2 * MEAN_GAP)


def _section() -> bytes:
    header = pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    options = pack("<HHBxxxHH", 9, 1, 9, 0, 0)  # if_tsresol: nanoseconds
    return header + pack("<IIHHI", 1, 20 + len(options), 1, 0, 262_144) + options + pack("<I", 20 + len(options))


def _block(time: int, frame: bytes) -> bytes:
    size = 32 + len(frame) + (-len(frame) & 3)
    head = pack("<IIIIIII", 6, size, 0, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
    return head + frame + bytes(-len(frame) & 3) + pack("<I", size)


def _mac(host: int) -> bytes:
    return pack(">HI", 0x0200, host)


def _ip(source: int, destination: int, protocol: int, payload: bytes) -> bytes:
    """An Ethernet frame from host to host of 10.0.0.0/16, by number."""
    head = pack(">HHHHBBH", 0x4500, 20 + len(payload), source & 0xFFFF, 0x4000, 64, protocol, 0)
    addresses = pack(">II", 0x0A000000 | source, 0x0A000000 | destination)
    total = sum(int.from_bytes((head + addresses)[at : at + 2], "big") for at in range(0, 20, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    frame = _mac(destination) + _mac(source) + b"\x08\x00" + head[:-2] + pack(">H", ~total & 0xFFFF) + addresses + payload
    return frame.ljust(60, b"\0")


def _udp(source: int, source_port: int, destination: int, port: int, payload: bytes) -> bytes:
    return _ip(source, destination, 17, pack(">HHHH", source_port, port, 8 + len(payload), 0) + payload)


def _mingled(flows: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
    return (next(flow) for flow in cycle(flows))


def _rtp(random: Random, call: int) -> Iterator[bytes]:
    """A call of G.711 in both directions, 20 ms a packet."""
    one, two, port, source = 1000 + 2 * call, 1001 + 2 * call, 20_000 + 4 * call, random.getrandbits(31)
    voice = [random.randbytes(160) for _ in range(8)]
    for number in count():
        head = pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, source)
        yield _udp(one, port, two, port + 2, head + voice[number % 8])
        yield _udp(two, port + 2, one, port, head + voice[-number % 8])


Turn = tuple[bool, bytes]
"""Who speaks (the client), and what."""


def _connection(random: Random, client: int, client_port: int, port: int, turns: Iterator[Turn]) -> Iterator[bytes]:
    """One connection, every other segment of the peer's acknowledged."""
    server = 10 + port % 7
    numbers = {True: random.getrandbits(32), False: random.getrandbits(32)}

    def segment(from_client: bool, flags: int, payload: bytes = b"") -> bytes:
        ends = ((client, client_port), (server, port))
        (source, source_port), (destination, destination_port) = ends if from_client else ends[::-1]
        header = pack(
            ">HHIIBBHHH",
            source_port,
            destination_port,
            numbers[from_client],
            0 if flags == SYN else numbers[not from_client],
            0x50,
            flags,
            64_000,
            0,
            0,
        )
        numbers[from_client] = (numbers[from_client] + len(payload) + (flags & (SYN | FIN) > 0)) & 0xFFFFFFFF
        return _ip(source, destination, 6, header + payload)

    yield segment(True, SYN)
    yield segment(False, SYN | ACK)
    yield segment(True, ACK)
    for from_client, data in turns:
        for index, at in enumerate(range(0, len(data), SEGMENT)):
            yield segment(from_client, PUSH, data[at : at + SEGMENT])
            if index % 2:
                yield segment(not from_client, ACK)
        yield segment(not from_client, ACK)
    yield segment(False, FIN | ACK)
    yield segment(True, FIN | ACK)
    yield segment(False, ACK)


def _tcp(random: Random, client: int, port: int, talks: Iterator[Iterator[Turn]]) -> Iterator[bytes]:
    """One connection after the other from one client to one server."""
    for number, turns in enumerate(talks):
        yield from _connection(random, client, 32_768 + number % 28_000, port, turns)


def _bulk(random: Random) -> Iterator[Iterator[Turn]]:
    while True:
        sender, block = random.random() < 0.5, random.randbytes(4 * SEGMENT)
        yield ((sender, block) for _ in range(random.randrange(20, 2000)))


def _firmware(random: Random) -> Iterator[Iterator[Turn]]:
    """A phone's start: a few small files, each on its connection, then an image."""
    for number in count():
        size = random.randrange(200_000, 5_000_000) if number % 4 == 3 else random.randrange(500, 20_000)
        name = "FW_S_J179_R4_1_1_0_9.bin" if number % 4 == 3 else "46xxsettings.txt"
        asked = f"GET /{name} HTTP/1.1\r\nHost: 10.0.0.13\r\nUser-Agent: AVAYA/J179-4.1.1.0.9 (MAC:c81fea83e85a)\r\n\r\n"
        told = f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        body = random.randbytes(min(size, 64 * SEGMENT))
        whole, rest = divmod(size, len(body))
        answer: Iterator[Turn] = ((False, part) for part in chain((told.encode(),), [body] * whole, (body[:rest],)))
        yield chain(((True, asked.encode()),), answer)


def _tls(random: Random) -> Iterator[Iterator[Turn]]:
    """Handshake records, then application data, as TLS 1.2 frames them (RFC 5246 section 6.2); their contents are noise."""
    for number in count():

        def record(kind: int, size: int) -> bytes:
            return pack(">BHH", kind, 0x0303, size) + random.randbytes(size)

        hello = pack(">B", 1) + (230).to_bytes(3, "big") + b"\x03\x03" + random.randbytes(32) + bytes(196)
        first = [(True, pack(">BHH", 22, 0x0301, len(hello)) + hello), (False, record(22, 3000)), (True, record(22, 120))]
        data = [(bool(random.getrandbits(1)), record(23, random.randrange(40, 12_000))) for _ in range(20 + number % 60)]
        yield iter(first + data)


def _dns(random: Random) -> Iterator[bytes]:
    for number in count():
        name = b"".join(bytes((len(part),)) + part for part in (b"host%d" % (number % 500), b"example", b"com")) + b"\0"
        client, port = 200 + number % 50, random.randrange(32_768, 60_000)
        question = name + pack(">HH", 1, 1)
        yield _udp(client, port, 53, 53, pack(">HHHHHH", number & 0xFFFF, 0x0100, 1, 0, 0, 0) + question)
        answer = pack(">HHHIHI", 0xC00C, 1, 1, 300, 4, 0x0A000000 | number % 500)
        yield _udp(53, 53, client, port, pack(">HHHHHH", number & 0xFFFF, 0x8180, 1, 1, 0, 0) + question + answer)


def _arp() -> Iterator[bytes]:
    for number in count():
        asker, asked = 200 + number % 50, 1 + number % 250
        body = pack(">HHBBH", 1, 0x0800, 6, 4, 1) + _mac(asker) + pack(">I6xI", 0x0A000000 | asker, 0x0A000000 | asked)
        yield (b"\xff" * 6 + _mac(asker) + b"\x08\x06" + body).ljust(60, b"\0")


def _syslog() -> Iterator[bytes]:
    for number in count():
        yield _udp(1000 + number % 40, 514, 14, 514, b"<134>J179: call %d ended" % number)


def _sntp() -> Iterator[bytes]:
    for number in count():
        client, seconds = 1000 + number % 40, 2_208_988_800 + START // 10**9 + number
        yield _udp(client, 123, 12, 123, b"\x1b".ljust(48, b"\0"))
        yield _udp(12, 123, client, 123, b"\x1c\x02\x06\xec".ljust(40, b"\0") + pack(">II", seconds & 0xFFFFFFFF, number))


def _scep(random: Random, conversation: Conversation, number: int) -> Iterator[bytes]:
    for index, (request, answer) in enumerate(conversation):
        turns = iter([(True, request), (False, answer)])
        port = 32_768 + (number + index) % 28_000
        yield from islice(_connection(random, 1000 + number % 40, port, 80, turns), None)
