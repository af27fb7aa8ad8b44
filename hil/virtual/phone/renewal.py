"""When the phone renews which certificate, and when it tries again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asn1crypto import pem, x509

from hil.virtual.phone.flash import Stored
from hil.virtual.phone.habits import Habits


@dataclass(frozen=True)
class Validity:
    """Unix seconds: the certificate's own, and when the phone got it."""

    not_before: float
    not_after: float
    installed: float


@dataclass
class _Story:
    """What came of a certificate's renewals so far; `tried` is when the last one began."""

    tried: float | None = None
    failures: int = 0
    over: bool = False


class Renewals:
    """The renewals of one boot; `power_on` in Unix seconds of the phone's belief, percentages by profile."""

    def __init__(self, habits: Habits, percents: Mapping[int, int], power_on: float) -> None:
        self._habits = habits
        self._percents = percents
        self._power_on = power_on
        self._stories = {slot: _Story() for slot in percents}

    def next(self, held: Mapping[int, Stored]) -> tuple[int, float] | None:
        """The profile to renew next and when, None where there is none."""
        planned = [
            (self._begins(slot, validity(stored)), slot)
            for slot, stored in held.items()
            if slot in self._stories and self._habits.renews and not self._stories[slot].over
        ]
        at, slot = min(planned, default=(0.0, 0))
        return (slot, at) if slot else None

    def tried(self, slot: int, began: float, succeeded: bool) -> None:
        """A renewal of `slot` that began then has come to its end."""
        story = self._stories[slot]
        story.failures = 0 if succeeded else story.failures + 1
        story.tried = began
        story.over = self._habits.gives_up_after is not None and story.failures >= self._habits.gives_up_after

    def _begins(self, slot: int, valid: Validity) -> float:
        story, habits = self._stories[slot], self._habits
        at = habits.renewal_due(valid, self._percents[slot])
        if story.tried is not None and (at <= story.tried or not habits.stops_after_renewal):
            at = self._retry(story.tried)
        checks = math.ceil((at - self._power_on) / habits.checks_every)
        return self._power_on + max(0, checks) * habits.checks_every

    def _retry(self, tried: float) -> float:
        """The next instant for an attempt after one that began at `tried`."""
        every = self._habits.retries_every
        if not self._habits.retries_count_from_boot:
            return tried + every
        return self._power_on + (math.floor((tried - self._power_on) / every) + 1) * every


def validity(stored: Stored) -> Validity:
    """Of the certificate that `stored` holds."""
    certificate = read(stored.certificate)
    return Validity(certificate.not_valid_before.timestamp(), certificate.not_valid_after.timestamp(), stored.installed)


def read(text: str) -> Any:
    """A certificate from its PEM, as asn1crypto's."""
    return x509.Certificate.load(pem.unarmor(text.encode("ascii"))[2])
