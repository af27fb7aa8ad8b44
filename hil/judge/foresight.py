"""What must come of a scenario's certificates while it is watched: from the CA's script, the steps and the percentage.

Time is the device's own, which is what SNTP told it when it last booted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from hil.judge.rules import Told
from hil.scenario import ChangeSettings, EntityNew, Issue, PassTime, Refuse, Restart, TellTime

_DAY = 86_400.0
_MARGIN = _DAY + 7200.0
"""Phone seconds for which a device must still be watched after a renewal falls due, for that to count as watched.

No document says how often a device looks what is due; one that does once a day, and takes its time, is watched for long.
"""
_TOLD_WITHIN = 3600.0
"""Phone seconds by which what SNTP told a device may be off what it was to be told: a bench of an hour's error judges nothing."""


@dataclass(frozen=True)
class Watched:
    """Seconds of the device's own time from its certificate to the end of the watch, and to its last boot."""

    end: float
    last_boot: float

    @classmethod
    def of(cls, told: Told) -> Watched:
        """By the steps of the scenario."""
        lived, ahead, asked, end, last_boot = 0.0, 0.0, 0.0, 0.0, 0.0
        for step in told.scenario.steps:
            match step:
                case PassTime(span):
                    lived += span
                case TellTime(told_ahead):
                    asked = ahead if told_ahead is None else told_ahead
                case Restart() | ChangeSettings():
                    ahead = asked
                    last_boot = lived + ahead
            end = lived + ahead
        return cls(end, last_boot)


@dataclass(frozen=True)
class Foresight:
    """Which renewals of the scenario's first certificate, and of the one after it, fall due while they are watched."""

    renews: bool = False
    fails_first: bool = False
    succeeds: bool = False
    renews_again: bool = False
    settled: bool = False
    """Whether nothing more falls due after the first renewal that succeeds."""
    falls_due: bool = False
    """Whether the first renewal falls due at all, however little it is watched after."""

    @classmethod
    def of(cls, told: Told) -> Foresight:
        """`told` is what the device was told, and of which profile."""
        first, *later = told.scenario.ca
        watched = Watched.of(told)
        if not isinstance(first, Issue) or not later or watched.end < _due(first, told):
            return cls()
        if watched.end < _due(first, told) + _MARGIN:
            return cls(falls_due=True)
        granted = next(((number, answer) for number, answer in enumerate(later) if isinstance(answer, Issue)), None)
        if granted is None:
            return cls(renews=True, fails_first=True, falls_due=True)
        failures, second = granted
        refused = failures > 0 or any(isinstance(step, EntityNew | Refuse) for step in told.scenario.steps)
        due_again = max(0.0, _due(first, told)) + failures * _DAY + _due(second, told)
        again = len(later) > failures + 1 and watched.end >= due_again + _MARGIN
        return cls(True, refused, True, again, settled=watched.end < due_again, falls_due=True)


def expired(told: Told) -> bool:
    """Whether the first certificate had expired, by the device's own time, when it last booted or before the watch ended."""
    first = told.scenario.ca[0]
    return isinstance(first, Issue) and Watched.of(told).end > (first.days - first.backdated) * _DAY


def shifted(told: Told) -> bool:
    """Whether the device is told another time than its bench's, or none."""
    return any(isinstance(step, TellTime) for step in told.scenario.steps)


def withheld(told: Told) -> bool:
    """Whether the scenario has a boot in which nobody tells the device the time."""
    return TellTime(None) in told.scenario.steps


def mistold(told: Told, ahead: Mapping[int, timedelta | None]) -> str | None:
    """Why the device's own time, by which the scenario is judged, is not known; None where it is, or nothing rests on it.

    `ahead` is by how much SNTP told it more than the bench's time, by each boot's place, None where it told nothing. Boots
    count in which time passes and the scenario has the time told.
    """
    if told.profile is None or not (shifted(told) or Foresight.of(told).falls_due):
        return None
    for place, due in _to_be_told(told).items():
        was_told = ahead.get(place)
        if was_told is None:
            return f"SNTP told the phone no time in boot {place} of the scenario, so nobody knows by which it went"
        if abs(was_told.total_seconds() - due) > _TOLD_WITHIN:
            shown, meant = (round(ahead / 3600, 1) for ahead in (was_told.total_seconds(), due))
            return f"in boot {place} of the scenario SNTP told the phone a time {shown} h ahead of the bench's, not {meant} h"
    return None


def _to_be_told(told: Told) -> Mapping[int, float]:
    """Phone seconds by which a device is to be told more than the bench's time, by the place of the boot."""
    found: dict[int, float] = {}
    place = 1
    at_boot: float | None = 0.0
    from_now: float | None = 0.0
    for step in told.scenario.steps:
        match step:
            case TellTime(ahead):
                from_now = ahead
            case Restart() | ChangeSettings():
                place, at_boot = place + 1, from_now
            case PassTime() if at_boot is not None:
                found[place] = at_boot
    return found


def _due(issue: Issue, told: Told) -> float:
    """Seconds from its issue to the instant at which a certificate is to be renewed."""
    return (issue.days * told.asked.renew_percent / 100 - issue.backdated) * _DAY
