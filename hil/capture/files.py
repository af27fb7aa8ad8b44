"""pcap and pcapng files as packets with frame numbers, read in place.

Frame numbers count packets in file order from 1, as Wireshark does. Damage never raises: it ends
the reading and becomes one of `problems`. Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; for the kind
of its Decryption Secrets Block that holds a key log of TLS its section 4.7.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import Struct
from tempfile import TemporaryFile
from typing import NamedTuple

from hil.capture.keylog import MAX_KEY_LOG, secrets_in
from hil.errors import Misuse

MAX_PACKET = 262_144  # the longest snapshot that Wireshark takes
MAX_INTERFACES = 4_096
MAX_MAPPED = 32 * 2**20  # bytes already read that stay in memory
MAX_INSTANT = 253_402_300_799 * 10**9  # the end of year 9999, in nanoseconds

PCAP_MAGIC = {  # first four bytes: (byte order, nanoseconds in one tick)
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
GZIP_MAGIC, GZIP_WINDOW = b"\x1f\x8b", 31
MAX_INFLATED = 512 * 2**20
INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, PACKET, JOURNAL, SECRETS, SECTION = 1, 2, 3, 5, 6, 9, 10, 0x0A0D0D0A
TLS_KEY_LOG = int.from_bytes(b"TLSK")
END_OF_OPTIONS, IF_NAME, IF_TSRESOL, IF_TSOFFSET, ISB_IFRECV, ISB_IFDROP, ISB_OSDROP = 0, 2, 9, 14, 4, 5, 7


class Packet(NamedTuple):
    """A captured frame: Wireshark's number, nanoseconds since 1970, LINKTYPE_ value, bytes kept, bytes on the wire."""

    number: int
    time: int
    link: int
    data: bytes
    length: int


@dataclass
class Interface:
    """What a pcapng file says of one interface; packets and drops are None without a statistics block."""

    name: str
    link: int
    snapshot: int
    multiply: int = 1_000
    divide: int = 1
    offset: int = 0
    received: int | None = None
    dropped: int | None = None

    def instant(self, ticks: int) -> int:
        time = ticks * self.multiply // self.divide + self.offset
        return time if 0 <= time <= MAX_INSTANT else min(max(time, 0), MAX_INSTANT)


