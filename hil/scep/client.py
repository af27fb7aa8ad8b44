"""A SCEP client (RFC 8894 section 2): discovers what a CA offers, enrols, renews, polls, asks, and trusts no reply unchecked."""

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
from hil.scep.crl import Crl
from hil.scep.csr import read_csr
from hil.scep.http import Transport
from hil.scep.messages import FailInfo, MessageType, PkiMessage, PkiStatus, read_message, read_next_ca

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

    def roles(self, certificate: Certificate) -> tuple[str, ...]:
        """What one of the certificates is for: `CA` issues, `CA above` is another CA, `RA signs`, `RA receives`."""
        if certificate in self._authorities:
            return ("CA" if certificate == self.ca else "CA above",)
        usages = certificate.key_usage
        wanted = {"RA signs": "digitalSignature", "RA receives": "keyEncipherment"}
        return tuple(role for role, usage in wanted.items() if usages is None or usage in usages)

    def offers(self, capability: str) -> bool:
        """Whether a capability is advertised, in whatever case."""
        return capability.upper() in (offered.upper() for offered in self.capabilities)

    @property
    def takes_post(self) -> bool:
        """Whether PKIOperation goes by POST (section 4.1)."""
        return self.offers("POSTPKIOperation") or self.offers("SCEPStandard")

    @property
    def renewal_type(self) -> MessageType:
        """RenewalReq where Renewal is advertised, else the drafts' PKCSReq."""
        return MessageType.RenewalReq if self.offers("Renewal") else MessageType.PKCSReq

    @property
    def digest(self) -> str:
        """The best digest advertised; sha1 where none is."""
        return next((digest for capability, digest in _DIGESTS if self.offers(capability)), "sha1")

    @property
    def cipher(self) -> str:
        """The best content cipher advertised; des-cbc where none is (section 3.5.2)."""
        return next((cipher for capability, cipher in _CIPHERS if self.offers(capability)), "des-cbc")


@dataclass(frozen=True)
class Transaction:
    """What each message of a transaction needs."""

    transaction_id: str
    server: ServerView
    signer: Certificate
    signer_key: RSAPrivateKey = field(repr=False)
    cipher: str
    digest: str


@dataclass(frozen=True)
class Enrolment(Transaction):
    """A transaction that asks for a certificate."""

    csr_der: bytes = field(repr=False)
    key: RSAPrivateKey = field(repr=False)
    message_type: MessageType = MessageType.PKCSReq


