"""The zone in which the phone's display lives: GMTOFFSET and daylight saving time.

Source: settings template of July 2022 (GMTOFFSET, DSTOFFSET, DSTSTART, DSTSTOP). The phone's own clock
runs in UTC.
"""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from dataclasses import dataclass
from time import gmtime

_OFFSET = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?", re.ASCII)
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CHANGE = re.compile(rf"(?:([1-4L])({'|'.join(_WEEKDAYS)})|(\d{{1,2}}))({'|'.join(_MONTHS)})(\d{{1,2}})([LU])", re.ASCII)


def is_offset(value: str) -> bool:
    """Whether the phone takes `value` as GMTOFFSET."""
    return _OFFSET.fullmatch(value) is not None


def is_change(value: str) -> bool:
    """Whether the phone takes `value` as DSTSTART or DSTSTOP."""
    found = _CHANGE.fullmatch(value)
    return found is not None and int(found[5]) < 24 and (found[3] is None or 1 <= int(found[3]) <= 31)


@dataclass(frozen=True)
class Zone:
    """Seconds that local time is ahead of UTC, those that daylight saving adds, and when that begins and ends."""

    standard: float = 0.0
    saving: float = 0.0
    start: str = "2SunMar2L"
    stop: str = "1SunNov2L"

    def saving_at(self, now: float) -> float:
        """Seconds that daylight saving adds at `now`, Unix seconds."""
        year = gmtime(now + self.standard).tm_year
        begins = _instant(self.start, year, self.standard)
        ends = _instant(self.stop, year, self.standard + self.saving)
        summer = begins <= now < ends if begins < ends else not ends <= now < begins
        return self.saving if summer else 0.0

    def ahead(self, now: float) -> float:
        """Seconds that local time is ahead of UTC at `now`, Unix seconds."""
        return self.standard + self.saving_at(now)


def seconds(offset: str) -> float:
    """What GMTOFFSET says, in seconds."""
    found = _OFFSET.fullmatch(offset)
    if found is None:
        raise ValueError(f"{offset!r} is no GMTOFFSET")
    span = int(found[2]) * 3600 + int(found[3] or 0) * 60
    return float(-span if found[1] == "-" else span)


def _instant(change: str, year: int, ahead: float) -> float:
    """Unix seconds of a change of the clock in `year`, where local time is `ahead` seconds before it."""
    found = _CHANGE.fullmatch(change)
    if found is None:
        raise ValueError(f"{change!r} is no change of the clock")
    ordinal, weekday, date, month_name, hour, base = found.groups()
    month = _MONTHS.index(month_name) + 1
    day = int(date) if date else _day(year, month, ordinal, _WEEKDAYS.index(weekday))
    return timegm((year, month, day, int(hour), 0, 0)) - (ahead if base == "L" else 0.0)


def _day(year: int, month: int, ordinal: str, weekday: int) -> int:
    first_weekday, days = monthrange(year, month)
    first = 1 + (weekday - first_weekday) % 7
    return range(first, days + 1, 7)[-1 if ordinal == "L" else int(ordinal) - 1]
