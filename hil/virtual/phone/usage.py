"""Which profile's certificate goes to which service: no input, no output.

Source: SCEP_USAGE on the SCEP page of the J100 R4.1.x guide; the settings template of July 2022 for
the shorter spellings and for blanks after commas.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings, slotted

SERVICES = ("SIP", "PROVISIONING", "8021X", "LDAP", "RINGCENTRAL", "PUSH", "PPM", "XSI", "SYSLOG")
_ALL = "ALL"
_SPELLINGS: Mapping[str, str] = {
    **{name: name for name in (*SERVICES, _ALL)},
    "802.1X": "8021X",
    "RING CENTRAL": "RINGCENTRAL",
}


def services_of(usage: str, habits: Habits) -> frozenset[str]:
    """The services that a usage claims; what is excluded anywhere in it is out, and unknown names mean nothing."""
    parts = habits.usage_parts(usage)
    excluded = _known((part[1:].lstrip() for part in parts if part.startswith("!")), habits) if habits.usage_excludes else set()
    named = _known((part for part in parts if not part.startswith("!")), habits)
    if excluded and not named and habits.exclusion_means_all:
        named = set(SERVICES)
    return frozenset(named - excluded)


def assignment(settings: Settings, habits: Habits, held: Collection[int]) -> dict[str, int]:
    """The profile, of those `held`, whose certificate each service presents; a service without one is absent."""
    claims = {slot: services_of(settings[slotted("SCEP_USAGE", slot)], habits) for slot in held}
    assigned = {}
    for service in SERVICES:
        claiming = [slot for slot, claimed in claims.items() if service in claimed]
        if (slot := habits.claimant(claiming, held)) is not None:
            assigned[service] = slot
    return assigned


def _known(names: Iterable[str], habits: Habits) -> set[str]:
    found = {_SPELLINGS[folded] for name in names if (folded := habits.usage_fold(name)) in _SPELLINGS}
    return set(SERVICES) if _ALL in found else found
