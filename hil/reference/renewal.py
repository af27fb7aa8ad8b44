"""When a certificate is renewed, and when a renewal that failed is tried again: decided from facts, without I/O.

Source: SCEP page of the J100 R4.1.x guide, MYCERTRENEW: renewal begins after a percentage of the validity (365 days
and 90 percent: 36.5 days before expiry); if it fails, the phone tries again every 24 hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hil.scep.certificate import Certificate

RETRY = timedelta(hours=24)


@dataclass(frozen=True)
class Standing:
    """A slot's certificate, the percentage of its validity that may pass, and when a renewal in the slot last began."""

    slot: int
    certificate: Certificate
    percent: int
    tried: datetime | None = None


@dataclass(frozen=True)
class Renewal:
    """The slot to renew, and the instant at which to begin."""

    slot: int
    at: datetime


def due(certificate: Certificate, percent: int) -> datetime:
    """The instant at which `percent` of the validity, notBefore to notAfter, has passed."""
    return certificate.not_before + (certificate.not_after - certificate.not_before) * percent / 100


def begins(standing: Standing) -> datetime:
    """When renewal begins: once due, and 24 hours after the beginning of an attempt that left it due."""
    instant = due(standing.certificate, standing.percent)
    return standing.tried + RETRY if standing.tried is not None and instant <= standing.tried else instant


def next_renewal(standings: Sequence[Standing]) -> Renewal | None:
    """The renewal that comes first, None where no slot holds a certificate."""
    planned = [Renewal(standing.slot, begins(standing)) for standing in standings]
    return min(planned, key=lambda renewal: (renewal.at, renewal.slot), default=None)
