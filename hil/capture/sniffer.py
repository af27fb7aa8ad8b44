"""A recorder on scapy's sockets for where dumpcap is not installed: `python -m hil.capture.sniffer`.

    python -m hil.capture.sniffer SECONDS INTERFACE FILTER [INTERFACE FILTER]... > capture.pcapng

A process of its own, as dumpcap is, so that no work of the bench keeps it from reading. It records until SIGINT
or SIGTERM, the end of its parent or SECONDS, then writes what each socket received and dropped. On loopback a
packet appears twice, once going out and once coming in.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from struct import Struct, pack
from typing import BinaryIO, Final

from scapy.arch.linux import L2ListenSocket
from scapy.config import conf

BUFFER: Final = 32 * 2**20
SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 263, 6, 33
ETHERNET: Final = 1
BATCH: Final = 1_000
_packet_head = Struct("<IIIIIII").pack


class Writer:
    """pcapng, little endian, microseconds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, name: str) -> None:
        encoded = name.encode()
        option = pack("<HH", 2, len(encoded)) + encoded + bytes(-len(encoded) % 4)
        self._block(1, pack("<HHI", ETHERNET, 0, 0) + option + bytes(4))

    def packet(self, index: int, seconds: float, data: bytes) -> None:
        ticks = int(seconds * 1_000_000)
        size = 32 + len(data) + (-len(data) % 4)
        head = _packet_head(6, size, index, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        self._file.write(head + data + bytes(-len(data) % 4) + pack("<I", size))

    def statistics(self, index: int, received: int, dropped: int) -> None:
        ticks = int(time.time() * 1_000_000)
        counts = pack("<HHQHHQ", 4, 8, received, 5, 8, dropped)
        self._block(5, pack("<III", index, ticks >> 32, ticks & 0xFFFFFFFF) + counts + bytes(4))

    def _block(self, kind: int, body: bytes) -> None:
        size = 12 + len(body)
        self._file.write(pack("<II", kind, size) + body + pack("<I", size))

    def flush(self) -> None:
        self._file.flush()


def listen(interface: str, capture_filter: str) -> L2ListenSocket:
    """A packet socket on an interface with the large buffer without which scapy loses packets silently."""
    listener = L2ListenSocket(iface=interface, filter=capture_filter or None)
    try:
        listener.ins.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    except PermissionError:  # a user namespace may not go past the system's limit; the drops are counted all the same
        listener.ins.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    listener.ins.setblocking(False)
    return listener


class Source:
    """One interface and its socket, which counts from where scapy threw away what came while it opened."""

    def __init__(self, index: int, interface: str, capture_filter: str, writer: Writer) -> None:
        self.listener = listen(interface, capture_filter)
        self._index, self._writer = index, writer
        self._counts()
        writer.interface(interface)

    def take(self) -> bool:
        """Writes what waits on the socket, at most a batch of it; whether there may be more."""
        for _ in range(BATCH):
            try:
                _, data, seconds = self.listener.recv_raw()
            except BlockingIOError:
                return False
            if data:
                self._writer.packet(self._index, seconds or time.time(), data)
        return True

    def end(self) -> None:
        """Writes how many the kernel received and dropped."""
        self._writer.statistics(self._index, *self._counts())
        self.listener.close()

    def _counts(self) -> tuple[int, int]:
        """Received and dropped since the last look: the kernel begins anew after each (packet(7), PACKET_STATISTICS)."""
        received, dropped = Struct("II").unpack(self.listener.ins.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        return received, dropped


def main(arguments: list[str]) -> None:
    """Records the named interfaces to standard output until told to stop."""
    longest, named = float(arguments[0]), list(zip(arguments[1::2], arguments[2::2], strict=True))
    conf.bufsize = BUFFER
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda caught, _: stopping.append(caught))
    parent, deadline = os.getppid(), time.monotonic() + longest
    writer = Writer(sys.stdout.buffer)
    selector = selectors.DefaultSelector()
    sources = [Source(index, interface, text, writer) for index, (interface, text) in enumerate(named)]
    for source in sources:
        selector.register(source.listener.ins, selectors.EVENT_READ, source)
    writer.flush()
    while not stopping and os.getppid() == parent and time.monotonic() < deadline:
        for key, _ in selector.select(0.1):
            key.data.take()
        writer.flush()
    for source in sources:
        while source.take() and time.monotonic() < deadline:
            pass
        source.end()
    writer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
