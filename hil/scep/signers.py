"""Who signs, and what stands before: small layers that compose to a CA's policy.

chain(challenge(Secret("...")), policy(key_bits={2048, 4096}), to=issue(authority))
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from hil.errors import Misuse
from hil.frozen import frozen
from hil.scep.authority import Authority
from hil.scep.beside import Beside, places
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr
from hil.scep.messages import FailInfo
from hil.secret import Secret


@frozen
class CertificateRequest:
    """What a signer decides on: the CSR, who signed the request, and the validity that the script grants.

    `holder` is the certificate of this CA that signed a renewal, None for a first enrolment.
    `days` and `backdated` are days; `at` is the CA's instant. `beside` is what HTTP carried besides.
    """

    csr: Csr
    transaction_id: str
    at: datetime
    days: float = 365.0
    backdated: float = 0.0
    holder: Certificate | None = None
    beside: Beside = field(default_factory=dict, repr=False)


class Refused(Exception):
    """A signer's no; becomes a CertRep FAILURE with this failInfo."""

    def __init__(self, fail_info: FailInfo, text: str) -> None:
        self.fail_info = fail_info
        self.text = text
        super().__init__(f"{fail_info.name}: {text}")


class Signer(Protocol):
    """The end of a CA's decision."""

    def sign(self, request: CertificateRequest) -> Certificate:
        """The certificate, or `Refused`."""


Layer = Callable[[Signer], Signer]
Expected = Secret | Callable[[CertificateRequest], Secret | None]


def chain(*layers: Layer, to: Signer) -> Signer:
    """The layers in the order in which a request meets them, and the signer behind them."""
    for layer in reversed(layers):
        to = layer(to)
    return to


def issue(authority: Authority, *, digest: str = "sha256") -> Signer:
    """Grants everything."""
    return _Issue(authority, digest)


def challenge(expected: Expected, *, renewals_too: bool = False) -> Layer:
    """Refuses a wrong challengePassword, and a missing one unless the request renews (RFC 8894 section 2.4).

    `expected` is the password, or what finds it for a request (None: any will do). With
    `renewals_too` a renewal needs one as well.
    """
    return lambda then: _Challenge(expected, renewals_too, then)


def one_time(challenges: OneTimeChallenges) -> Layer:
    """Takes each challengePassword that was handed out once, as NDES does; a renewal needs none."""
    return lambda then: _OneTime(challenges, then)


def policy(*, key_bits: Collection[int] | None = None, digests: Collection[str] | None = None) -> Layer:
    """Refuses keys of other lengths and CSRs signed with other digests; None refuses nothing."""
    return lambda then: _Policy(key_bits, digests, then)


def end_entity(entities: EndEntities) -> Layer:
    """Grants each end entity once, as EJBCA does: its status must be New."""
    return lambda then: _EndEntity(entities, then)


def by_class(members: EntityClass, *, apart: Signer) -> Layer:
    """Lets whoever has the password of an entity class on; what becomes of all others is for `apart` to say."""
    return lambda then: _ByClass(members, apart, then)


@dataclass(frozen=True)
class EntityClass:
    """Devices that enrol with one password, which holds before the instant `until`, in place of an end entity for each.

    System Manager has such classes (Enhanced Enrollment page). Macros make passwords a device's own; `passwords` has the
    name of the class for each. Without a `place` the password alone shows who is of a class. With one, such as
    `header x-entity-class`, the name has to stand there as well: how it travels no document says.
    """

    passwords: Mapping[Secret, str] = field(default_factory=dict)
    until: datetime | None = None
    place: str = ""

    def lacks(self, request: CertificateRequest) -> bool:
        """Whether the request does not carry the name of its password's class where it is expected."""
        name = self.passwords[request.csr.challenge_password] if request.csr.challenge_password else ""
        return bool(self.place) and self.place not in places(name, request.beside, request.csr)


class EndEntities:
    """Which common names are New, and the passwords of those that have one; safe among threads.

    Issuance sets an entity to Generated, which is no longer New. With `always_new` somebody sets it to New again
    before each request.
    """

    def __init__(
        self, new: Iterable[str] = (), passwords: Mapping[str, Secret] | None = None, *, always_new: bool = False
    ) -> None:
        self._passwords = dict(passwords or {})
        self._known = frozenset({*new, *self._passwords})
        self._new = set(self._known)
        self._always_new = always_new
        self._lock = threading.Lock()

    def password(self, request: CertificateRequest) -> Secret | None:
        """What `challenge` expects of a request: its entity's password, None where it has none."""
        return self._passwords.get(_common_name(request))

    def set_new(self, common_name: str) -> None:
        """Let the entity enrol once more."""
        with self._lock:
            self._new.add(common_name)

    def set_all_new(self) -> None:
        """Let every entity that was New at first enrol once more."""
        with self._lock:
            self._new |= self._known

    def take(self, common_name: str) -> bool:
        """Whether the entity was New; it is no longer."""
        with self._lock:
            if self._always_new:
                return common_name in self._known
            known = common_name in self._new
            self._new.discard(common_name)
            return known


