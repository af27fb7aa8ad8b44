"""The virtual phone's zone, and when it renews by it."""

from __future__ import annotations

from calendar import timegm

import pytest

from hil.virtual.phone.zone import Zone, is_change, is_offset, seconds

EASTERN = Zone(seconds("-5:00"), 3600.0)


def utc(*fields: int) -> float:
    return float(timegm((*fields, 0, 0)[:6]))


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (utc(2026, 3, 8, 6, 59), -5),
        (utc(2026, 3, 8, 7, 0), -4),
        (utc(2026, 11, 1, 5, 59), -4),
        (utc(2026, 11, 1, 6, 0), -5),
    ],
)
def test_summer_begins_and_ends_where_the_default_says(now: float, hours: int) -> None:
    assert EASTERN.ahead(now) == hours * 3600


def test_summer_may_go_over_the_new_year_and_be_told_in_universal_time() -> None:
    south = Zone(seconds("10:00"), 3600.0, "1SunOct16U", "1SunApr16U")
    assert south.saving_at(utc(2026, 1, 1, 0, 0)) == 3600.0
    assert south.saving_at(utc(2026, 7, 1, 0, 0)) == 0.0
    assert south.saving_at(utc(2026, 10, 4, 16, 0)) == 3600.0


def test_the_last_sunday_is_the_last() -> None:
    europe = Zone(3600.0, 3600.0, "LSunMar1U", "LSunOct1U")
    assert europe.saving_at(utc(2026, 10, 25, 0, 59)) == 3600.0
    assert europe.saving_at(utc(2026, 10, 25, 1, 0)) == 0.0


@pytest.mark.parametrize(
    ("value", "taken"), [("2SunMar2L", True), ("31Dec23U", True), ("32Jan1L", False), ("2SunMar24L", False), ("", False)]
)
def test_which_changes_of_the_clock_it_takes(value: str, taken: bool) -> None:
    assert is_change(value) is taken


@pytest.mark.parametrize(("value", "taken"), [("0:00", True), ("-11:30", True), ("+13", True), ("east", False)])
def test_which_offsets_it_takes(value: str, taken: bool) -> None:
    assert is_offset(value) is taken
