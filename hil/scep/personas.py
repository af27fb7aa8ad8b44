"""The CAs that the bench's CA can play: each a few signers, a capability list and habits of its replies, with its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from hil.clock import Clock
from hil.errors import Misuse
from hil.scenario import Answer, Issue
from hil.scep.authority import Authority
from hil.scep.ca import DEFAULT_CAPABILITIES, CaService, LedgerEntry
from hil.scep.endpoint import Endpoint, HttpHabits
from hil.scep.register import Register
from hil.scep.signers import (
    EndEntities,
    EntityClass,
    OneTimeChallenges,
    Signer,
    by_class,
    chain,
    challenge,
    end_entity,
    issue,
    one_time,
    policy,
)
from hil.secret import Secret


@dataclass(frozen=True)
class Admission:
    """Who may enrol, for whichever way a persona asks: a password for all, end entities or a class of them, one-time passwords.

    Without a `password` any will do where a persona asks for one.
    """

    password: Secret | None = None
    entities: EndEntities = field(default_factory=EndEntities)
    one_time: OneTimeChallenges = field(default_factory=OneTimeChallenges)
    entity_class: EntityClass = field(default_factory=EntityClass)


@dataclass(frozen=True)
class Persona:
    """One CA as the bench plays it; `source` says where its behaviour is written.

    `cipher` and `digest` are those of its replies, None where it takes the request's. `refused` are
    the digests and ciphers it does not take, `lacks` the messages it has no answer for. `named` means
    that the CA's name must be asked for. `path` is that of such a server's URL. With `empty_content`
    FAILURE and PENDING have a content of no octets.
    """

    name: str
    source: str
    signer: Callable[[Authority, Admission], Signer] = field(repr=False)
    capabilities: tuple[str, ...]
    cipher: str | None = None
    digest: str | None = None
    http: HttpHabits = field(default_factory=HttpHabits)
    path: str = "/cgi-bin/pkiclient.exe"
    refused: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    named: bool = False
    tells_why: bool = False
    empty_content: bool = False
    ra: bool = False
    receiver: bool = False

    def authority(self, name: str, clock: Clock, *, ra: bool | None = None, levels: int = 1, key_bits: int = 2048) -> Authority:
        """A fresh CA of the persona's kind under `levels - 1` others; `ra` overrules whether an RA speaks for it."""
        above: Authority | None = None
        for level in range(1, levels):
            above = Authority.create(f"{name} level {level}", clock, above=above, key_bits=key_bits)
        speaks = self.ra if ra is None else ra
        return Authority.create(name, clock, ra=speaks, receiver=speaks and self.receiver, above=above, key_bits=key_bits)

    def service(
        self,
        authority: Authority,
        admission: Admission,
        *,
        clock: Clock,
        identifier: str = "CAIdentifier",
        script: Sequence[Answer] = (Issue(),),
        register: Register | None = None,
        successor: Authority | None = None,
        ledger: Callable[[LedgerEntry], None] = lambda _: None,
    ) -> CaService:
        """The CA's service; `identifier` is the CA's name, which only a persona that is `named` insists on."""
        return CaService(
            authority,
            self.signer(authority, admission),
            clock=clock,
            capabilities=self.capabilities,
            script=script,
            identifier=identifier if self.named else None,
            digest=self.digest,
            cipher=self.cipher,
            include_chain=bool(authority.chain),
            successor=successor,
            register=register,
            tells_why=self.tells_why,
            refused=self.refused,
            lacks=self.lacks,
            empty_content=self.empty_content,
            ledger=ledger,
        )

    def endpoint(self, service: CaService) -> Endpoint:
        """The service behind the persona's HTTP."""
        return Endpoint(service, self.http)


def persona(name: str) -> Persona:
    """The persona of this name; `Misuse` names those there are."""
    found = PERSONAS.get(name)
    if found is None:
        raise Misuse(f"unknown CA persona {name}", key="persona", remedy=f"use one of {', '.join(PERSONAS)}")
    return found


def _by_password(authority: Authority, admission: Admission) -> Signer:
    return chain(challenge(lambda _: admission.password), to=issue(authority))


def _by_end_entity(authority: Authority, admission: Admission) -> Signer:
    """EJBCA in CA mode: end entity by CN, its status, then its password, of renewals too."""
    entities = admission.entities
    return chain(end_entity(entities), challenge(entities.password, renewals_too=True), to=issue(authority))


