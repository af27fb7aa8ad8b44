"""A SCEP client (RFC 8894 section 2): discovers what a CA offers, enrols, polls, and trusts no reply unchecked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.asn1 import Malformed
from hil.clock import Clock, ScaledClock
from hil.errors import LabFault
from hil.scep import build
from hil.scep.authority import self_signed
from hil.scep.certificate import Certificate, leaf_for
from hil.scep.csr import read_csr
from hil.scep.http import Transport
from hil.scep.messages import FailInfo, MessageType, PkiMessage, PkiStatus, read_message

_DIGESTS = (("SHA-512", "sha512"), ("SHA-256", "sha256"), ("SCEPSTANDARD", "sha256"), ("SHA-1", "sha1"))
_CIPHERS = (("AES", "aes-128-cbc"), ("SCEPSTANDARD", "aes-128-cbc"), ("DES3", "des-ede3-cbc"))


class ReplyRefused(LabFault):
    """A reply that breaks the protocol or cannot be trusted; the client took nothing from it."""


@dataclass(frozen=True)
class ServerView:
    """What a CA shows of itself: `ca` issues, `encryption_certificate` receives the envelopes."""

    capabilities: tuple[str, ...]
    certificates: tuple[Certificate, ...]

    @property
    def ca(self) -> Certificate:
        """The issuing CA: the one above the RA, else the one that stands above no other here."""
        below = {c.issuer_der for c in self._registration}
        above = {c.issuer_der for c in self._authorities if not c.self_signed}
        lowest = [c for c in self._authorities if c.subject_der not in above] or self._authorities
        return next((c for c in self._authorities if c.subject_der in below), lowest[0])

    @property
    def encryption_certificate(self) -> Certificate:
        """An RA's certificate for keyEncipherment where there is one, else the CA's (section 3.4)."""
        receivers = (c for c in self._registration if c.key_usage is None or "keyEncipherment" in c.key_usage)
        return next(receivers, self.ca)

    @property
    def _authorities(self) -> Sequence[Certificate]:
        return [c for c in self.certificates if c.is_ca or c.self_signed] or self.certificates

    @property
    def _registration(self) -> Sequence[Certificate]:
        return [c for c in self.certificates if c not in self._authorities]

    def offers(self, capability: str) -> bool:
        """Whether a capability is advertised, in whatever case."""
        return capability.upper() in (offered.upper() for offered in self.capabilities)

    @property
    def takes_post(self) -> bool:
        """Whether PKIOperation goes by POST (section 4.1)."""
        return self.offers("POSTPKIOperation") or self.offers("SCEPStandard")

    @property
    def digest(self) -> str:
        """The best digest advertised; sha1 where none is."""
        return next((digest for capability, digest in _DIGESTS if self.offers(capability)), "sha1")

    @property
    def cipher(self) -> str:
        """The best content cipher advertised; des-cbc where none is (section 3.5.2)."""
        return next((cipher for capability, cipher in _CIPHERS if self.offers(capability)), "des-cbc")


@dataclass(frozen=True)
class Enrolment:
    """One transaction of a client: all that its messages need."""

    transaction_id: str
    server: ServerView
    csr_der: bytes = field(repr=False)
    key: RSAPrivateKey = field(repr=False)
    signer: Certificate
    signer_key: RSAPrivateKey = field(repr=False)
    cipher: str
    digest: str


@dataclass(frozen=True)
class Issued:
    """The CA granted it; `chain` are the other certificates of the reply."""

    certificate: Certificate
    chain: tuple[Certificate, ...]
    transaction_id: str


@dataclass(frozen=True)
class Pending:
    """The CA wants to be polled."""

    enrolment: Enrolment

    @property
    def transaction_id(self) -> str:
        """What the polls must bear too."""
        return self.enrolment.transaction_id


@dataclass(frozen=True)
class Rejected:
    """The CA refused; `fail_info` is None where it did not say why."""

    fail_info: FailInfo | None
    text: str | None
    transaction_id: str


Outcome = Issued | Pending | Rejected


class Client:
    """Speaks to one CA over one transport.

    Raises `ScepHttpError`, `TransportFault`, and `ReplyRefused` where a reply is not to be trusted.
    """

    def __init__(self, transport: Transport, *, clock: Clock | None = None) -> None:
        self._transport = transport
        self._clock = clock or ScaledClock()

    def discover(self, identifier: str = "") -> ServerView:
        """GetCACaps, then GetCACert."""
        capabilities = self._transport.get_ca_caps(identifier)
        try:
            return ServerView(capabilities, self._transport.get_ca_cert(identifier))
        except Malformed as error:
            raise ReplyRefused("the answer to GetCACert cannot be read", tried=self._transport.url, seen=str(error)) from error

    def enrol(
        self,
        csr_der: bytes,
        key: RSAPrivateKey,
        *,
        identifier: str = "",
        server: ServerView | None = None,
        cipher: str | None = None,
        digest: str | None = None,
        signer: tuple[Certificate, RSAPrivateKey] | None = None,
        message_type: MessageType = MessageType.PKCSReq,
        transaction_id: str | None = None,
    ) -> Outcome:
        """Ask for a certificate for the CSR, whose key is `key`.

        Discovers `server` unless given; takes the best `cipher` and `digest` offered unless given.
        `signer` is the certificate to renew and its key, else a self-signed one of the CSR's subject
        and key is made (section 2.3); a renewal is a RenewalReq if `message_type` says so.
        """
        server = server or self.discover(identifier)
        digest = digest or server.digest
        if signer is None:
            signer = (self_signed(read_csr(csr_der).subject_der, key, self._clock.now(), digest=digest), key)
        enrolment = Enrolment(
            transaction_id=transaction_id or secrets.token_hex(16).upper(),
            server=server,
            csr_der=csr_der,
            key=key,
            signer=signer[0],
            signer_key=signer[1],
            cipher=cipher or server.cipher,
            digest=digest,
        )
        return self._ask(enrolment, message_type, csr_der)

    def poll(self, pending: Pending) -> Outcome:
        """Ask again for what is pending: CertPoll with the same transactionID (section 4.4)."""
        enrolment = pending.enrolment
        subject = read_csr(enrolment.csr_der).subject_der
        content = build.issuer_and_subject(enrolment.server.ca.subject_der, subject)
        return self._ask(enrolment, MessageType.CertPoll, content)

    def _ask(self, enrolment: Enrolment, message_type: MessageType, content: bytes) -> Outcome:
        nonce = build.new_nonce()
        request = build.build_request(
            message_type,
            content,
            signer=enrolment.signer,
            key=enrolment.signer_key,
            recipient=enrolment.server.encryption_certificate,
            transaction_id=enrolment.transaction_id,
            sender_nonce=nonce,
            digest=enrolment.digest,
            cipher=enrolment.cipher,
        )
        answer = self._transport.pki_operation(request, post=enrolment.server.takes_post)
        try:
            reply = read_message(answer, keys=(enrolment.signer_key,), certificates=enrolment.server.certificates)
        except Malformed as error:
            raise ReplyRefused("the reply is no pkiMessage", tried=self._transport.url, seen=str(error)) from error
        return self._outcome(reply, enrolment, nonce)

    def _outcome(self, reply: PkiMessage, enrolment: Enrolment, nonce: bytes) -> Outcome:
        objection = _objection(reply, enrolment, nonce)
        if objection is not None:
            raise self._refused(objection, reply.problems)
        if reply.status is PkiStatus.PENDING:
            return Pending(enrolment)
        if reply.status is PkiStatus.FAILURE:
            return Rejected(reply.fail_info, reply.fail_info_text, enrolment.transaction_id)
        leaf = leaf_for(reply.issued, read_csr(enrolment.csr_der).public_key_der)
        if leaf is None:
            problem = "SUCCESS without a certificate for the key" if reply.decrypted else "SUCCESS that cannot be decrypted"
            raise self._refused(problem, reply.problems)
        chain = tuple(certificate for certificate in reply.issued if certificate is not leaf)
        return Issued(leaf, chain, enrolment.transaction_id)

    def _refused(self, problem: str, problems: Sequence[str]) -> ReplyRefused:
        return ReplyRefused(problem, tried=self._transport.url, seen="; ".join(problems) or None)


def _objection(reply: PkiMessage, enrolment: Enrolment, nonce: bytes) -> str | None:
    """Why a reply is not to be trusted, if so (RFC 8894 sections 2.2, 3.2.1)."""
    if reply.message_type is not MessageType.CertRep or reply.status is None:
        return "the reply is no CertRep with a pkiStatus"
    if not reply.signature_valid or reply.signer is None:
        return "the reply's signature is not valid"
    if not any(reply.signer.der == known.der for known in enrolment.server.certificates):
        return "the reply is signed by none of the CA's certificates"
    if reply.transaction_id != enrolment.transaction_id:
        return "the reply has another transactionID"
    if reply.recipient_nonce != nonce:
        return "the reply's recipientNonce is not the senderNonce of the request"
    return None
