"""Which profile's certificate the reference shows a service."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from hil.reference.usage import serving_slot
from hil.settings.usage import read_usage


@pytest.mark.parametrize(
    ("told", "holding", "slot"),
    [
        ({1: "SIP", 2: "LDAP"}, {1, 2}, 1),
        ({1: "All,!SIP", 2: "SIP"}, {1, 2}, 2),
        ({1: "All,!SIP"}, {1}, None),
        ({1: "All", 2: "SIP"}, {1, 2}, 1),
        ({1: "All", 2: "SIP"}, {2}, 2),
        ({1: "All"}, set(), None),
        ({}, {1}, None),
    ],
)
def test_the_slot_that_serves_sip(told: Mapping[int, str], holding: Collection[int], slot: int | None) -> None:
    assert serving_slot("SIP", {slot: read_usage(text) for slot, text in told.items()}, holding) == slot
