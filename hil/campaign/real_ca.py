"""A real CA behind the phones' slots: which one is meant, what cannot be played before it, and its end entities."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.bench.external import KEY, External
from hil.bench.source import Source
from hil.bench.testbed import Phone, Testbed
from hil.campaign.plan import PlannedBoot
from hil.campaign.render import Server, asked_profiles
from hil.errors import LabFault, Misuse
from hil.scenario import ChangeSettings, Issue, PassTime, Scenario, TellTime, layers
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.client import Client
from hil.scep.http import Transport
from hil.scep.trust import KnownCertificates, Pin, read_fingerprint, trusted
from hil.secret import Secret
from hil.services.relay import why_unplayable
from hil.services.upstream import Upstream

_DAY = 86_400.0
_MOST_SAID = 300
"""Characters of the command's words that a fault repeats."""


def why_not_played(scenario: Scenario, external: External | None = None) -> str | None:
    """Why no real CA, or not this one as its testbed describes it, can show a scenario and its mates; None where it can."""
    reasons = (_bar(one, external) for one in (scenario, *scenario.mates))
    return next((f"before a real CA: {reason}" for reason in reasons if reason), None)


def _bar(scenario: Scenario, external: External | None) -> str | None:
    if scenario.persona:
        return f"it does not behave as {scenario.persona} at will"
    for answer in scenario.ca:
        if unplayable := why_unplayable(answer):
            return f"{answer!r}: {unplayable[0]}"
    if scenario.services:
        return "which certificate a service was shown is told by its serial number, which the CA's reply seals"
    watched = sum(abs(step.span) for step in scenario.steps if isinstance(step, PassTime))
    leaps = max((abs(step.ahead or 0.0) for step in scenario.steps if isinstance(step, TellTime)), default=0.0)
    if watched + leaps > _DAY:
        return "it says itself how long a certificate is valid, so nobody knows what falls due meanwhile"
    return _not_known(scenario, external) if external is not None else None


def _not_known(scenario: Scenario, external: External) -> str | None:
    """Why the CA, as it is, does not know whom the scenario makes of the phone."""
    if external.prepare is not None:
        grants = [answer for answer in scenario.ca if isinstance(layers(answer)[-1], Issue)]
        return "it serves an end entity once, and here it is asked more often" if grants not in ([], [Issue()]) else None
    changed = [name for step in scenario.steps if isinstance(step, ChangeSettings) for name, _ in step.settings]
    told = {name for name, value in scenario.settings if value} | set(changed)
    if external.entities and "MYCERTCN" in told:
        return "nobody tells it of another name than the testbed's; ca.external.prepare would"
    if any(entity.password_env or entity.password_file for entity in external.entities) and "SCEPPASSWORD" in told:
        return "nobody tells it of another password than the testbed's; ca.external.prepare would"
    return None


def told_in_slots(testbed: Testbed) -> Mapping[int, Mapping[str, str]]:
    """By slot what a phone is told of its end entity, as profile 1 spells it; nothing where no real CA answers."""
    external = testbed.ca.external
    if external is None:
        return {}
    passwords = external.passwords(testbed.source)
    return {
        slot: {"MYCERTCN": entity.common_name} | ({"SCEPPASSWORD": password.reveal()} if password else {})
        for slot, (entity, password) in enumerate(zip(external.entities, passwords, strict=True), 1)
    }


def check_external(testbed: Testbed) -> None:
    """Raise `Misuse` where a file that `ca.external` names is not there, or holds no certificate."""
    external = testbed.ca.external
    if external is not None:
        _pin(external, testbed.source)
        _tls(external, testbed.source)


def require_meant_ca(testbed: Testbed) -> None:
    """Raise `LabFault` where the real CA does not answer, is not believed, or is not the one that is meant."""
    external = testbed.ca.external
    if external is None:
        return
    pin = _pin(external, testbed.source)
    with Transport(external.url, timeout=external.patience, tls=_tls(external, testbed.source)) as transport:
        trusted(Client(transport).discover(external.identifier), pin)