@dataclass(frozen=True)
class Issued:
    """The CA granted it; `chain` are the other certificates of the reply, `notes` what it needed allowance for."""

    certificate: Certificate
    chain: tuple[Certificate, ...]
    transaction_id: str
    notes: tuple[str, ...] = ()


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
Holder = tuple[Certificate, RSAPrivateKey]


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
        signer: Holder | None = None,
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
            transaction_id=transaction_id or new_transaction_id(),
            server=server,
            csr_der=csr_der,
            key=key,
            signer=signer[0],
            signer_key=signer[1],
            cipher=cipher or server.cipher,
            digest=digest,
            message_type=message_type,
        )
        return self.request(enrolment)

    def request(self, enrolment: Enrolment) -> Outcome:
        """Send an enrolment's request, or send it once more with a fresh nonce where the answer was lost (section 5.2)."""
        return self._outcome(self._ask(enrolment, enrolment.message_type, enrolment.csr_der), enrolment)

    def poll(self, pending: Pending) -> Outcome:
        """Ask again for what is pending: CertPoll with the same transactionID (section 4.4)."""
        enrolment = pending.enrolment
        subject = read_csr(enrolment.csr_der).subject_der
        content = build.issuer_and_subject(enrolment.server.ca.subject_der, subject)
        return self._outcome(self._ask(enrolment, MessageType.CertPoll, content), enrolment)

    def renew(
        self,
        csr_der: bytes,
        key: RSAPrivateKey,
        holder: Holder,
        *,
        identifier: str = "",
        server: ServerView | None = None,
        cipher: str | None = None,
        digest: str | None = None,
        transaction_id: str | None = None,
    ) -> Outcome:
        """Ask for the next certificate, signing with the one at hand and its key (`holder`).

        A RenewalReq (section 3.3.1.1) where the CA advertises Renewal, else the drafts' way: a
        PKCSReq signed with the old certificate.
        """
        server = server or self.discover(identifier)
        return self.enrol(
            csr_der,
            key,
            server=server,
            cipher=cipher,
            digest=digest,
            signer=holder,
            message_type=server.renewal_type,
            transaction_id=transaction_id,
        )

    def get_cert(self, issuer_and_serial: bytes, holder: Holder, server: ServerView) -> Certificate | Rejected:
        """The certificate of this encoded IssuerAndSerialNumber from the CA's store (section 4.5)."""
        transaction = _query(holder, server)
        reply = self._ask(transaction, MessageType.GetCert, issuer_and_serial)
        if reply.status is PkiStatus.FAILURE:
            return _rejected(reply, transaction)
        found = next((c for c in reply.issued if c.issuer_and_serial == issuer_and_serial), None)
        if found is None:
            raise self._refused("GetCert SUCCESS without the certificate asked for", reply.problems)
        return found

    def get_crl(self, certificate: Certificate, holder: Holder, server: ServerView) -> Crl | Rejected:
        """The CRL of the CA that issued `certificate` (section 4.6), its signature checked."""
        transaction = _query(holder, server)
        reply = self._ask(transaction, MessageType.GetCRL, certificate.issuer_and_serial)
        if reply.status is PkiStatus.FAILURE:
            return _rejected(reply, transaction)
        found = next((crl for crl in reply.crls if any(map(crl.signed_by, server.certificates))), None)
        if found is None or found.issuer_der != certificate.issuer_der:
            raise self._refused("GetCRL SUCCESS without a CRL of the issuer, signed by it", reply.problems)
        return found

    def next_ca(self, server: ServerView, identifier: str = "") -> tuple[Certificate, ...]:
        """The certificates of the CA to come, vouched for by the current one (section 4.7)."""
        try:
            told = read_next_ca(self._transport.get_next_ca_cert(identifier), server.certificates)
        except Malformed as error:
            raise ReplyRefused(
                "the answer to GetNextCACert cannot be read", tried=self._transport.url, seen=str(error)
            ) from error
        if not told.signature_valid or told.signer is None or told.signer.der != server.ca.der:
            raise self._refused("the answer to GetNextCACert is not signed by the current CA", told.problems)
        if not told.certificates:
            raise self._refused("the answer to GetNextCACert has no certificate", told.problems)
        return told.certificates

    def ca_chain(self, identifier: str = "") -> tuple[Certificate, ...]:
        """The answer to GetCACertChain, which RFC 8894 has no more."""
        try:
            return self._transport.get_ca_cert_chain(identifier)
        except Malformed as error:
            raise ReplyRefused(
                "the answer to GetCACertChain cannot be read", tried=self._transport.url, seen=str(error)
            ) from error

    def _ask(self, transaction: Transaction, message_type: MessageType, content: bytes) -> PkiMessage:
        """The reply, once it is known to be one to this request."""
        recipient = transaction.server.encryption_certificate
        if recipient.public_key.rsa is None:
            raise self._refused(f"nothing can be enveloped for the CA, whose key is {recipient.public_key.algorithm}", ())
        nonce = build.new_nonce()
        request = build.build_request(
            message_type,
            content,
            signer=transaction.signer,
            key=transaction.signer_key,
            recipient=recipient,
            transaction_id=transaction.transaction_id,
            sender_nonce=nonce,
            digest=transaction.digest,
            cipher=transaction.cipher,
        )
        answer = self._transport.pki_operation(request, post=transaction.server.takes_post)
        try:
            reply = read_message(answer, keys=(transaction.signer_key,), certificates=transaction.server.certificates)
        except Malformed as error:
            raise ReplyRefused("the reply is no pkiMessage", tried=self._transport.url, seen=str(error)) from error
        objection = _objection(reply, transaction, nonce)
        if objection is not None:
            raise self._refused(objection, reply.problems)
        return reply

    def _outcome(self, reply: PkiMessage, enrolment: Enrolment) -> Outcome:
        if reply.status is PkiStatus.PENDING:
            return Pending(enrolment)
        if reply.status is PkiStatus.FAILURE:
            return _rejected(reply, enrolment)
        fresh = [certificate for certificate in reply.issued if certificate.der != enrolment.signer.der]
        leaf = leaf_for(fresh, read_csr(enrolment.csr_der).public_key_der)
        if leaf is None:
            problem = "SUCCESS without a certificate for the key" if reply.decrypted else "SUCCESS that cannot be decrypted"
            raise self._refused("SUCCESS with the old certificate" if fresh != [*reply.issued] else problem, reply.problems)
        chain = tuple(certificate for certificate in reply.issued if certificate is not leaf)
        order = () if reply.issued[0] is leaf else ("the certificate issued is not the first of the reply",)
        return Issued(leaf, chain, enrolment.transaction_id, reply.notes + order)

    def _refused(self, problem: str, problems: Sequence[str]) -> ReplyRefused:
        return ReplyRefused(problem, tried=self._transport.url, seen="; ".join(problems) or None)


def new_transaction_id() -> str:
    """One that no other transaction has (section 3.2.1.1)."""
    return secrets.token_hex(16).upper()


def _query(holder: Holder, server: ServerView) -> Transaction:
    return Transaction(new_transaction_id(), server, *holder, cipher=server.cipher, digest=server.digest)


def _rejected(reply: PkiMessage, transaction: Transaction) -> Rejected:
    return Rejected(reply.fail_info, reply.fail_info_text, transaction.transaction_id)


def _objection(reply: PkiMessage, transaction: Transaction, nonce: bytes) -> str | None:
    """Why a reply is not to be trusted, if so (RFC 8894 sections 2.2, 3.2.1)."""
    if reply.message_type is not MessageType.CertRep or reply.status is None:
        return "the reply is no CertRep with a pkiStatus"
    if not reply.signature_valid or reply.signer is None:
        return "the reply's signature is not valid"
    if not any(reply.signer.der == known.der for known in transaction.server.certificates):
        return "the reply is signed by none of the CA's certificates"
    if reply.transaction_id != transaction.transaction_id:
        return "the reply has another transactionID"
    if reply.recipient_nonce != nonce:
        return "the reply's recipientNonce is not the senderNonce of the request"
    return None
