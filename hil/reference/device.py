"""The reference phone: boots as an identity, does what `decisions` says, and tells what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import Clock
from hil.identity import Firmware, Identity
from hil.reference.decisions import AskUser, Blocked, Decision, Delete, Enrol, Hold, Idle, boot_plan
from hil.reference.files import FileClient, user_agent
from hil.reference.renewal import Standing, next_renewal
from hil.reference.store import CertificateStore, Held
from hil.scep.client import Client, Holder, Issued, Outcome, Pending, Rejected, ReplyRefused, ServerView
from hil.scep.csr import build_csr
from hil.scep.http import ScepHttpError, Transport, TransportFault
from hil.settings.interpret import Interpretation, interpret
from hil.settings.profiles import Profile, profiles

START_FILE = "J100Supgrade.txt"
POLL_INTERVAL = 30.0
"""Phone seconds between polls of a pending request; no document says how long a phone waits."""

POLL_LIMIT = 600.0
"""Phone seconds after which a boot goes on with the request still pending."""

_FOR_EVER = 3e9
"""Phone seconds, a century: nothing is planned."""

Plan = Callable[[Interpretation, Identity, CertificateStore, datetime], tuple[Decision, ...]]
Report = Callable[[str, Mapping[str, object]], None]


@dataclass(frozen=True)
class Failed:
    """The enrolment came to no answer of the CA; `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class SlotOutcome:
    """What a boot did for one slot and what came of it; `result` is None where it did not enrol."""

    decision: Enrol | Hold | Blocked | AskUser | Idle
    result: Outcome | Failed | None
    began: datetime
    ended: datetime

    @property
    def slot(self) -> int:
        """The slot it is about."""
        return self.decision.slot


@dataclass(frozen=True)
class BootReport:
    """One boot: what its settings were, which certificates it deleted, and each slot's outcome.

    `slots` ends early where the boot was cancelled.
    """

    interpretation: Interpretation
    deleted: tuple[Delete, ...]
    slots: tuple[SlotOutcome, ...]
    cancelled: bool

    def slot(self, slot: int) -> SlotOutcome:
        """The outcome of `slot`; KeyError where the boot did not come to it."""
        return {outcome.slot: outcome for outcome in self.slots}[slot]


def unheard(step: str, details: Mapping[str, object]) -> None:
    """Reports to nobody."""


class ReferencePhone:
    """A phone that keeps to the documents; what they leave open is in the constants of this module.

    It speaks from `local_address` and fetches its files from under `base_url`. `report` is called
    from the booting thread with each step's name and details, `since` (ISO 8601, phone time) among
    them. `plan` is who decides; a test hands in another one to see a wrong phone.
    """

    def __init__(
        self,
        identity: Identity,
        firmware: Firmware,
        store: CertificateStore,
        clock: Clock,
        *,
        base_url: str,
        local_address: str | None = None,
        report: Report = unheard,
        plan: Plan = boot_plan,
        cancel: threading.Event | None = None,
        poll_interval: float = POLL_INTERVAL,
        poll_limit: float = POLL_LIMIT,
    ) -> None:
        self._identity = identity
        self._firmware = firmware
        self._store = store
        self._clock = clock
        self._base_url = base_url
        self._local_address = local_address
        self._report = report
        self._plan = plan
        self._cancel = cancel or threading.Event()
        self._poll_interval = poll_interval
        self._poll_limit = poll_limit
        self._agent = user_agent(identity, firmware)

    def boot(self) -> BootReport:
        """Read the settings and bring every slot to its outcome, slot after slot.

        Raises LabFault where the file server does not answer at all; an enrolment that fails is an outcome.
        """
        interpretation = self._read_settings()
        decisions = self._plan(interpretation, self._identity, self._store, self._clock.now())
        deleted = tuple(decision for decision in decisions if isinstance(decision, Delete))
        for deletion in deleted:
            self._step("delete", slot=deletion.slot, setting=deletion.setting)
            self._store.delete(deletion.slot)
        slots: list[SlotOutcome] = []
        for decision in decisions:
            if self._cancel.is_set():
                break
            if not isinstance(decision, Delete):
                slots.append(self._carry_out(decision))
        self._step("idle")
        return BootReport(interpretation, deleted, tuple(slots), cancelled=self._cancel.is_set())

    def live(self, booted: BootReport, ends: threading.Event) -> tuple[SlotOutcome, ...]:
        """Renew what the slots hold as it falls due, until `ends` is set; what came of each attempt, in their order."""
        known = {profile.slot: profile for profile in profiles(booted.interpretation, self._identity)}
        tried: dict[int, datetime] = {}
        outcomes: list[SlotOutcome] = []
        while not ends.is_set():
            held = [one for one in self._store.all() if one.slot in known and one.url == known[one.slot].url]
            standings = [Standing(h.slot, h.certificate, known[h.slot].renew_percent, tried.get(h.slot)) for h in held]
            renewal = next_renewal(standings)
            if renewal is None:
                self._clock.wait(ends, _FOR_EVER)
                break
            if self._clock.wait(ends, (renewal.at - self._clock.now()).total_seconds()):
                break
            outcome = self._renew(known[renewal.slot])
            outcomes.append(outcome)
            tried[renewal.slot] = outcome.began
        return tuple(outcomes)

    def _renew(self, profile: Profile) -> SlotOutcome:
        began = self._clock.now()
        holder = self._store.held(profile.slot)
        result = self._ask(profile, (holder.certificate, holder.key)) if holder else None
        return SlotOutcome(Enrol(profile), result, began, self._clock.now())

    def _read_settings(self) -> Interpretation:
        with FileClient(self._base_url, self._agent, local_address=self._local_address) as files:

            def fetch(name: str) -> bytes | None:
                self._step("fetch", file=name)
                return files.fetch(name)

            return interpret(START_FILE, fetch, self._identity, firmware=self._firmware)

    def _carry_out(self, decision: Enrol | Hold | Blocked | AskUser | Idle) -> SlotOutcome:
        began = self._clock.now()
        result = self._ask(decision.profile) if isinstance(decision, Enrol) else None
        return SlotOutcome(decision, result, began, self._clock.now())

    def _ask(self, profile: Profile, holder: Holder | None = None) -> Outcome | Failed:
        """Enrol, or renew what `holder` is."""
        try:
            with Transport(profile.url, local_address=self._local_address, user_agent=self._agent) as transport:
                return self._run(profile, Client(transport, clock=self._clock), holder)
        except (ScepHttpError, TransportFault, ReplyRefused) as failure:
            self._step("enrolment failed", slot=profile.slot, reason=str(failure))
            return Failed(str(failure))

    def _run(self, profile: Profile, client: Client, holder: Holder | None) -> Outcome:
        """From a new key to the installed certificate, polled as long as it is pending."""
        self._step("generate key", slot=profile.slot, bits=profile.key_bits)
        key = rsa.generate_private_key(65537, profile.key_bits)
        self._step("discover", slot=profile.slot, ca_identifier=profile.ca_identifier)
        server = client.discover(profile.ca_identifier)
        digest = digest_for(server)
        csr = build_csr(key, profile.subject, challenge_password=profile.challenge_password, digest=digest)
        self._step("enrol" if holder is None else "renew", slot=profile.slot, subject=profile.common_name)
        if holder is None:
            outcome = client.enrol(csr, key, server=server, cipher=profile.cipher, digest=digest)
        else:
            outcome = client.renew(csr, key, holder, server=server, cipher=profile.cipher, digest=digest)
        outcome = self._poll(profile, client, outcome)
        match outcome:
            case Issued():
                held = Held(profile.slot, profile.url, outcome.certificate, key, outcome.chain, self._clock.now())
                self._store.install(held)
                self._step("installed", slot=profile.slot, serial=f"{outcome.certificate.serial:x}")
            case Rejected():
                reason = outcome.fail_info.name if outcome.fail_info is not None else None
                self._step("rejected", slot=profile.slot, fail_info=reason)
            case Pending():
                self._step("still pending", slot=profile.slot)
        return outcome

    def _poll(self, profile: Profile, client: Client, outcome: Outcome) -> Outcome:
        deadline = self._clock.now() + timedelta(seconds=self._poll_limit)
        while isinstance(outcome, Pending) and self._clock.now() < deadline:
            self._step("wait to poll", slot=profile.slot)
            if self._clock.wait(self._cancel, self._poll_interval):
                break
            self._step("poll", slot=profile.slot)
            outcome = client.poll(outcome)
        return outcome

    def _step(self, step: str, **details: object) -> None:
        self._report(step, {**details, "since": self._clock.now().isoformat()})


def digest_for(server: ServerView) -> str:
    """SHA-256 where the CA offers it, else the best it does."""
    return "sha256" if server.offers("SHA-256") or server.offers("SCEPStandard") else server.digest
