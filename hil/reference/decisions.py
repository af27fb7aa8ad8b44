"""What a phone that keeps to the documents does with its three slots at boot: decided from facts, without I/O.

Sources: SCEP page of the J100 R4.1.x guide (no URL, no contact; no enrolment where a certificate
got by SCEP is installed) and Avaya's settings template of July 2022 (a certificate belongs to the
URL it came from; DELETE_MY_CERT, DELETE_SCEP_CERT; an empty SCEPPASSWORD asks the user).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hil.identity import Identity
from hil.reference.store import CertificateStore, Held
from hil.settings.catalog import SLOTS, for_slot
from hil.settings.interpret import Interpretation
from hil.settings.profiles import Profile, profiles


@dataclass(frozen=True)
class Delete:
    """The slot's certificate is removed, because this setting is 1."""

    slot: int
    setting: str


@dataclass(frozen=True)
class Enrol:
    """The slot has a URL and no certificate from it."""

    profile: Profile

    @property
    def slot(self) -> int:
        """The profile's slot."""
        return self.profile.slot


@dataclass(frozen=True)
class Hold:
    """The slot has a certificate from its URL; that one may have expired changes nothing."""

    slot: int
    url: str
    expired: bool


@dataclass(frozen=True)
class Blocked:
    """Nothing may be installed in the slot while this setting is 1."""

    slot: int
    setting: str


@dataclass(frozen=True)
class AskUser:
    """The challenge password is empty: the phone waits for a person to type one, and does not enrol unattended."""

    slot: int


@dataclass(frozen=True)
class Idle:
    """The slot has no URL, so no server is contacted for it."""

    slot: int


Decision = Delete | Enrol | Hold | Blocked | AskUser | Idle


def boot_plan(interpretation: Interpretation, identity: Identity, store: CertificateStore, now: datetime) -> tuple[Decision, ...]:
    """What a boot does, in this order: deletions, then one decision for each slot from 1 to 3."""
    by_slot = {profile.slot: profile for profile in profiles(interpretation, identity)}
    deletions = _deletions(interpretation, store.all())
    gone = {deletion.slot for deletion in deletions}
    decisions = (
        _decide(slot, by_slot.get(slot), None if slot in gone else store.held(slot), _blocking(interpretation, slot), now)
        for slot in SLOTS
    )
    return (*deletions, *decisions)


def _decide(slot: int, profile: Profile | None, held: Held | None, blocking: str | None, now: datetime) -> Decision:
    if profile is None:
        return Idle(slot)
    if held is not None and held.url == profile.url:
        return Hold(slot, held.url, expired=now > held.certificate.not_after)
    if blocking is not None:
        return Blocked(slot, blocking)
    return AskUser(slot) if profile.prompts_user else Enrol(profile)


def _deletions(interpretation: Interpretation, held: Sequence[Held]) -> tuple[Delete, ...]:
    """DELETE_MY_CERT removes an only certificate; DELETE_SCEP_CERT and its kin each remove their slot's."""
    deletions = {}
    if len(held) == 1 and interpretation.value("DELETE_MY_CERT") == "1":
        deletions[held[0].slot] = Delete(held[0].slot, "DELETE_MY_CERT")
    for one in held:
        setting = for_slot("DELETE_SCEP_CERT", one.slot)
        if interpretation.value(setting) == "1":
            deletions[one.slot] = Delete(one.slot, setting)
    return tuple(deletions[slot] for slot in sorted(deletions))


def _blocking(interpretation: Interpretation, slot: int) -> str | None:
    """The setting that forbids installing anything in `slot`, if one does."""
    settings = ("DELETE_MY_CERT", for_slot("DELETE_SCEP_CERT", slot))
    return next((setting for setting in settings if interpretation.value(setting) == "1"), None)
