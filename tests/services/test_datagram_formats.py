from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import pytest

from hil.services.sntp import ntp_timestamp, sntp_answer
from hil.services.syslog import LONGEST_TEXT, read_syslog

NOW = datetime(2026, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def client_packet(version: int = 4, transmit: int = 0x1122334455667788) -> bytes:
    return bytes([version << 3 | 3]) + bytes(2) + b"\x00" + bytes(36) + struct.pack("!Q", transmit)


def test_an_sntp_answer_has_the_fields_of_rfc_4330() -> None:
    answer = sntp_answer(client_packet(version=3), NOW, NOW + timedelta(seconds=1))
    assert answer is not None
    assert len(answer) == 48
    assert answer[0] == 3 << 3 | 4, "no leap warning, the client's version, mode server"
    assert answer[1] == 1
    originate, receive, transmit = struct.unpack("!QQQ", answer[24:])
    assert originate == 0x1122334455667788
    assert transmit - receive == 1 << 32
    assert transmit >> 32 == int(NOW.timestamp()) + 1 + 2_208_988_800
    assert receive & 0xFFFFFFFF == 1 << 31


def test_ntp_timestamps_go_on_in_the_era_after_2036() -> None:
    assert ntp_timestamp(datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC)) == 0


@pytest.mark.parametrize("packet", [b"", client_packet()[:47], bytes([0x24]) + bytes(47)], ids=["empty", "short", "a server's"])
def test_what_is_no_client_packet_gets_no_answer(packet: bytes) -> None:
    assert sntp_answer(packet, NOW, NOW) is None


@pytest.mark.parametrize(
    ("datagram", "expected"),
    [
        (b"<165>Jun  1 12:00:00 CERTMGMT: stored\n", (165, "Jun  1 12:00:00 CERTMGMT: stored")),
        (b"no priority", (None, "no priority")),
        (b"<13>two\r\nlines \xff", (13, "two  lines \ufffd")),
        (b"", (None, "")),
    ],
)
def test_syslog_becomes_one_line_of_text(datagram: bytes, expected: tuple[int | None, str]) -> None:
    assert read_syslog(datagram) == expected


def test_a_syslog_text_is_cut_at_its_bound() -> None:
    assert read_syslog(b"<1>" + b"x" * 60_000) == (1, "x" * LONGEST_TEXT)