def _by_end_entity_or_class(authority: Authority, admission: Admission) -> Signer:
    """System Manager: as EJBCA, but for who has the password of an entity class, which needs no status, at a renewal neither."""
    return chain(by_class(admission.entity_class, apart=_by_end_entity(authority, admission)), to=issue(authority))


def _by_one_time_password(authority: Authority, admission: Admission) -> Signer:
    return chain(one_time(admission.one_time), to=issue(authority))


def _modern(authority: Authority, admission: Admission) -> Signer:
    strong = policy(key_bits=_STRONG_KEYS, digests=("sha256", "sha384", "sha512"))
    return chain(strong, challenge(lambda _: admission.password), to=issue(authority, digest="sha512"))


_STRONG_KEYS = frozenset({2048, 3072, 4096})
_OLD_EJBCA = HttpHabits(message_required=True, missing=frozenset({"GetNextCACert"}))
_RFC8894 = Persona(
    name="rfc8894",
    source="RFC 8894: its mandatory parts, Renewal, GetNextCACert, failInfoText; replies as strong as the request",
    signer=_by_password,
    capabilities=DEFAULT_CAPABILITIES,
    tells_why=True,
)
_EJBCA = Persona(
    name="ejbca",
    source="EJBCA 4, its source and its manual on SCEP in CA mode: end entity by CN and password, status New needed and "
    "Generated set by issuance; single DES; HTTP 400 without message, which holds the CA's name, and 404 to another name; "
    "FAILURE and PENDING with an empty content (its ScepResponseMessage); "
    "no GetCert (its maintainers on the mailing list, 27 September 2013)",
    signer=_by_end_entity,
    capabilities=("POSTPKIOperation", "SHA-1"),
    cipher="des-cbc",
    digest="sha1",
    http=_OLD_EJBCA,
    path="/ejbca/publicweb/apply/scep/bench/pkiclient.exe",
    lacks=frozenset({"GetCert"}),
    named=True,
    empty_content=True,
)
_SYSTEM_MANAGER = replace(
    _EJBCA,
    name="system-manager",
    source="J100 guide R4.0, page 139, and the J100 template on SCEP: System Manager's CA is EJBCA at its short URL, "
    "and an end entity's status is set to New before each enrolment and renewal; the Enhanced Enrollment page: a class "
    "of entities with one password, renewed with no status and under an unchanged name",
    signer=_by_end_entity_or_class,
    path="/ejbca/publicweb/apply/scep/pkiclient.exe",
)
_ALL = (
    _RFC8894,
    _EJBCA,
    _SYSTEM_MANAGER,
    Persona(
        name="ndes",
        source="Microsoft's TechNet article 9063 on the Network Device Enrollment Service: draft-nourse-scep-18, whose "
        "capabilities it is given but for GetNextCACert; two RA certificates, one to sign and one to receive, three "
        "certificates in GetCACert; passwords for one use within an hour, five at most",
        signer=_by_one_time_password,
        capabilities=("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3"),
        http=HttpHabits(missing=frozenset({"GetCACertChain", "GetNextCACert"})),
        path="/certsrv/mscep/mscep.dll",
        ra=True,
        receiver=True,
    ),
    Persona(
        name="draft",
        source="draft-nourse-scep-23, its appendix C for a server without GetCACaps: none of the capabilities, so "
        "GET, MD5 and single DES; GetCACertChain; renewal by PKCSReq",
        signer=_by_password,
        capabilities=(),
        cipher="des-cbc",
        digest="md5",
        http=HttpHabits(methods=frozenset({"GET"}), missing=frozenset({"GetCACaps", "GetNextCACert"})),
    ),
    Persona(
        name="modern",
        source="RFC 8894 section 2.9 with what it makes mandatory as the least: "
        "POST, AES and SHA-2 alone, keys of 2048 bits and more",
        signer=_modern,
        capabilities=("AES", "POSTPKIOperation", "Renewal", "SCEPStandard", "SHA-256", "SHA-512"),
        cipher="aes-256-cbc",
        digest="sha512",
        http=HttpHabits(methods=frozenset({"POST"}), missing=frozenset({"GetCACertChain"})),
        refused=frozenset({"md5", "sha1", "des-cbc", "des-ede3-cbc"}),
        tells_why=True,
    ),
)
PERSONAS: Mapping[str, Persona] = MappingProxyType({each.name: each for each in _ALL})
