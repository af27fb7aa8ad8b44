from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from hil.clock import ManualClock, ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import Event, EventStream


def is_lease(event: Event) -> bool:
    return event.name is EventName.LEASE


def test_an_event_that_was_published_before_is_found_at_once() -> None:
    events = EventStream(ManualClock())
    events.publish(EventName.LEASE, device="j179-1", ip="10.0.0.2")
    found = events.wait_for(is_lease, span=0)
    assert found is not None
    assert (found.device, found.details) == ("j179-1", {"ip": "10.0.0.2"})


def test_events_before_the_cursor_do_not_count() -> None:
    events = EventStream(ManualClock())
    events.publish(EventName.LEASE)
    assert events.wait_for(is_lease, span=10, since=events.cursor) is None


def test_waiting_ends_when_its_phone_time_is_over() -> None:
    clock = ManualClock()
    begin = clock.now()
    assert EventStream(clock).wait_for(is_lease, span=300) is None
    assert clock.now() - begin == timedelta(seconds=300)


def test_an_event_from_another_thread_wakes_the_waiter() -> None:
    events = EventStream(ScaledClock())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(events.wait_for, is_lease, span=60)
        events.publish(EventName.SYSLOG, text="no lease")
        published = events.publish(EventName.LEASE)
        assert waiting.result(timeout=30) is published


def test_a_set_cancel_ends_the_wait_before_its_span() -> None:
    events = EventStream(ScaledClock())
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(events.wait_for, is_lease, span=3600, cancel=cancel)
        cancel.set()
        assert waiting.result(timeout=30) is None


def test_each_subscriber_gets_every_event_once_and_in_order() -> None:
    events = EventStream(ManualClock())
    first, late = events.subscribe(), None
    for number in range(5):
        events.publish(EventName.SYSLOG, number=number)
        if number == 2:
            assert [event.details["number"] for event in first.drain()] == [0, 1, 2]
            late = events.subscribe(events.cursor)
    assert late is not None
    assert [event.details["number"] for event in first.drain()] == [3, 4]
    assert [event.details["number"] for event in late.wait(span=0)] == [3, 4]
    assert first.drain() == ()


def test_threads_that_publish_at_once_lose_nothing() -> None:
    events = EventStream(ScaledClock())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: events.publish(EventName.SYSLOG, number=number), range(400)))
    assert sorted(int(str(event.details["number"])) for event in events.since()) == list(range(400))


def test_a_log_holds_the_events_of_its_predicate_as_json_lines(tmp_path: Path) -> None:
    clock = ManualClock()
    events = EventStream(clock)
    events.publish(EventName.LEASE, device="before")
    log = tmp_path / "events.jsonl"
    with events.log_to(log, is_lease):
        events.publish(EventName.SYSLOG, text="other")
        events.publish(EventName.LEASE, device="j179-1", slot=2, ip="10.0.0.2", name="j179-1")
        assert len(log.read_text().splitlines()) == 1, "a line is on disk as soon as its event happened"
    events.publish(EventName.LEASE, device="after")
    [line] = [json.loads(text) for text in log.read_text().splitlines()]
    assert line["at"] == "2026-01-01T00:00:00.000000Z"
    assert (line["name"], line["device"], line["slot"]) == ("dhcp lease", "j179-1", 2)
    assert line["details"] == {"ip": "10.0.0.2", "name": "j179-1"}


def test_a_log_can_begin_in_the_past(tmp_path: Path) -> None:
    events = EventStream(ManualClock())
    events.publish(EventName.LEASE)
    cursor = events.cursor
    events.publish(EventName.POWER_ON)
    with events.log_to(tmp_path / "events.jsonl", since=cursor):
        events.publish(EventName.SYSLOG)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["power on", "syslog"]


def test_a_log_that_could_not_be_written_is_a_fault_of_its_owner_not_of_the_publisher() -> None:
    events = EventStream(ManualClock())
    with pytest.raises(LabFault, match="not whole"), events.log_to(Path("/dev/full")):
        events.publish(EventName.SYSLOG, text="nothing fits here")
