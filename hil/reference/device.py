"""The reference phone: boots as an identity, does what `decisions` says, and tells what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import Clock
from hil.identity import Firmware, Identity
from hil.reference.decisions import AskUser, Blocked, Decision, Delete, Enrol, Hold, Idle, boot_plan
from hil.reference.eapol import RadiusClient
from hil.reference.endpoints import endpoints
from hil.reference.files import FileClient, user_agent
from hil.reference.own_time import OwnTime, Told, the_clocks
from hil.reference.reasons import reason
from hil.reference.renewal import RETRY, Renewal, Standing, next_renewal
from hil.reference.services import Services, trusting
from hil.reference.store import CertificateStore, Held
from hil.reference.supplicant import supplicant
from hil.reference.usage import serving_slot
from hil.scep.certificate import Certificate
from hil.scep.client import Client, Holder, Issued, Outcome, Pending, Rejected, ReplyRefused, ServerView
from hil.scep.csr import build_csr
from hil.scep.http import ScepHttpError, Transport, TransportFault
from hil.settings.interpret import Interpretation, interpret
from hil.settings.profiles import Profile, profiles
from hil.settings.usage import read_usage

START_FILE = "J100Supgrade.txt"
POLL_INTERVAL = 30.0
"""Phone seconds between polls of a pending request; no document says how long a phone waits."""

POLL_LIMIT = 600.0
"""Phone seconds after which a boot goes on with the request still pending."""

ATTENDING = timedelta(hours=1)
"""From one time that each service over TLS is asked to the next; no document says how often a phone does."""

_FOR_EVER = timedelta(seconds=3e9)
"""A century: nothing is planned."""

NOBODY_TRUSTED = "its server is an https one, and TRUSTCERTS names nobody to trust"

Plan = Callable[[Interpretation, Identity, CertificateStore, datetime], tuple[Decision, ...]]
Report = Callable[[str, Mapping[str, object]], None]
Reach = Callable[[Profile], str]


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


def as_told(profile: Profile) -> str:
    """A profile's server is where its URL says."""
    return profile.url


