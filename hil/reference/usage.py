"""Which profile's certificate a service shows: decided from what the profiles are told, without I/O.

Source: SCEP page of the J100 R4.1.x guide, SCEP_USAGE. It does not say what holds where several profiles claim one
service.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum

from hil.settings.usage import Usage


class Decision(Enum):
    """A choice of ours where the documents are silent; its value says what holds here."""

    LOWEST_SLOT_SERVES = "of several profiles that claim a service, the one with the lowest number serves it"
    HOLDERS_ALONE = "a profile without a certificate claims nothing"


def serving_slot(service: str, usages: Mapping[int, Usage], holding: Collection[int]) -> int | None:
    """The slot, of those `holding` a certificate, whose certificate `service` shows; None where it shows none of SCEP's."""
    claims = (slot for slot, usage in usages.items() if slot in holding and service in usage.services)
    return min(claims, default=None)