def instant(nanoseconds: int) -> datetime:
    """A packet's time as an aware datetime in UTC, to the microsecond."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC) + timedelta(microseconds=nanoseconds % 10**9 // 1_000)


def is_capture(start: bytes) -> bool:
    """Whether a file that begins so is pcap or pcapng, or may be one that gzip compressed."""
    return start[:4] in PCAP_MAGIC or start[:4] == PCAPNG_MAGIC or start[:2] == GZIP_MAGIC


class CaptureFile:
    """Packets of a capture held in `data`; what it holds beside them is known as far as `packets` was read.

    `secrets` are those of TLS connections whose packets follow.
    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._released = 0
        self._room_for_secrets = MAX_KEY_LOG
        self.secrets: dict[bytes, Mapping[str, bytes]] = {}
        self.interfaces: list[Interface] = []
        self.problems: list[str] = []

    def packets(self) -> Iterator[Packet]:
        """The packets in file order, up to the end or to the first damage."""
        start = bytes(self._data[:4])
        if start in PCAP_MAGIC:
            return self._pcap(*PCAP_MAGIC[start])
        if start == PCAPNG_MAGIC:
            return self._pcapng()
        self.problems.append("neither pcap nor pcapng" if self._data else "the capture file is empty")
        return iter(())

    def _pcap(self, order: str, tick: int) -> Iterator[Packet]:
        data, size = self._data, len(self._data)
        if size < 24:
            self.problems.append("the file ends within its header")
            return
        snapshot, network = Struct(order + "II").unpack_from(data, 16)
        link = network & 0xFFFF
        self.interfaces.append(Interface("", link, snapshot))
        header = Struct(order + "IIII").unpack_from
        offset, number = 24, 0
        while offset + 16 <= size:
            seconds, fraction, kept, length = header(data, offset)
            offset += 16
            if kept > MAX_PACKET or kept > size - offset:
                self._note_misfit(kept, number)
                return
            number += 1
            yield Packet(number, seconds * 10**9 + fraction * tick, link, data[offset : offset + kept], length)
            offset += kept
            if offset - self._released > MAX_MAPPED:
                self._release(offset)
        if offset != size:
            self.problems.append(f"the file ends within the header of frame {number + 1}")

    def _note_misfit(self, kept: int, number: int) -> None:
        if kept > MAX_PACKET:
            self.problems.append(f"frame {number + 1} claims {kept} bytes; reading stopped there")
        else:
            self.problems.append(f"the file ends within frame {number + 1}")

    def _pcapng(self) -> Iterator[Packet]:
        data, size = self._data, len(self._data)
        order, offset, number, section, current = "<", 0, 0, 0, 0
        interface: Interface | None = None
        head, packet = Struct("<II").unpack_from, Struct("<IIIII").unpack_from
        while offset + 12 <= size:
            kind, length = head(data, offset)
            if kind == SECTION:  # the same in both orders
                order = ">" if data[offset + 8 : offset + 12] == b"\x1a\x2b\x3c\x4d" else "<"
                section, interface = len(self.interfaces), None
                head, packet = Struct(order + "II").unpack_from, Struct(order + "IIIII").unpack_from
                kind, length = head(data, offset)
            if length < 12 or length % 4 or offset + length > size:
                self.problems.append(f"the file is cut or damaged at byte {offset}, after frame {number}")
                return
            end = offset + length - 4
            if kind == PACKET and length >= 32:
                index, high, low, kept, wire = packet(data, offset + 8)
                if index != current or interface is None:
                    current, interface = index, self._interface(section + index, number)
                if interface is None:
                    return
                if kept > MAX_PACKET or kept > end - offset - 28:
                    self._note_misfit(kept, number)
                    return
                number += 1
                time = interface.instant(high << 32 | low)
                yield Packet(number, time, interface.link, data[offset + 28 : offset + 28 + kept], wire)
            elif kind in (SIMPLE_PACKET, OLD_PACKET):
                found = self._rare_packet(kind, order, offset, end, section, number)
                if found is None:
                    return
                number += 1
                yield found
            elif kind == JOURNAL:
                number += 1  # Wireshark counts a systemd journal entry as a frame
            elif kind == INTERFACE and not self._add_interface(order, offset, end):
                return
            elif kind == STATISTICS:
                self._statistics(order, offset, end, section)
            elif kind == SECRETS:
                self._add_secrets(order, offset, end)
            offset += length
            if offset - self._released > MAX_MAPPED:
                self._release(offset)
        if offset != size:
            self.problems.append(f"the file is cut at byte {offset}, after frame {number}")

    def _release(self, offset: int) -> None:
        """Give back the memory of a mapped file's pages before `offset`, which else stay until the capture is closed."""
        if isinstance(self._data, mmap.mmap):
            end = offset - offset % mmap.PAGESIZE
            self._data.madvise(mmap.MADV_DONTNEED, self._released, end - self._released)
            self._released = end

    def _interface(self, index: int, number: int) -> Interface | None:
        if index < len(self.interfaces):
            return self.interfaces[index]
        self.problems.append(f"frame {number + 1} names an interface that the file does not describe; reading stopped there")
        return None

    def _rare_packet(self, kind: int, order: str, offset: int, end: int, section: int, number: int) -> Packet | None:
        """A packet block without time, or of the obsolete kind; none where it is damaged."""
        index, high, low, body = 0, 0, 0, offset + (12 if kind == SIMPLE_PACKET else 28)
        if body > end:
            self.problems.append(f"the block of frame {number + 1} is too short")
            return None
        if kind == SIMPLE_PACKET:
            (wire,) = Struct(order + "I").unpack_from(self._data, offset + 8)
            kept = min(wire, end - body)
        else:
            index, _, high, low, kept, wire = Struct(order + "HHIIII").unpack_from(self._data, offset + 8)
        interface = self._interface(section + index, number)
        if interface is None:
            return None
        if kept > MAX_PACKET or kept > end - body:
            self._note_misfit(kept, number)
            return None
        if kind == SIMPLE_PACKET and interface.snapshot:
            kept = min(kept, interface.snapshot)
        return Packet(number + 1, interface.instant(high << 32 | low), interface.link, self._data[body : body + kept], wire)

    def _options(self, order: str, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
        header = Struct(order + "HH").unpack_from
        while offset + 4 <= end:
            code, length = header(self._data, offset)
            if code == END_OF_OPTIONS or offset + 4 + length > end:
                return
            yield code, self._data[offset + 4 : offset + 4 + length]
            offset += 4 + (length + 3 & ~3)

    def _add_interface(self, order: str, offset: int, end: int) -> bool:
        if offset + 16 > end or len(self.interfaces) >= MAX_INTERFACES:
            self.problems.append("an interface description is too short, or there are too many; reading stopped there")
            return False
        link, _, snapshot = Struct(order + "HHI").unpack_from(self._data, offset + 8)
        interface = Interface("", link, snapshot)
        for code, value in self._options(order, offset + 16, end):
            if code == IF_NAME:
                interface.name = value.decode("utf-8", "replace")
            elif code == IF_TSRESOL and value:
                exponent = value[0] & 0x7F
                interface.multiply, interface.divide = 10**9, 1 << exponent if value[0] & 0x80 else 10**exponent
            elif code == IF_TSOFFSET and len(value) == 8:
                interface.offset = Struct(order + "q").unpack(value)[0] * 10**9
        self.interfaces.append(interface)
        return True

    def _add_secrets(self, order: str, offset: int, end: int) -> None:
        if offset + 16 > end:
            return
        kind, size = Struct(order + "II").unpack_from(self._data, offset + 8)
        self._room_for_secrets -= size
        if kind == TLS_KEY_LOG and size <= end - offset - 16 and self._room_for_secrets >= 0:
            for random, secrets in secrets_in(self._data[offset + 16 : offset + 16 + size]).items():
                self.secrets[random] = {**self.secrets.get(random, {}), **secrets}

    def _statistics(self, order: str, offset: int, end: int, section: int) -> None:
        if offset + 20 > end:
            return
        (index,) = Struct(order + "I").unpack_from(self._data, offset + 8)
        if section + index >= len(self.interfaces):
            return
        interface = self.interfaces[section + index]
        for code, value in self._options(order, offset + 20, end):
            if len(value) == 8 and code in (ISB_IFRECV, ISB_IFDROP, ISB_OSDROP):
                (count,) = Struct(order + "Q").unpack(value)
                if code == ISB_IFRECV:
                    interface.received = count
                else:
                    interface.dropped = (interface.dropped or 0) + count


def open_capture(path: Path) -> CaptureFile:
    """The capture in a file, mapped rather than loaded unless gzip compressed it; Misuse if the file cannot be read."""
    try:
        with path.open("rb") as file:
            if file.read(2) == GZIP_MAGIC:
                return _inflated(path)
            empty = not file.seek(0, 2)
            return CaptureFile(b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise Misuse(f"cannot be read: {error}", file=path, remedy="name a pcap or pcapng file") from error


def _inflated(path: Path) -> CaptureFile:
    """What gzip compressed, on disk rather than in memory: it may be a thousand times as large."""
    size, problem = 0, None
    inflater = zlib.decompressobj(GZIP_WINDOW)
    with path.open("rb") as file, TemporaryFile() as plain:
        try:
            while size < MAX_INFLATED and (piece := inflater.unconsumed_tail or file.read(2**16)):
                size += plain.write(inflater.decompress(piece, min(2**20, MAX_INFLATED - size)))
        except zlib.error:
            problem = f"the file is damaged where gzip compressed it, after {size} bytes"
        if problem is None and not inflater.eof:
            problem = f"the file is cut, or larger than what is read: {size} bytes of what gzip compressed"
        plain.seek(0)
        if not is_capture(plain.read(4)):
            raise Misuse(problem or "gzip did not compress a capture there", file=path, remedy="name a pcap or pcapng file")
        capture = CaptureFile(mmap.mmap(plain.fileno(), 0, access=mmap.ACCESS_READ))
    capture.problems += [problem] if problem else []
    return capture