class ReferencePhone:
    """A phone that keeps to the documents; what they leave open is in the constants of this module.

    It speaks from `local_address` and fetches its files from under `base_url`. `report` is called
    from the booting thread with each step's name and details, `since` (ISO 8601, phone time) among
    them. `plan` is who decides; a test hands in another one to see a wrong phone. `reach` says where the server
    of a profile's URL really is. `time` is what it asks for the time at each boot. To services over TLS, wherever its
    settings say they are, it goes only if it `attends`; `hosts` are the addresses of host names, since it asks no DNS server.
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
        reach: Reach = as_told,
        cancel: threading.Event | None = None,
        poll_interval: float = POLL_INTERVAL,
        poll_limit: float = POLL_LIMIT,
        time: Told = the_clocks,
        attends: bool = False,
        hosts: Mapping[str, str] = MappingProxyType({}),
        radius: RadiusClient | None = None,
    ) -> None:
        self._identity = identity
        self._firmware = firmware
        self._store = store
        self._clock = OwnTime(clock, time)
        self._base_url = base_url
        self._local_address = local_address
        self._report = report
        self._plan = plan
        self._reach = reach
        self._cancel = cancel or threading.Event()
        self._poll_interval = poll_interval
        self._poll_limit = poll_limit
        self._attends = attends
        self._hosts = hosts
        self._radius = radius
        self._told: Interpretation | None = None
        self._agent = user_agent(identity, firmware)
        self._trusted = ""
        """The certificates of TRUSTCERTS as PEM."""

    def boot(self) -> BootReport:
        """Read the settings and bring every slot to its outcome, slot after slot.

        Raises LabFault where the file server does not answer at all; an enrolment that fails is an outcome.
        """
        interpretation = self._told = self._read_settings()
        self._step("ask the time", told=self._clock.ask())
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

    def authenticate(self) -> None:
        """Ask to be let through a port, by what the boot before was told and left in the store; belongs before `boot`."""
        credentials = supplicant(self._told, self._identity, self._store) if self._told else None
        if credentials is None or self._radius is None:
            self._step("speaks no 802.1X")
            return
        passed = self._radius.authenticate(self._identity.mac, credentials)
        self._step("let through" if passed else "not let through", serial=f"{credentials.certificate.serial:x}")

    def live(self, booted: BootReport, ends: threading.Event) -> tuple[SlotOutcome, ...]:
        """Attend to services and renew what the slots hold as it falls due, until `ends` is set; what came of each renewal."""
        known = {profile.slot: profile for profile in profiles(booted.interpretation, self._identity)}
        tried: dict[int, datetime] = {}
        outcomes: list[SlotOutcome] = []
        with closing(self._services(booted.interpretation, known)) as services:
            services.attend()
            attended = self._clock.now()
            while not ends.is_set():
                held = self._held(known)
                standings = [Standing(h.slot, h.certificate, known[h.slot].renew_percent, tried.get(h.slot)) for h in held]
                renewal = next_renewal(standings)
                self._step("planned", **planned(renewal, standings))
                again = attended + (ATTENDING if services.endpoints else _FOR_EVER)
                due = min(again, renewal.at) if renewal is not None else again
                if self._clock.wait(ends, (due - self._clock.now()).total_seconds()):
                    break
                if renewal is None or again < renewal.at:
                    services.attend()
                    attended = self._clock.now()
                    continue
                outcome = self._renew(known[renewal.slot])
                outcomes.append(outcome)
                tried[renewal.slot] = outcome.began
        return tuple(outcomes)

    def _held(self, known: Mapping[int, Profile]) -> tuple[Held, ...]:
        """What the store holds of the profiles' own servers."""
        return tuple(one for one in self._store.all() if one.slot in known and one.url == known[one.slot].url)

    def _services(self, told: Interpretation, known: Mapping[int, Profile]) -> Services:
        usages = {slot: read_usage(profile.usage) for slot, profile in known.items()}

        def identity(service: str) -> Held | None:
            held = {one.slot: one for one in self._held(known)}
            slot = serving_slot(service, usages, held)
            return held[slot] if slot is not None else None

        told_of = endpoints(told) if self._attends and self._trusted else ()
        return Services(told_of, self._trusted, identity, self._tell, self._local_address, self._hosts)

    def _fetch(self, names: Sequence[str]) -> str:
        """The files of these names, one after another."""
        with FileClient(self._base_url, self._agent, local_address=self._local_address) as files:
            return "".join((files.fetch(name) or b"").decode("ascii", "replace") for name in names if name)

    def _tell(self, step: str, details: Mapping[str, object]) -> None:
        self._step(step, **details)

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

            read = interpret(START_FILE, fetch, self._identity, firmware=self._firmware)
        self._step("settings", files=len(read.files), parameters=len(read.settings), ignored=len(read.ignored))
        self._trusted = self._fetch(read.value("TRUSTCERTS").split(","))
        return read

    def _carry_out(self, decision: Enrol | Hold | Blocked | AskUser | Idle) -> SlotOutcome:
        began = self._clock.now()
        self._step("decided", slot=decision.slot, decision=type(decision).__name__, reason=reason(decision))
        result = self._ask(decision.profile) if isinstance(decision, Enrol) else None
        return SlotOutcome(decision, result, began, self._clock.now())

    def _ask(self, profile: Profile, holder: Holder | None = None) -> Outcome | Failed:
        """Enrol, or renew what `holder` is."""
        url = self._reach(profile)
        over_tls = url.lower().startswith("https://")
        if over_tls and not self._trusted:
            self._step("enrolment failed", slot=profile.slot, reason=NOBODY_TRUSTED)
            return Failed(NOBODY_TRUSTED)
        tls = trusting(self._trusted) if over_tls else None
        try:
            with Transport(url, local_address=self._local_address, user_agent=self._agent, tls=tls) as transport:
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
                self._step("installed", slot=profile.slot, **valid(outcome.certificate))
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


def planned(renewal: Renewal | None, standings: Sequence[Standing]) -> dict[str, object]:
    """What there is to tell of the next renewal: its instant, and what made it that; nothing where none is planned."""
    if renewal is None:
        return {}
    standing = next(standing for standing in standings if standing.slot == renewal.slot)
    again = standing.tried is not None and renewal.at > standing.tried and renewal.at == standing.tried + RETRY
    told = {"slot": renewal.slot, "at": renewal.at.isoformat(), "percent": standing.percent, "again": again}
    return told | valid(standing.certificate)


def valid(certificate: Certificate) -> dict[str, object]:
    """Which certificate it is, and from when to when it is valid."""
    validity = {"not_before": certificate.not_before.isoformat(), "not_after": certificate.not_after.isoformat()}
    return {"serial": f"{certificate.serial:x}", **validity}
