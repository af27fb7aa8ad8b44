"""Waiting for what a CA holds pending: with longer and longer pauses, within bounds, and past answers that get lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hil.clock import Clock
from hil.scep.client import Client, Outcome, Pending, Rejected, ReplyRefused
from hil.scep.http import ScepHttpError, TransportFault

Told = Callable[[str, datetime], None]


@dataclass(frozen=True)
class Patience:
    """How long to poll, in seconds of the clock and in number.

    The first poll comes after `first`, each pause is twice the one before until it is `longest`, and
    `limit` ends it all. More than `faults` polls in a row that get no answer end it too.
    """

    first: float = 5.0
    longest: float = 300.0
    limit: float = 3600.0
    polls: int = 100
    faults: int = 5

    def pauses(self) -> Iterator[float]:
        """The pause before each poll."""
        pause = self.first
        for _ in range(self.polls):
            yield pause
            pause = max(self.first, min(2 * pause, self.longest))


@dataclass(frozen=True)
class Polled:
    """What came of it, after how many polls."""

    outcome: Outcome
    polls: int


def unheard(step: str, until: datetime) -> None:
    """Told to nobody."""


def poll(
    client: Client, pending: Pending, *, clock: Clock, patience: Patience, resumed: bool = False, told: Told = unheard
) -> Polled:
    """Poll until the request is settled or patience ends; the latter is a `Pending` outcome.

    A transaction that is `resumed` after an interruption is polled at once. Where an answer may have
    been lost and the CA then knows of no pending request, that answer may have been the one that
    settled it: the request is sent once more, with the same transactionID (RFC 8894 section 5.2).
    Raises the last fault where too many polls in a row got no answer to trust.
    """
    never = threading.Event()
    deadline = clock.now() + timedelta(seconds=patience.limit)
    outcome: Outcome = pending
    lost, faults, polls = resumed, 0, 0
    for pause in (0.0, *patience.pauses()) if resumed else patience.pauses():
        left = (deadline - clock.now()).total_seconds()
        if pause and left <= 0:
            break
        pause = min(pause, left)
        told(f"pending, poll {polls + 1}", clock.now() + timedelta(seconds=pause))
        clock.wait(never, pause)
        polls += 1
        try:
            outcome = client.poll(pending)
            if lost and isinstance(outcome, Rejected):
                outcome = client.request(pending.enrolment)
        except (TransportFault, ScepHttpError, ReplyRefused):
            faults += 1
            lost = True
            if faults > patience.faults:
                raise
            continue
        lost, faults = False, 0
        if not isinstance(outcome, Pending):
            break
    return Polled(outcome, polls)
