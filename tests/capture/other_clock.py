"""dumpcap on a machine with another clock: `other_clock.py AHEAD SET DUMPCAP'S WORDS...`.

AHEAD are the seconds by which the clock is ahead, SET those by which it is set forward once two markers have passed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from struct import pack, unpack

PACKET, STATISTICS = 6, 5
STAMPED = {PACKET: 12, STATISTICS: 12}
TICKS = 1_000_000  # in a second, unless the interface says otherwise
MARKER = b"recorder marker "


def main() -> None:
    ahead, step = float(sys.argv[1]), float(sys.argv[2])
    dumpcap = subprocess.Popen(["dumpcap", *sys.argv[3:]], stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: dumpcap.terminate())
    assert dumpcap.stdout is not None
    ticks, markers = TICKS, 0
    while head := dumpcap.stdout.read(8):
        kind, size = unpack("<II", head)
        block = head + dumpcap.stdout.read(size - 8)
        if kind == 1 and b"\x09\x00\x01\x00\x09" in block:  # if_tsresol: nanoseconds
            ticks = 10**9
        if kind == PACKET and MARKER in block:
            markers += 1
            ahead += step if markers == 2 else 0
        if kind in STAMPED:
            high, low = unpack("<II", block[12:20])
            time = (high << 32 | low) + int(ahead * ticks)
            block = block[:12] + pack("<II", time >> 32, time & 0xFFFFFFFF) + block[20:]
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    sys.exit(dumpcap.wait())


main()
