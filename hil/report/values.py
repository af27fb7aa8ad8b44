"""Facts as a reader sees them: what came over the wire, made harmless to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

_LONGEST = 2000
_HOURS_AS_DAYS = 48


@dataclass(frozen=True)
class Shown:
    """A value's text; `special` where the text is a word of ours (empty, yes, not observed) and not the value itself."""

    text: str
    special: bool = False


def printable(text: str) -> str:
    """`text` with each character that cannot be seen, or turns the direction of reading, written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def show(value: JsonValue, *, absent: str = "not observed") -> Shown:
    """How a fact's value is written; None is `absent`, text beyond 2,000 characters is cut and says so."""
    match value:
        case None:
            return Shown(absent, special=True)
        case bool():
            return Shown("yes" if value else "no")
        case str():
            return _cut(printable(value)) if value else Shown("empty", special=True)
        case []:
            return Shown("none", special=True)
        case list() if all(isinstance(part, str | int | float) and not isinstance(part, bool) for part in value):
            return _cut(printable(", ".join(str(part) for part in value)))
        case _:
            return _cut(printable(json.dumps(value, ensure_ascii=False)))


def _cut(text: str) -> Shown:
    return Shown(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)")


def clock_time(moment: datetime) -> str:
    """Time of day in UTC, to the second."""
    return f"{moment:%H:%M:%S}"


def span(seconds: float) -> str:
    """A length of time as people say it: `0.4 s`, `48 s`, `2 min 41 s`, `3 h 5 min`, `3 d 7 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= _HOURS_AS_DAYS:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
