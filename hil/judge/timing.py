"""What a device asked the CA before it enrolled, and when it spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.judge.seen import Where


@dataclass(frozen=True)
class CaFacts:
    """What the device asked the CA before it enrolled."""

    identifier: str
    capabilities_asked: bool
    where: Where


@dataclass(frozen=True)
class TimingFacts:
    """When the device spoke, in phone seconds of its first boot with a profile."""

    idle_before_contact: float
    contact_after_settings: float
    request_after_settings: float
    request_after_power_on: float
    where: Where
    preparation: float = 0.0
    """Of the time to the request, what passed while no server was asked: the key's generation above all."""
