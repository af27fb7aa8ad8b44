"""When the phone renews which certificate, and when it tries again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import pem, x509

from hil.virtual.phone.errors import PortClosed, Refused, Trouble
from hil.virtual.phone.flash import Stored
from hil.virtual.phone.habits import Habits, Validity
from hil.virtual.phone.zone import Zone


@dataclass(frozen=True)
class Attempt:
    """A renewal that has come to its end, in Unix seconds of the phone's belief; `trouble` is why it failed."""

    began: float
    ended: float
    trouble: Trouble | None = None


@dataclass
class _Story:
    """What came of a certificate's renewals so far."""

    last: Attempt | None = None
    failures: int = 0
    over: bool = False


@dataclass
class Renewals:
    """The renewals of one boot. `power_on` gives Unix seconds of the phone's belief, `percents` stand by profile.

    `tried_before` tells when a renewal that failed began in a boot before, where the phone remembers it.
    """

    habits: Habits
    percents: Mapping[int, int]
    zone: Zone
    power_on: Callable[[], float]
    tried_before: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {slot: Attempt(began, began) for slot, began in self.tried_before.items()}
        self._stories = {slot: _Story(known.get(slot)) for slot in self.percents}

    def next(self, held: Mapping[int, Stored]) -> tuple[int, float] | None:
        """The profile to renew next and when, None where there is none."""
        planned = [
            (self._begins(slot, validity(stored)), slot)
            for slot, stored in held.items()
            if slot in self._stories and self.habits.renews and not self._stories[slot].over
        ]
        at, slot = min(planned, default=(0.0, 0))
        return (slot, at) if slot else None

    def tried(self, slot: int, attempt: Attempt) -> None:
        """A renewal of `slot` has come to its end."""
        story, habits = self._stories[slot], self.habits
        story.last = attempt
        if attempt.trouble is None:
            story.failures, story.over = 0, not habits.renews_again
            return
        story.failures += 1
        reason = attempt.trouble.reason if isinstance(attempt.trouble, Refused) else ""
        tired = habits.gives_up_after is not None and story.failures >= habits.gives_up_after
        story.over = tired or reason in habits.gives_up_on

    def _begins(self, slot: int, valid: Validity) -> float:
        story, habits = self._stories[slot], self.habits
        due = habits.renewal_due(valid, habits.renew_percent(self.percents, slot))
        due += habits.renewal_drift(self.zone, due)
        again = story.last is not None and (due <= story.last.began or not habits.stops_after_renewal)
        at = self._retry(story.last) if again and story.last else habits.looks(due, self.power_on())
        return at + habits.lateness(at)

    def _retry(self, last: Attempt) -> float:
        """The next instant for an attempt after the last one."""
        closed = isinstance(last.trouble, PortClosed)
        every = self.habits.calls_closed_port_every if closed else self.habits.retries_every
        if self.habits.retries_count_from_boot:
            power_on = self.power_on()
            return power_on + (math.floor((last.began - power_on) / every) + 1) * every
        return (last.ended if self.habits.retries_count_from_end else last.began) + every


def validity(stored: Stored) -> Validity:
    """Of the certificate that `stored` holds."""
    certificate = read(stored.certificate)
    return Validity(certificate.not_valid_before.timestamp(), certificate.not_valid_after.timestamp(), stored.installed)


def read(text: str) -> Any:
    """A certificate from its PEM, as asn1crypto's."""
    return x509.Certificate.load(pem.unarmor(text.encode("ascii"))[2])