class OneTimeChallenges:
    """Passwords handed out for one enrolment each; at most `most` wait, each for `lifetime`; safe among threads.

    NDES keeps five for an hour each (PasswordMax and PasswordValidity in its registry).
    """

    def __init__(self, *, most: int = 5, lifetime: timedelta = timedelta(hours=1)) -> None:
        self._most, self._lifetime = most, lifetime
        self._until: dict[Secret, datetime] = {}
        self._lock = threading.Lock()

    def new(self, at: datetime) -> Secret:
        """A fresh password; `Misuse` where too many wait."""
        with self._lock:
            self._until = {waiting: until for waiting, until in self._until.items() if until > at}
            if len(self._until) >= self._most:
                raise Misuse(f"{self._most} one-time passwords wait already", remedy="use one, or let them expire")
            password = Secret(secrets.token_hex(8).upper())
            self._until[password] = at + self._lifetime
            return password

    def hand_out(self, password: Secret, at: datetime) -> None:
        """Let a password wait that was chosen elsewhere."""
        with self._lock:
            self._until[password] = at + self._lifetime

    def take(self, password: Secret, at: datetime) -> bool:
        """Whether the password was waiting; it no longer is."""
        with self._lock:
            until = self._until.pop(password, None)
        return until is not None and until > at


def _common_name(request: CertificateRequest) -> str:
    return dict(request.csr.subject_parts).get("CN", "")


@dataclass(frozen=True)
class _Issue:
    authority: Authority
    digest: str

    def sign(self, request: CertificateRequest) -> Certificate:
        not_before = request.at - timedelta(days=request.backdated)
        not_after = not_before + timedelta(days=request.days)
        return self.authority.issue(request.csr, not_before=not_before, not_after=not_after, digest=self.digest)


@dataclass(frozen=True)
class _Challenge:
    expected: Expected
    renewals_too: bool
    then: Signer

    def sign(self, request: CertificateRequest) -> Certificate:
        expected = self.expected if isinstance(self.expected, Secret) else self.expected(request)
        given = request.csr.challenge_password
        renews = request.holder is not None and given is None and not self.renewals_too
        if expected is not None and not renews and given != expected:
            missing = "missing" if given is None else "wrong"
            raise Refused(FailInfo.badRequest, f"challengePassword {missing}")
        return self.then.sign(request)


@dataclass(frozen=True)
class _ByClass:
    members: EntityClass
    apart: Signer
    then: Signer

    def sign(self, request: CertificateRequest) -> Certificate:
        if request.csr.challenge_password not in self.members.passwords:
            return self.apart.sign(request)
        if self.members.until is not None and request.at >= self.members.until:
            raise Refused(FailInfo.badRequest, "the password of the entity class has expired")
        if self.members.lacks(request):
            raise Refused(FailInfo.badRequest, f"no entity class in its place, {self.members.place}")
        if request.holder is not None and request.holder.subject_der != request.csr.subject_der:
            raise Refused(FailInfo.badRequest, "an entity of a class renews under the name that it has")
        return self.then.sign(request)


@dataclass(frozen=True)
class _OneTime:
    challenges: OneTimeChallenges
    then: Signer

    def sign(self, request: CertificateRequest) -> Certificate:
        given = request.csr.challenge_password
        renews = request.holder is not None and given is None
        if not renews and (given is None or not self.challenges.take(given, request.at)):
            raise Refused(FailInfo.badRequest, "challengePassword missing" if given is None else "challengePassword not waiting")
        return self.then.sign(request)


@dataclass(frozen=True)
class _Policy:
    key_bits: Collection[int] | None
    digests: Collection[str] | None
    then: Signer

    def sign(self, request: CertificateRequest) -> Certificate:
        csr = request.csr
        if self.key_bits is not None and csr.key_bits not in self.key_bits:
            raise Refused(FailInfo.badRequest, f"key of {csr.key_bits} bits")
        if self.digests is not None and csr.signature_digest not in self.digests:
            raise Refused(FailInfo.badAlg, f"CSR signed with {csr.signature_digest}")
        return self.then.sign(request)


@dataclass(frozen=True)
class _EndEntity:
    entities: EndEntities
    then: Signer

    def sign(self, request: CertificateRequest) -> Certificate:
        common_name = _common_name(request)
        if not self.entities.take(common_name):
            raise Refused(FailInfo.badRequest, "end entity is not New")
        try:
            return self.then.sign(request)
        except Refused:
            self.entities.set_new(common_name)
            raise
