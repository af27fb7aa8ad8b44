"""Who plays the CA behind each slot: the bench's own CA, a persona with the end entities that it knows, or a real CA."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hil.bench.bench import Bench
from hil.bench.source import Source
from hil.bench.testbed import Phone, Testbed
from hil.campaign.plan import PlannedBoot
from hil.campaign.real_ca import Administrator, check_external, upstream_of, why_not_played
from hil.campaign.render import Server
from hil.campaign.root import standing_authority
from hil.clock import Clock, ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName
from hil.scenario import Answer, Issue, Scenario
from hil.scep.authority import Authority
from hil.scep.beside import PLACE, PLACES
from hil.scep.personas import Admission, Persona, persona
from hil.scep.signers import EndEntities, EntityClass, OneTimeChallenges
from hil.settings.profiles import Profile

if TYPE_CHECKING:
    from hil.services.lab import Lab


def known(name: str, *, key: str = "persona", file: Source | None = None) -> str:
    """`name` where it is a persona's, or empty for the bench's own CA; `Misuse` names those there are."""
    try:
        return persona(name).name if name else ""
    except Misuse as unknown:
        raise Misuse(unknown.problem, file=file, key=key, remedy=unknown.remedy) from None


def check_ca(testbed: Testbed) -> None:
    """Raise `Misuse` where the testbed names a persona that there is not, no place of a request, or no real CA."""
    known(testbed.ca.persona or "", key="ca.persona", file=testbed.source)
    place = testbed.ca.class_in
    if place is not None and not PLACE.fullmatch(place):
        raise Misuse(f"{place!r} is no place of a request", file=testbed.source, key="ca.class_in", remedy=f"use {PLACES}")
    check_external(testbed)


class Cast:
    """Puts CAs behind the slots of phones and references; safe among threads.

    Each persona has one CA, kept with the bench, and its keys are kept in `keys` with the run that it plays in. Behind each slot
    it knows the end entities that this slot's settings ask for, each with its password, New once. Where the testbed names
    the persona and not the scenario, somebody sets them to New before each request, as with a real CA. Where the testbed
    says how entity classes travel, phones have to write theirs there; the reference writes it nowhere. Where the testbed
    has a real CA, that answers the phones, and all this is for references.
    """

    def __init__(self, bench: Bench, lab: Lab, keys: Path) -> None:
        self._default = bench.testbed.ca.persona or ""
        self._class_in = {phone.name: bench.testbed.ca.class_in for phone in bench.testbed.phones}
        self._real = bench.testbed.ca.external
        self._administrator = Administrator(self._real, bench.testbed) if self._real else None
        self._upstream = upstream_of(self._real, bench.testbed.source) if self._real else None
        self._state = bench.state
        self._clock: ScaledClock = bench.clock
        self._lab = lab
        self._keys = keys
        self._authorities: dict[str, Authority] = {}
        self._entities: dict[tuple[str, int], EndEntities] = {}
        self._lock = threading.Lock()

    def role(self, wanted: str) -> str:
        """The persona that plays where a scenario wants `wanted`: that one, or the testbed's; empty for the bench's own CA."""
        return wanted or self._default

    @property
    def external(self) -> bool:
        """Whether a real CA answers the phones."""
        return self._real is not None

    def why_not_played(self, scenario: Scenario) -> str | None:
        """Why the CA of the phones cannot show a scenario, None where it can."""
        return why_not_played(scenario, self._real) if self._real else None

    def prepare(self, phone: Phone, boot: PlannedBoot, held: Collection[int], server: Server) -> None:
        """Have the real CA, if any, expect the phone in the slots that hold no certificate; `LabFault` where it cannot."""
        if self._administrator is not None:
            self._administrator.prepare(phone, boot, held, server)

    def seat(
        self, device: str, slot: int, *, answers: Sequence[Answer] = (Issue(),), wanted: str = "", asked: Collection[Profile] = ()
    ) -> None:
        """Put the CA that is `wanted` behind a slot, in place of the former one; `asked` are the profiles that it has to know."""
        name = self.role(wanted)
        if self._upstream is not None and device in self._class_in:
            self._lab.forward(device, slot, self._upstream, answers=answers)
            return
        if not name:
            self._lab.script(device, slot, answers=answers)
            return
        who, clock = persona(name), self._lab.events.clock_of(device)
        admission = _admission(asked, clock, standing=not wanted, class_in=self._class_in.get(device) or "")
        self._entities[device, slot] = admission.entities
        named = next((profile.ca_identifier for profile in asked), "CAIdentifier")
        service = who.service(self._authority(who), admission, clock=clock, identifier=named, script=answers)
        self._lab.seat(device, slot, who.endpoint(service))

    def set_new(self, phone: str) -> None:
        """Set the end entities of a phone and of its reference to New, once more."""
        for (device, _), entities in tuple(self._entities.items()):
            if device in (phone, f"{phone}.reference"):
                entities.set_all_new()
        if self._administrator is not None:
            self._administrator.set_new(phone)
        self._lab.events.publish(EventName.ENTITY_NEW, device=phone)

    def _authority(self, who: Persona) -> Authority:
        with self._lock:
            if who.name not in self._authorities:
                authority = standing_authority(self._state / f"ca-{who.name}", self._clock, who)
                draft = self._keys.parent / f"{who.name}.part"
                authority.save(draft)
                draft.rename(self._keys / who.name)  # whoever reads the keys meanwhile finds all of them or none
                self._authorities[who.name] = authority
            return self._authorities[who.name]


def _admission(asked: Collection[Profile], clock: Clock, *, standing: bool, class_in: str) -> Admission:
    members = {p.challenge_password: p.entity_class for p in asked if p.entity_class and p.challenge_password is not None}
    asked = [profile for profile in asked if not profile.entity_class]
    passwords = {p.common_name: p.challenge_password for p in asked if p.challenge_password is not None}
    challenges = OneTimeChallenges()
    for password in {*passwords.values(), *members}:
        challenges.hand_out(password, clock.now())
    entities = EndEntities(_names(asked), passwords, always_new=standing)
    return Admission(next(iter(passwords.values()), None), entities, challenges, EntityClass(members, place=class_in))


def _names(asked: Collection[Profile]) -> Iterator[str]:
    return (profile.common_name for profile in asked)