def upstream_of(external: External, testbed: Source) -> Upstream:
    """The CA as the proxy asks it."""
    return Upstream(external.url, external.tls_trust_file(testbed), patience=external.patience)


def _pin(external: External, testbed: Source) -> Pin:
    file = external.certificate_file(testbed)
    if file is None:
        return read_fingerprint(external.fingerprint or "")
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
        return KnownCertificates([_read(certificate) for certificate in found])
    except (OSError, ValueError) as error:
        raise Misuse(f"{file} holds no certificate", file=testbed, key=f"{KEY}.certificate", remedy="name a PEM file") from error


def _read(certificate: x509.Certificate) -> Certificate:
    return read_certificate(certificate.public_bytes(Encoding.DER))


def _tls(external: External, testbed: Source) -> ssl.SSLContext | None:
    file = external.tls_trust_file(testbed)
    try:
        return None if file is None else ssl.create_default_context(cafile=file)
    except OSError as error:
        raise Misuse(f"{file} holds no certificate", file=testbed, key=f"{KEY}.tls_trust", remedy="name a PEM file") from error


@dataclass(frozen=True)
class Enrolling:
    """An end entity that is to be New, and whose it is."""

    phone: str
    slot: int
    entity: str
    password: Secret


class Administrator:
    """Has the site's command set end entities to New, one after another; safe among threads."""

    def __init__(self, external: External, testbed: Testbed) -> None:
        self._command = external.prepare
        self._limit = external.limit
        self._bench = testbed.name
        self._folder = testbed.file.parent
        self._last: dict[str, tuple[Enrolling, ...]] = {}
        self._turn = threading.Lock()

    def prepare(self, phone: Phone, boot: PlannedBoot, held: Collection[int], server: Server) -> None:
        """Set to New whom the CA will be asked for in `boot`, in slots that hold no certificate; `LabFault` where that fails."""
        if self._command is None:
            return
        due = tuple(_due(phone, boot, held, server))
        names = [one.entity for one in due]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise LabFault(f"two slots ask for the end entity {twice!r}, which serves once", bench=self._bench, phone=phone.name)
        self._last[phone.name] = due
        self.set_new(phone.name)

    def set_new(self, phone: str) -> None:
        """Set to New, once more, the end entities of the phone's last boot."""
        for one in self._last.get(phone, ()):
            with self._turn:
                self._run(one)

    def _run(self, one: Enrolling) -> None:
        assert self._command is not None
        told = {
            "HIL_PHONE": one.phone,
            "HIL_SLOT": str(one.slot),
            "HIL_ENTITY": one.entity,
            "HIL_PASSWORD": one.password.reveal(),
        }
        with tempfile.TemporaryFile() as said:
            seen = self._ended(self._command, told, said.fileno())
            if seen is None:
                return
            said.seek(0)
            words = said.read(65_536).decode("utf-8", "replace")
        shown = " ".join((words.replace(one.password.reveal(), "<secret>") if one.password else words).split())
        raise LabFault(
            f"the end entity {one.entity!r} of slot {one.slot} could not be set to New",
            bench=self._bench,
            phone=one.phone,
            tried=" ".join(self._command),
            seen=f"{seen}: {shown[:_MOST_SAID] or 'no word'}",
        )

    def _ended(self, command: Sequence[str], told: Mapping[str, str], said: int) -> str | None:
        """How the command failed, None where it did not; all that it started ends with it where it takes too long."""
        try:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **told},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        try:
            code = process.wait(self._limit)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return f"did not end within {self._limit:g} s"
            raise
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return f"exit code {code}" if code else None


def _due(phone: Phone, boot: PlannedBoot, held: Collection[int], server: Server) -> list[Enrolling]:
    found = []
    for slot, scenario in boot.scenarios:
        if scenario.enrols and slot not in held:
            for profile in asked_profiles([boot], slot, phone.name, phone.identity, server):
                password = profile.challenge_password or Secret("")
                found.append(Enrolling(phone.name, slot, profile.common_name, password))
    return found
