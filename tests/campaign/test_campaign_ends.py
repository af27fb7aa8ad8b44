"""A boot ends when all that it was played for is answered, after a silence where something may be absent, or at its limit."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from stage_props import OWN_FILE, Props

from hil.campaign.ends import Ended, Patience, answered, await_end, awaited_slots, deleted_slots
from hil.campaign.plan import PlannedBoot
from hil.evidence import EventName
from hil.scenario import HttpError, Issue, Pend, Reject, Scenario


class Wait:
    """A boot in whose course things happen, and how it ended."""

    def __init__(self, folder: Path) -> None:
        self.props = Props(folder, rate=1.0)
        self.clock, self.events = self.props.clock, self.props.events
        self.cancel = threading.Event()
        self._began = self.clock.now()

    def settings(self, at: float) -> None:
        self.clock.after(at, self.props.served)

    def answer(self, at: float, slot: int = 1, status: str = "SUCCESS", **details: Any) -> None:
        self.clock.after(at, lambda: self.props.answered(slot, status, **details))

    def end(self, *slots: int, others: bool = False, limit: float = 100.0, quiet: float = 5.0) -> tuple[Ended, float]:
        ended = await_end(
            self.events,
            "j179-1",
            frozenset(slots),
            own_file=OWN_FILE,
            others=others,
            patience=Patience(limit, quiet),
            clock=self.clock,
            since=0,
            cancel=self.cancel,
        )
        return ended, round((self.clock.now() - self._began) / timedelta(seconds=1), 1)


@pytest.fixture
def boot(tmp_path: Path) -> Wait:
    return Wait(tmp_path)


def test_it_ends_with_the_last_answer(boot: Wait) -> None:
    boot.settings(10)
    boot.answer(20, 2)
    boot.answer(26, 1)
    assert boot.end(1, 2) == (Ended(True, 16.0), 26.0)


def test_an_answer_of_another_slot_or_device_is_none(boot: Wait) -> None:
    boot.settings(1)
    boot.answer(2, 2)
    boot.answer(3, 1, device="j179-2")
    boot.answer(4, 1, device="j179-1.reference")
    assert boot.end(1, limit=20) == (Ended(False, 1.0), 22.0)


def test_an_answer_before_the_settings_waits_for_them(boot: Wait) -> None:
    boot.answer(2)
    boot.settings(9)
    assert boot.end(1) == (Ended(True, 0.0), 9.0)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE"])
def test_a_grant_and_a_refusal_are_answers(boot: Wait, status: str) -> None:
    boot.settings(1)
    boot.answer(4, status=status)
    assert boot.end(1) == (Ended(True, 3.0), 4.0)


@pytest.mark.parametrize("details", [{"status": "PENDING"}, {"sent": False}, {"status": "none"}])
def test_what_the_phone_is_still_waiting_for_is_no_answer(boot: Wait, details: dict[str, Any]) -> None:
    boot.settings(1)
    boot.answer(4, **details)
    boot.answer(9)
    assert boot.end(1) == (Ended(True, 8.0), 9.0)


def test_a_boot_that_awaits_nothing_ends_with_the_settings(boot: Wait) -> None:
    boot.settings(12)
    assert boot.end() == (Ended(True, 0.0), 12.0)


def test_the_settings_of_another_phone_are_not_its_own(boot: Wait) -> None:
    boot.clock.after(2, lambda: boot.props.served("/0024d7e42e98.txt"))
    boot.clock.after(3, lambda: boot.props.served(device="j179-2"))
    assert boot.end(limit=30) == (Ended(False, 0.0), 30.0)


def test_what_may_be_absent_is_waited_for_in_silence(boot: Wait) -> None:
    boot.settings(10)
    assert boot.end(others=True, quiet=5) == (Ended(True, 0.0), 15.0)


def test_whatever_the_phone_does_breaks_the_silence(boot: Wait) -> None:
    boot.settings(10)
    boot.clock.after(13, lambda: boot.events.publish(EventName.SYSLOG, device="j179-1"))
    boot.clock.after(16, lambda: boot.events.publish(EventName.SCEP_REQUEST, device="j179-1", slot=3))
    assert boot.end(others=True, quiet=5) == (Ended(True, 0.0), 21.0)


def test_another_device_does_not_break_it(boot: Wait) -> None:
    boot.settings(10)
    for at in range(11, 40):
        boot.clock.after(at, lambda: boot.events.publish(EventName.SYSLOG, device="j179-2"))
        boot.clock.after(at, lambda: boot.events.publish(EventName.STRAY))
    assert boot.end(others=True, quiet=5) == (Ended(True, 0.0), 15.0)


def test_silence_lasts_twice_as_long_as_the_slowest_answer_took(boot: Wait) -> None:
    boot.settings(10)
    boot.answer(14, 1)
    boot.answer(30, 2)
    assert boot.end(1, 2, others=True, quiet=5) == (Ended(True, 20.0), 70.0)


def test_silence_is_never_shorter_than_the_testbed_says(boot: Wait) -> None:
    boot.settings(10)
    boot.answer(11)
    assert boot.end(1, others=True, quiet=5) == (Ended(True, 1.0), 16.0)


def test_a_phone_that_never_reads_its_settings_is_waited_for_to_the_limit(boot: Wait) -> None:
    assert boot.end(1, limit=50) == (Ended(False, 0.0), 50.0)


def test_the_limit_counts_anew_from_the_settings(boot: Wait) -> None:
    boot.settings(45)
    assert boot.end(1, limit=50) == (Ended(False, 0.0), 95.0)


def test_a_phone_that_restarts_time_and_again_is_not_waited_for_for_ever(boot: Wait) -> None:
    for at in range(5, 1000, 10):
        boot.settings(at)
    ended, at = boot.end(1, limit=50)
    assert not ended.in_time
    assert at == 150.0


def test_endless_chatter_ends_at_the_limit(boot: Wait) -> None:
    boot.settings(1)
    for at in range(2, 90):
        boot.clock.after(at, lambda: boot.events.publish(EventName.SYSLOG, device="j179-1"))
    assert boot.end(others=True, limit=50, quiet=5) == (Ended(False, 0.0), 51.0)


def test_a_cancelled_wait_ends_at_once(boot: Wait) -> None:
    boot.settings(1)
    boot.clock.after(7, boot.cancel.set)
    ended, at = boot.end(1)
    assert not ended.in_time
    assert at < 8


def test_events_before_the_power_came_on_do_not_count(boot: Wait) -> None:
    boot.props.served()
    boot.props.answered(1)
    ended = await_end(
        boot.events,
        "j179-1",
        frozenset({1}),
        own_file=OWN_FILE,
        others=False,
        patience=Patience(20, 5),
        clock=boot.clock,
        since=boot.events.cursor,
        cancel=boot.cancel,
    )
    assert not ended.in_time


@pytest.mark.parametrize(
    ("scenario", "held", "awaited"),
    [
        (Scenario(), frozenset(), {2}),
        (Scenario(), frozenset({2}), set()),
        (Scenario(), frozenset({1, 3}), {2}),
        (Scenario((("MYCERTURL", ""),)), frozenset(), set()),
        (Scenario((("SCEPPASSWORD", ""),)), frozenset(), set()),
        (Scenario((("DELETE_SCEP_CERT", "1"),)), frozenset(), set()),
        (Scenario(ca=(Pend(3),)), frozenset(), set()),
        (Scenario(ca=(Pend(3), Issue())), frozenset(), {2}),
        (Scenario(ca=(Reject(),)), frozenset(), {2}),
        (Scenario(ca=(HttpError(),)), frozenset(), set()),
        (Scenario(ca=(Issue(), HttpError())), frozenset(), {2}),
        (Scenario((("DELETE_MY_CERT", "1"),)), frozenset(), set()),
    ],
)
def test_a_slot_is_awaited_if_it_can_be_answered(scenario: Scenario, held: frozenset[int], awaited: set[int]) -> None:
    boot = PlannedBoot("main", ((2, scenario),))
    assert awaited_slots(boot, held=held) == awaited
    assert deleted_slots(boot, held=frozenset()) == ({2} if scenario.deletes else set())


@pytest.mark.parametrize(("held", "deleted"), [({2}, {2}), ({1}, {1}), ({1, 2}, set()), (set(), set())])
def test_delete_my_cert_deletes_an_only_certificate(held: set[int], deleted: set[int]) -> None:
    boot = PlannedBoot("change", ((2, Scenario((("DELETE_MY_CERT", "1"),))),))
    assert deleted_slots(boot, held=frozenset(held)) == deleted


def test_only_a_final_answer_to_the_device_counts(boot: Wait) -> None:
    event = boot.events.publish(EventName.SCEP_ANSWER, device="j179-1", slot=3, pki_status="FAILURE", sent=True)
    assert answered(event, "j179-1") == 3
    assert answered(event, "j179-2") is None
    assert answered(boot.events.publish(EventName.SCEP_REQUEST, device="j179-1", slot=3), "j179-1") is None
