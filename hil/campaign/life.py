"""What happens in a boot once it has shown what it is for: time passes, and meanwhile the bench does as the scenario says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hil.campaign.stage import Stage
from hil.campaign.waiting import happened
from hil.scenario import EntityNew, HangUp, LiveStep, PassTime, Refuse, TellTime


def live_on(steps: Iterable[LiveStep], stage: Stage, phone: str) -> None:
    """Carry out the steps one after another, then wait for what has just begun; ends early where the run is cancelled."""
    for step in steps:
        match step:
            case PassTime(span):
                pass_time(span, stage, phone)
            case TellTime(ahead):
                tell_time(ahead, stage, phone)
            case HangUp(service):
                stage.lab.hang_up(service, (phone, f"{phone}.reference"))
            case EntityNew():
                stage.cast.set_new(phone)
            case Refuse(refuses):
                stage.lab.refuse(phone, refuses=refuses)
    pass_time(stage.times.settle, stage, phone)


def pass_time(span: float, stage: Stage, phone: str) -> None:
    """Let phone and reference live on for `span` phone seconds, with a leap over each time for which neither has plans."""
    clock = stage.bench.clock_of(phone)
    reader = stage.lab.events.subscribe(stage.lab.events.cursor, clock)
    end = clock.now() + timedelta(seconds=span)
    while not stage.cancel.is_set() and clock.now() < end:
        happened(reader, end, clock, stage.cancel)


def tell_time(ahead: float | None, stage: Stage, phone: str) -> None:
    """From now on tell phone and reference a time that is `ahead` phone seconds ahead, or none."""
    for device in (phone, f"{phone}.reference"):
        stage.lab.time_told.shift(device, ahead)
