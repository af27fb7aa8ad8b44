"""What the bench's servers were asked and a capture does not show."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from hil.judge.unrecorded import unrecorded

PHONE = "192.0.2.101:50312"


def event(name: str, client: str = PHONE, operation: str = "GetCACert") -> dict[str, Any]:
    return {"name": name, "device": "j179-1", "details": {"client": client, "operation": operation}}


def lacks(
    events: list[dict[str, Any]], exchanges: Sequence[str], fetches: Sequence[str] = (), times: Sequence[str] = ()
) -> list[str]:
    shown: Any = SimpleNamespace(
        exchanges=[SimpleNamespace(client=client) for client in exchanges],
        fetches=[SimpleNamespace(client=client) for client in fetches],
        time_replies=[SimpleNamespace(client=client) for client in times],
    )
    return [*unrecorded(events, shown)]


def test_a_request_that_the_capture_lacks_is_told_with_its_line() -> None:
    events = [event("power on"), event("scep request"), event("scep answer"), event("scep request", operation="PKIOperation")]
    assert lacks(events, [PHONE, PHONE]) == []
    assert lacks(events, [PHONE]) == [
        f"by line 4 of the event log j179-1 was seen to send PKIOperation from {PHONE}, and the capture does not show it"
    ]
    assert len(lacks(events, [])) == 1, "once for each connection"
    assert lacks(events, [], [PHONE, PHONE]) == [], "what is no SCEP to the reader was captured all the same"


def test_each_connection_counts_by_itself() -> None:
    events = [event("power on"), event("scep request"), event("scep request", "192.0.2.101:50313")]
    (said,) = lacks(events, [PHONE, PHONE])
    assert "192.0.2.101:50313" in said


def test_what_came_before_the_power_is_no_part_of_the_boot() -> None:
    assert lacks([event("scep request"), event("power on")], []) == []
    assert lacks([event("scep request")], []) == []


def test_a_file_that_was_asked_for_is_told_but_for_one_over_tls() -> None:
    asked = {"name": "file served", "device": "j179-1", "details": {"client": PHONE, "path": "/46xxsettings.txt"}}
    missing = {**asked, "name": "file missing"}
    sealed = {**asked, "details": {**asked["details"], "service": "HTTPS"}}
    assert lacks([event("power on"), asked, missing, sealed], [], [PHONE, PHONE]) == []
    assert lacks([event("power on"), asked, missing], [], [PHONE]) == [
        f"by line 3 of the event log j179-1 was seen to ask for /46xxsettings.txt from {PHONE}, and the capture does not show it"
    ]


def test_a_time_that_was_told_is_missed_by_address() -> None:
    told = {"name": "time served", "device": "j179-1", "details": {"client": "192.0.2.101:123", "port": 123}}
    again = {**told, "details": {"client": "192.0.2.101:4711", "port": 123}}
    stranger = {**told, "device": None, "details": {"client": "192.0.2.9:123", "port": 123}}
    elsewhere = {**told, "details": {"client": "192.0.2.101:123", "port": 1123}}
    assert lacks([event("power on"), told, again, stranger, elsewhere], [], times=["192.0.2.101"] * 2) == []
    assert lacks([event("power on"), told, again], [], times=["192.0.2.101"]) == [
        "by line 3 of the event log j179-1 was told the time at 192.0.2.101, and the capture does not show it"
    ]
