"""The certificates of one boot: cleared and asked for as it starts, renewed while the power stays on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from hil.virtual.phone import errands, parameters, profiles, zone
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import Trouble
from hil.virtual.phone.flash import Flash, Pending, Stored
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.log import ERROR, Log
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.timekeeping import TimeService
from hil.virtual.phone.unit import Unit

if TYPE_CHECKING:
    from hil.virtual.phone.asking import Asking
    from hil.virtual.phone.enrolment import Enrolment, Exchange
    from hil.virtual.phone.renewal import Renewals

Planned = tuple[float, Callable[[], None]]
"""In how many phone seconds to do what."""


@dataclass
class Certificates:
    """What this boot does about the three profiles. `file_server` is its URL without a folder.

    `renewed` is done after each renewal that succeeds.
    """

    unit: Unit
    habits: Habits
    flash: Flash
    clock: Clock
    log: Log
    settings: Settings
    time: TimeService
    file_server: str
    asking: Asking
    renewed: Callable[[], None] | None = None
    _postponed: tuple[profiles.Profile, ...] = ()
    _failed: dict[int, float] = field(default_factory=dict)
    """Uptime at which an enrolment of the profile failed."""
    _refused_renewals: dict[int, Enrolment] = field(default_factory=dict)

    def at_boot(self) -> None:
        """Clears and enrols."""
        self._drop_expired()
        held = {slot: stored.url for slot, stored in self.flash.certificates().items()}
        plan = profiles.plan(self.settings, self.unit, self.habits, held, self.flash.urls(), self.file_server)
        self.flash.remember_urls(self._told)
        for slot in plan.clear:
            self.flash.delete(slot)
            self._say(slot, "certificate deleted")
        for slot, reason in plan.idle.items():
            self._say(slot, reason)
        if self.habits.needs_time and not self.time.told:
            self._postponed = plan.enrol
        elif plan.enrol:
            self.clock.sleep(self.habits.waits_before_enrolling)
            self._enrol(plan.enrol)

    def errand(self) -> errands.Errand:
        """Renews what is held as it falls due, and asks again for what was not answered."""
        renewals = self._renewals() if self.flash.certificates() or self._failed or self._postponed else None

        def first() -> Planned:
            planned = [*self._questions(), *(self._renewal(renewals) if renewals else ())]
            return min(planned, key=lambda one: one[0], default=(math.inf, lambda: None))

        return errands.Appointment(lambda: self.clock.uptime() + first()[0], lambda: first()[1]())

    def _questions(self) -> Iterable[Planned]:
        again = self.time.asks_again_in
        if again is not None:
            yield again, self._ask_time
        span = self.habits.retries_enrolment_after
        if span is not None:
            for slot, failed in self._failed.items():
                yield failed + span - self.clock.uptime(), partial(self._enrol_again, slot)

    def _enrol_again(self, slot: int) -> None:
        self._enrol([self._profile(slot)])

    def _ask_time(self) -> None:
        self.time.ask()
        if self.time.told:
            postponed, self._postponed = self._postponed, ()
            self._enrol(postponed)

    def _renewals(self) -> Renewals:
        from hil.virtual.phone.renewal import Renewals

        percents = {slot: int(self.settings[parameters.slotted("MYCERTRENEW", slot)]) for slot in profiles.slots(self.unit)}
        return Renewals(
            self.habits,
            {slot: min(max(percent, 1), 99) for slot, percent in percents.items()},
            zone.Zone(
                zone.seconds(self.settings["GMTOFFSET"]),
                float(self.settings["DSTOFFSET"]) * 3600,
                self.settings["DSTSTART"],
                self.settings["DSTSTOP"],
            ),
            power_on=lambda: self.clock.now() - self.clock.uptime(),
            tried_before=self.flash.attempts() if self.habits.remembers_attempts else {},
        )

    def _renewal(self, renewals: Renewals) -> Iterable[Planned]:
        told = self._told
        held = {slot: one for slot, one in self.flash.certificates().items() if told.get(slot) == one.url}
        upcoming = renewals.next({slot: one for slot, one in held.items() if self._may_renew(slot)})
        if upcoming is not None and (self.time.told or not self.habits.needs_time):
            slot, at = upcoming
            yield at - self.clock.now(), lambda: self._renew(slot, renewals)

    def _may_renew(self, slot: int) -> bool:
        profile = self._profile(slot)
        if not profile.entity_class:
            return True
        rests = self.habits.class_rests_under_another_name and self._renamed(profile)
        return self.habits.renews_by_class and not rests

    def _renamed(self, profile: profiles.Profile) -> bool:
        from hil.virtual.phone import pkcs10, renewal

        held = renewal.read(self.flash.certificates()[profile.slot].certificate).subject
        return bool(held.dump() != pkcs10.name(profile.subject, self.habits.utf8_strings).dump())

    def _renew(self, slot: int, renewals: Renewals) -> None:
        from hil.virtual.phone.renewal import Attempt

        began = self.clock.now()
        for _ in range(self.habits.renewal_tries):
            trouble = self._ask_for_another(slot)
            if trouble is None:
                break
        renewals.tried(slot, Attempt(began, self.clock.now(), trouble))
        self.flash.remember_attempt(slot, began if trouble else None)

    def _ask_for_another(self, slot: int) -> Trouble | None:
        """One request for a certificate in place of the one held, and what it came to."""
        from hil.virtual.phone.enrolment import Enrolment

        old, profile = self.flash.certificates()[slot], self._profile(slot)
        if self.habits.class_outlives_setting and not profile.entity_class:
            profile = replace(profile, entity_class=old.entity_class)
        self._say(slot, f"renewing, {profile.key_bits} bit key")
        before = self._refused_renewals.get(slot)
        exchange, namesake = self._exchange(profile), self._namesake(profile, old)
        renewal = before or Enrolment(profile, self.unit, self.habits, self.clock, exchange, old=old, namesake=namesake)
        trouble: Trouble | None = None
        try:
            stored = self._polled(renewal, renewal.again() if before else renewal.begin())
        except Trouble as failure:
            trouble = failure
            self._say(slot, f"renewal failed: {failure}", ERROR)
        else:
            self._install(slot, stored)
            if self.renewed:
                self.renewed()
        if self.habits.resends_refused_renewal and renewal.ca:
            self._refused_renewals[slot] = renewal
        return trouble

    def _polled(self, renewal: Enrolment, stored: Stored | None) -> Stored:
        for _ in range(self.habits.poll_limit):
            if stored is not None:
                return stored
            self.clock.sleep(self.habits.poll_interval)
            stored = renewal.poll()
        raise Trouble("still pending")

    def _enrol(self, wanted: Iterable[profiles.Profile]) -> None:
        self._poll(self._begin(wanted))

    def _begin(self, wanted: Iterable[profiles.Profile]) -> list[Enrolment]:
        """Sends every profile's request; gives those that are pending."""
        # Importing the cryptography takes longer than asking DHCP for an address, and many boots need none.
        from hil.virtual.phone.enrolment import Enrolment

        pending: list[Enrolment] = []
        kept = self.flash.pending() if self.habits.remembers_pending else {}
        first_ca = None
        for profile in wanted:
            if profile.prompts:
                self._say(profile.slot, "asking the user for the SCEP password")
                self.clock.sleep(self.habits.prompt)
                self._say(profile.slot, "nobody gave the SCEP password", ERROR)
                continue
            self._say(profile.slot, f"enrolling, {profile.key_bits} bit key")
            for _ in range(self.habits.enrolment_tries):
                exchange, namesake = self._exchange(profile), self._namesake(profile)
                enrolment = Enrolment(profile, self.unit, self.habits, self.clock, exchange, namesake=namesake, first_ca=first_ca)
                outcome = self._step(enrolment, self._beginning(enrolment, kept.get(profile.slot)))
                if outcome != "failed":
                    break
            if outcome == "pending":
                self.flash.keep_pending(profile.slot, enrolment.pending)
                pending.append(enrolment)
            if outcome == "failed" and self.habits.stops_after_failed_profile:
                break
            first_ca = enrolment.ca if self.habits.one_ca_for_all else None
        return pending

    def _exchange(self, profile: profiles.Profile) -> Exchange:
        """What carries the profile's requests, its entity class among their header fields where this phone writes it there."""
        in_header = profile.entity_class and self.habits.class_in == "header"
        return partial(self.asking, fields={"X-Entity-Class": profile.entity_class} if in_header else {})

    def _namesake(self, profile: profiles.Profile, old: Stored | None = None) -> Stored | None:
        """The certificate, held or deleted, whose name this phone goes on asking for; None where the settings have their way."""
        if old is None:
            outlives = profile.entity_class and self.habits.class_name_outlives_certificate
            return self.flash.deleted(profile.slot) if outlives else None
        keeps = profile.entity_class and self.habits.class_renewal_keeps_name
        outlives = old.entity_class and not profile.entity_class and self.habits.class_name_outlives_class
        return old if keeps or outlives else None

    def _beginning(self, enrolment: Enrolment, kept: Pending | None) -> Callable[[], Stored | None]:
        """What begins the enrolment, or goes on with one that was pending when the power went."""
        if kept is None or kept.url != enrolment.profile.url:
            return enrolment.begin
        return lambda: enrolment.resume(kept)

    def _poll(self, pending: list[Enrolment]) -> None:
        for _ in range(self.habits.poll_limit):
            if not pending:
                return
            self.clock.sleep(self.habits.poll_interval)
            pending = [enrolment for enrolment in pending if self._step(enrolment, enrolment.poll) == "pending"]
        for enrolment in pending:
            self._say(enrolment.profile.slot, "still pending, given up until the next boot", ERROR)

    def _step(self, enrolment: Enrolment, step: Callable[[], Stored | None]) -> Literal["stored", "pending", "failed"]:
        """One exchange with the CA, and what came of it."""
        slot = enrolment.profile.slot
        self._failed.pop(slot, None)
        try:
            stored = step()
        except Trouble as trouble:
            self._say(slot, f"enrolment failed: {trouble}", ERROR)
            self._failed[slot] = self.clock.uptime()
            self.flash.keep_pending(slot, None)
            return "failed"
        if stored is None:
            self._say(slot, "pending")
            return "pending"
        self._install(slot, stored)
        return "stored"

    def _install(self, slot: int, stored: Stored) -> None:
        self._say(slot, "certificate received")
        self.flash.store(slot, stored, self.clock, self.habits.flash_write)
        self.flash.keep_pending(slot, None)
        self._say(slot, "certificate stored")

    def _drop_expired(self) -> None:
        if not self.habits.replaces_expired:
            return
        from hil.virtual.phone.renewal import validity

        for slot, stored in self.flash.certificates().items():
            if validity(stored).not_after < self.clock.now():
                self.flash.delete(slot)
                self._say(slot, "certificate has expired")

    @property
    def _told(self) -> dict[int, str]:
        return profiles.urls(self.settings, self.unit, self.habits)

    def _profile(self, slot: int) -> profiles.Profile:
        return profiles.profile(slot, self._told[slot], self.settings, self.unit, self.habits)

    def _say(self, slot: int, text: str, severity: int | None = None) -> None:
        line = f"profile {slot}: {text}"
        self.log.say("CERTMGMT", line) if severity is None else self.log.say("CERTMGMT", line, severity)
