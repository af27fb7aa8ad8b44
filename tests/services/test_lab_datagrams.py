from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hil.clock import ManualClock, ScaledClock
from hil.evidence import EventName
from hil.scep.ca import Authority
from hil.services.lab import Lab


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.3", 0))
        sock.settimeout(10)
        yield sock


def test_the_time_told_is_the_phones_time(authority: Authority, tmp_path: Path, client: socket.socket) -> None:
    clock = ManualClock(datetime(2031, 3, 1, tzinfo=UTC))
    with Lab(clock=clock, authority=authority, state=tmp_path, sntp_port=0) as lab:
        lab.place("j179-1", "127.0.0.3")
        port = lab.sntp_port
        client.sendto(b"\x23" + bytes(47), ("127.0.0.1", port))
        answer = client.recv(1024)
    transmit = struct.unpack("!I", answer[40:44])[0]
    assert datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=transmit) == clock.now()
    [event] = [event for event in lab.events.since() if event.name is EventName.TIME_SERVED]
    assert (event.device, event.details["told"]) == ("j179-1", "2031-03-01T00:00:00+00:00")
    assert event.details["port"] == port


def test_a_device_may_be_told_another_time_or_none(authority: Authority, tmp_path: Path, client: socket.socket) -> None:
    clock = ManualClock(datetime(2031, 3, 1, tzinfo=UTC))
    with Lab(clock=clock, authority=authority, state=tmp_path, sntp_port=0) as lab:
        lab.place("j179-1", "127.0.0.3")
        lab.time_told.shift("j179-1", None)
        client.sendto(b"\x23" + bytes(47), ("127.0.0.1", lab.sntp_port))
        [withheld] = lab.events.subscribe(0, ScaledClock()).wait(60)
        lab.time_told.shift("j179-1", 86_400.0)
        client.sendto(b"\x23" + bytes(47), ("127.0.0.1", lab.sntp_port))
        transmit = struct.unpack("!I", client.recv(1024)[40:44])[0]
    assert (withheld.name, withheld.device) == (EventName.TIME_WITHHELD, "j179-1")
    assert datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=transmit) == datetime(2031, 3, 2, tzinfo=UTC)
    assert lab.time_told.ahead_of("j179-2") == timedelta()


def test_what_is_no_sntp_is_a_stray(lab: Lab, client: socket.socket) -> None:
    client.sendto(b"time please", ("127.0.0.1", lab.sntp_port))
    event = lab.events.wait_for(lambda event: event.name is EventName.STRAY, span=300)
    assert event is not None
    assert event.details["size"] == 11


def test_syslog_is_an_event_of_the_phone_at_its_address(lab: Lab, client: socket.socket) -> None:
    lab.place("j179-1", "127.0.0.3")
    client.sendto(b"<165>Jan  1 00:00:00 CERTMGMT: certificate stored", ("127.0.0.1", lab.syslog_port))
    event = lab.events.wait_for(lambda event: event.name is EventName.SYSLOG, span=300)
    assert event is not None
    assert event.device == "j179-1"
    assert event.details["priority"] == 165
    assert event.details["text"] == "Jan  1 00:00:00 CERTMGMT: certificate stored"
