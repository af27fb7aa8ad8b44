"""When a boot has shown what it was played for: stated over events of the servers, never over observations."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from hil.campaign.plan import PlannedBoot
from hil.campaign.waiting import happened
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.scenario import InPlaceOfCa, Pend, Scenario, layers
from hil.services.events import Event, EventStream

FINAL_STATUS = ("SUCCESS", "FAILURE")
STARTING = (EventName.LEASE, EventName.FILE_SERVED)
"""What a phone that starts is seen to do."""
_LONGEST = 3
"""Limits after which a boot ends whatever the phone does, should it restart by itself time and again."""


@dataclass(frozen=True)
class Patience:
    """How long a boot may take, in phone seconds.

    `limit` holds from power-on to the settings, and again from there to each slot's answer;
    `quiet` is the silence that counts as an end.
    """

    limit: float
    quiet: float


class Ended(NamedTuple):
    """How a boot ended: whether in time, and the phone seconds from its settings to its slowest answer, 0 without one."""

    in_time: bool
    slowest: float


def awaited_slots(boot: PlannedBoot, *, held: frozenset[int]) -> frozenset[int]:
    """Slots whose enrolment ends the boot: told a URL, able to enrol unattended, without a certificate, and decided by a CA."""
    return frozenset(slot for slot, scenario in boot.scenarios if scenario.enrols and slot not in held and _decided(scenario))


def _decided(scenario: Scenario) -> bool:
    """Whether the CA grants or refuses in the end."""
    speaks = any(not isinstance(layers(answer)[-1], InPlaceOfCa) for answer in scenario.ca)
    return speaks and not isinstance(scenario.ca[-1], Pend)


def deleted_slots(boot: PlannedBoot, *, held: frozenset[int]) -> frozenset[int]:
    """Slots whose certificate the boot deletes, of those that had one before it."""
    only = held if len(held) == 1 and any(scenario.deletes_an_only_one for _, scenario in boot.scenarios) else frozenset()
    return only | {slot for slot, scenario in boot.scenarios if scenario.deletes}


def answered(event: Event, device: str) -> int | None:
    """The slot of `device` whose enrolment this event ends, None for any other event; an answer that was not sent ends none."""
    final = event.name is EventName.SCEP_ANSWER and event.details.get("pki_status") in FINAL_STATUS
    return event.slot if final and event.device == device and event.details.get("sent") is not False else None


def await_settled(
    events: EventStream, device: str, span: float, *, limit: float, clock: ScaledClock, since: int, cancel: threading.Event
) -> bool:
    """Wait until `device` has for `span` phone seconds shown no sign of starting anew; False where it did so up to `limit`.

    A phone that restarts by itself after new settings does only then what the boot is for: a
    certificate that it is told to delete is there until then.
    """
    reader = events.subscribe(since, clock)
    began = clock.now()
    end, last_end = began + timedelta(seconds=span), began + timedelta(seconds=max(span, limit))
    while not cancel.is_set() and (now := clock.now()) < end:
        if now >= last_end:
            return False
        for event in happened(reader, min(end, last_end), clock, cancel):
            if event.device == device and event.name in STARTING:
                end = event.at + timedelta(seconds=span)
    return True


def await_end(
    events: EventStream,
    device: str,
    slots: frozenset[int],
    *,
    own_file: str,
    others: bool,
    patience: Patience,
    clock: ScaledClock,
    since: int,
    cancel: threading.Event,
) -> Ended:
    """Wait until `device` has read `own_file` (URL path), every slot of `slots` is answered and, with `others`, then fell silent.

    Silence is `patience.quiet` phone seconds without an event of the device, but at least twice what the
    device took from its settings to its slowest answer, so that a slow key generation is not taken for
    an absence.
    """
    deadline = clock.now() + timedelta(seconds=patience.limit)
    last_deadline = clock.now() + timedelta(seconds=_LONGEST * patience.limit)
    reader = events.subscribe(since, clock)
    open_slots = set(slots)
    settings_at: datetime | None = None
    last: datetime | None = None
    slowest = 0.0
    while not cancel.is_set():
        now = clock.now()
        settled = settings_at is not None and not open_slots
        silent_at = (last or now) + timedelta(seconds=max(patience.quiet, 2 * slowest))
        if settled and (not others or now >= silent_at):
            return Ended(True, slowest)
        if now >= deadline:
            return Ended(False, slowest)
        until = min(deadline, silent_at) if settled and others else deadline
        for event in happened(reader, until, clock, cancel):
            if event.device != device:
                continue
            last = event.at
            if event.name is EventName.FILE_SERVED and event.details.get("path") == own_file:
                settings_at = event.at
                deadline = min(event.at + timedelta(seconds=patience.limit), last_deadline)
            slot = answered(event, device)
            if slot is not None:
                open_slots.discard(slot)
                deadline = min(event.at + timedelta(seconds=patience.limit), last_deadline)
                if settings_at is not None:
                    slowest = max(slowest, (event.at - settings_at).total_seconds())
    return Ended(False, slowest)
