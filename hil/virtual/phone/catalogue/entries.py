"""What a catalogue of behaviours is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.virtual.phone.habits import Habits

Change = Callable[[Habits], Habits]


@dataclass(frozen=True)
class Variant:
    """A behaviour that no document forbids; `about` are the requirements whose tests it could mislead, none: all."""

    does: str
    change: Change
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class Defect:
    """A behaviour that breaks one documented statement, the requirement of that id."""

    does: str
    requirement: str
    change: Change
