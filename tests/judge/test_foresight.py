"""Which renewals fall due while a scenario is watched."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hil.judge.foresight import Foresight, expired, mistold, shifted, withheld
from hil.judge.rules import Told
from hil.scenario import Answer, Issue, PassTime, Reject, Restart, Scenario, Step, TellTime

DAY = 86_400.0
WEEK = PassTime(7 * DAY)
DUE_TODAY = Issue(days=100, backdated=89)


def told(*steps: Step, ca: tuple[Answer, ...], percent: int = 90) -> Told:
    profile: Any = SimpleNamespace(renew_percent=percent)
    return Told(Scenario(ca=ca, steps=steps), profile)


@pytest.mark.parametrize(
    ("ca", "foreseen"),
    [
        ((DUE_TODAY, Issue()), Foresight(renews=True, succeeds=True, settled=True, falls_due=True)),
        ((DUE_TODAY, Reject()), Foresight(renews=True, fails_first=True, falls_due=True)),
        ((DUE_TODAY, Reject(), Issue()), Foresight(renews=True, fails_first=True, succeeds=True, settled=True, falls_due=True)),
        ((DUE_TODAY, Issue(days=1), Issue()), Foresight(renews=True, succeeds=True, renews_again=True, falls_due=True)),
        ((DUE_TODAY, Issue(days=6.65), Issue()), Foresight(renews=True, succeeds=True, falls_due=True)),
        ((DUE_TODAY,), Foresight()),
        ((Issue(), Issue()), Foresight()),
        ((Reject(), Issue()), Foresight()),
        ((Issue(days=100, backdated=83.05), Issue()), Foresight(falls_due=True)),
    ],
)
def test_what_is_due_within_a_week(ca: tuple[Answer, ...], foreseen: Foresight) -> None:
    assert Foresight.of(told(WEEK, ca=ca)) == foreseen


def test_whoever_looks_once_a_day_may_be_later_than_the_watch() -> None:
    assert Foresight.of(told(PassTime(2 * DAY), ca=(DUE_TODAY, Issue()))) == Foresight(falls_due=True)


def test_the_percentage_is_that_of_the_profile() -> None:
    assert Foresight.of(told(WEEK, ca=(Issue(days=100), Issue()), percent=5)).renews
    assert not Foresight.of(told(WEEK, ca=(DUE_TODAY, Issue()), percent=99)).renews


def test_a_time_told_counts_from_the_next_boot() -> None:
    ca = (Issue(days=100, backdated=65), Issue())
    month = TellTime(30 * DAY)
    assert Foresight.of(told(month, Restart(), PassTime(2 * DAY), ca=ca)).renews
    assert not Foresight.of(told(month, PassTime(2 * DAY), ca=ca)).renews
    assert not Foresight.of(told(TellTime(None), Restart(), PassTime(2 * DAY), ca=ca)).renews
    assert not Foresight.of(told(TellTime(-30 * DAY), Restart(), PassTime(5 * DAY), ca=(DUE_TODAY, Issue()))).renews


def test_what_expires_while_it_is_watched() -> None:
    assert expired(told(WEEK, ca=(Issue(days=100, backdated=95),)))
    assert not expired(told(WEEK, ca=(DUE_TODAY,)))
    assert expired(told(TellTime(30 * DAY), Restart(), ca=(DUE_TODAY,)))
    assert not expired(told(WEEK, ca=(Reject(),)))


def test_a_time_told_is_a_shift_even_where_it_is_none() -> None:
    assert shifted(told(TellTime(None), ca=(Issue(),)))
    assert not shifted(told(WEEK, ca=(Issue(),)))


MONTH = (TellTime(30 * DAY), Restart(), PassTime(3600))
NO_TIME, A_MONTH = timedelta(), timedelta(days=30)


@pytest.mark.parametrize(
    ("steps", "ca", "ahead", "said"),
    [
        (MONTH, (Issue(), Issue()), {1: NO_TIME, 2: A_MONTH}, None),
        (MONTH, (Issue(), Issue()), {1: None, 2: A_MONTH}, None),
        (MONTH, (Issue(), Issue()), {1: NO_TIME, 2: None}, "no time in boot 2"),
        (MONTH, (Issue(),), {1: NO_TIME, 2: None}, "no time in boot 2"),
        (MONTH, (Issue(), Issue()), {1: NO_TIME, 2: NO_TIME}, r"a time 0\.0 h ahead of the bench's, not 720\.0 h"),
        ((WEEK,), (DUE_TODAY, Issue()), {1: timedelta(minutes=2)}, None),
        ((WEEK,), (DUE_TODAY, Issue()), {1: timedelta(hours=-2)}, r"a time -2\.0 h ahead"),
        ((WEEK,), (DUE_TODAY, Issue()), {1: None}, "no time in boot 1"),
        ((WEEK,), (DUE_TODAY, Issue()), {}, "no time in boot 1"),
        ((WEEK,), (Issue(), Issue()), {1: None}, None),
        ((WEEK,), (Reject(), Issue()), {1: None}, None),
        ((TellTime(None), Restart(), WEEK), (DUE_TODAY, Issue()), {1: NO_TIME, 2: None}, None),
        ((TellTime(None), Restart(), TellTime(0.0), WEEK), (DUE_TODAY, Issue()), {1: NO_TIME, 2: A_MONTH}, None),
    ],
)
def test_what_rests_on_the_phone_s_clock_needs_one_that_was_seen_to_be_set(
    steps: tuple[Step, ...], ca: tuple[Answer, ...], ahead: dict[int, timedelta | None], said: str | None
) -> None:
    reason = mistold(told(*steps, ca=ca), ahead)
    assert reason is None if said is None else re.search(said, str(reason))


def test_without_a_profile_nothing_rests_on_the_clock() -> None:
    assert mistold(Told(Scenario(ca=(DUE_TODAY, Issue()), steps=(WEEK,)), None), {1: None}) is None


def test_who_is_told_nothing_in_a_boot_has_its_time_withheld() -> None:
    assert withheld(told(TellTime(None), Restart(), TellTime(0.0), ca=(Issue(),)))
    assert not withheld(told(*MONTH, ca=(Issue(),)))
