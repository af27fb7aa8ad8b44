"""Packets out of pcap and pcapng, whole, odd and damaged."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from hil.capture import files
from hil.capture.files import CaptureFile, instant, is_capture, open_capture
from hil.errors import Misuse

FRAMES = [b"first frame", b"the second"]
FIRST = datetime.fromtimestamp(1_700_000_000, UTC)


def read(data: bytes) -> tuple[list[tuple[int, datetime, bytes]], CaptureFile]:
    capture = CaptureFile(data)
    return [(packet.number, instant(packet.time), packet.data) for packet in capture.packets()], capture


EXPECTED = [(1, FIRST, FRAMES[0]), (2, FIRST + timedelta(milliseconds=1), FRAMES[1])]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_in_both_orders_and_resolutions(workshop: Any, order: str, nano: bool) -> None:
    packets, capture = read(workshop.pcap(FRAMES, order=order, nano=nano))
    assert packets == EXPECTED
    assert capture.problems == []


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_interfaces_resolution_and_drops(workshop: Any, order: str) -> None:
    data = workshop.pcapng([(1, FRAMES[0]), (0, FRAMES[1])], links=(113, 1), order=order, drops=(0, 7))
    capture = CaptureFile(data)
    packets = list(capture.packets())
    assert [(packet.number, instant(packet.time), packet.data) for packet in packets] == EXPECTED
    assert [packet.link for packet in packets] == [1, 113]
    assert [(one.name, one.received, one.dropped) for one in capture.interfaces] == [("if0", 100, 0), ("if1", 100, 7)]
    assert capture.problems == []


def test_binary_time_resolution_and_offset(workshop: Any) -> None:
    block = workshop.block
    options = pack("<HHBxxx", 9, 1, 0x80 | 10) + pack("<HHq", 14, 8, 3_600) + bytes(4)
    ticks = 5 * 1024 + 512
    data = block("<", 0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block("<", 1, pack("<HHI", 1, 0, 0) + options)
    data += block("<", 6, pack("<IIIII", 0, 0, ticks, 2, 2) + b"ab")
    packets, _ = read(data)
    assert packets == [(1, datetime(1970, 1, 1, 1, 0, 5, 500_000, tzinfo=UTC), b"ab")]


def test_rare_blocks_count_as_frames_and_sections_start_anew(workshop: Any) -> None:
    block = workshop.block
    section = block("<", 0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block("<", 1, pack("<HHI", 1, 0, 0))
    simple = block("<", 3, pack("<I", 3) + b"abc")
    old = block("<", 2, pack("<HHIIII", 0, 0, 0, 1_000_000, 2, 2) + b"de")
    unknown = block("<", 0x0BAD, b"what is this")
    other = workshop.pcapng([(0, b"fgh")], order=">")
    packets, capture = read(section + simple + unknown + old + other)
    assert [(number, data) for number, _, data in packets] == [(1, b"abc"), (2, b"de"), (3, b"fgh")]
    assert packets[1][1] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert capture.problems == []


@pytest.mark.parametrize("make", ["pcap", "pcapng"])
def test_every_truncation_keeps_the_whole_packets_and_says_so(workshop: Any, make: str) -> None:
    data = workshop.pcap(FRAMES) if make == "pcap" else workshop.pcapng([(0, frame) for frame in FRAMES])
    ends = {
        len(workshop.pcap(FRAMES[:n])) if make == "pcap" else len(workshop.pcapng([(0, f) for f in FRAMES[:n]])) for n in range(3)
    }
    for size in range(len(data)):
        packets, capture = read(data[:size])
        assert packets == EXPECTED[: len(packets)]
        assert capture.problems or size in ends or (make == "pcapng" and size == 28), size


def test_a_length_that_lies_ends_the_reading(workshop: Any) -> None:
    data = bytearray(workshop.pcap(FRAMES))
    data[24 + 8 : 24 + 12] = b"\xff\xff\xff\x7f"
    packets, capture = read(bytes(data))
    assert packets == []
    assert capture.problems == ["frame 1 claims 2147483647 bytes; reading stopped there"]


def test_no_capture_at_all(tmp_path: Path) -> None:
    assert not is_capture(b"\x30\x82\x00\x00")
    assert read(b"")[1].problems == ["the capture file is empty"]
    assert read(b"SET MYCERTURL")[1].problems == ["neither pcap nor pcapng"]
    with pytest.raises(Misuse, match=r"absent\.pcap"):
        open_capture(tmp_path / "absent.pcap")
    with pytest.raises(Misuse, match="cannot be read"):
        open_capture(tmp_path)


def test_a_capture_that_gzip_compressed(workshop: Any, tmp_path: Path) -> None:
    whole = gzip.compress(workshop.pcap(FRAMES))
    file = tmp_path / "c.pcap.gz"
    file.write_bytes(whole)
    assert is_capture(whole[:4])
    capture = open_capture(file)
    assert [packet.data for packet in capture.packets()] == FRAMES
    assert capture.problems == []
    file.write_bytes(whole[:-9])
    cut = open_capture(file)
    assert [packet.data for packet in cut.packets()][:1] == FRAMES[:1]
    assert cut.problems[0].startswith("the file is cut")
    file.write_bytes(whole[:60] + bytes(8) + whole[68:])
    with pytest.raises(Misuse, match="damaged where gzip compressed it"):
        open_capture(file)
    file.write_bytes(gzip.compress(b"SET MYCERTURL http://ca"))
    with pytest.raises(Misuse, match="gzip did not compress a capture there"):
        open_capture(file)


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_what_was_read_of_a_long_capture_leaves_memory(
    workshop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(files, "MAX_MAPPED", 2**20)
    frames = [bytes(2**16)] * 256
    file = tmp_path / f"long.{kind}"
    file.write_bytes(workshop.pcap(frames) if kind == "pcap" else workshop.pcapng([(0, frame) for frame in frames]))
    packets = [(packet.data, resident(file)) for packet in open_capture(file).packets()]
    assert [data for data, _ in packets] == frames
    assert 0 < max(held for _, held in packets) < file.stat().st_size / 2


def resident(file: Path) -> int:
    """Bytes of a mapped file that are in this process's memory (proc(5), smaps)."""
    maps = Path("/proc/self/smaps").read_text().partition(f"{file}\n")[2]
    return 1024 * int(maps.partition("\nRss:")[2].split()[0])
