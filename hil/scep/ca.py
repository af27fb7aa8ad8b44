"""A CA that speaks SCEP: the operations of RFC 8894 section 4, answering by a script, with no HTTP inside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from hil import asn1
from hil.asn1 import Malformed
from hil.clock import Clock
from hil.frozen import frozen
from hil.scenario import Answer, InPlaceOfCa, Issue, Pend, Reject, layers
from hil.scep import algorithms, cms
from hil.scep.answered import Answered
from hil.scep.authority import Authority
from hil.scep.beside import NOTHING, Beside
from hil.scep.certificate import Certificate
from hil.scep.certrep import DIGEST, Decision, Scribe
from hil.scep.csr import Csr
from hil.scep.forgery import Credentials, Forger, forgeries
from hil.scep.messages import FailInfo, MessageType, PkiMessage, PkiStatus, read_message
from hil.scep.outcomes import LedgerEntry, ScepRefusal, ScriptedReply, repetition, shown
from hil.scep.register import Register
from hil.scep.signers import CertificateRequest, Refused, Signer

__all__ = ["DEFAULT_CAPABILITIES", "Authority", "CaService", "LedgerEntry", "ScepRefusal", "ScriptedReply"]

DEFAULT_CAPABILITIES = ("AES", "DES3", "POSTPKIOperation", "Renewal", "SCEPStandard", "SHA-1", "SHA-256", "SHA-512")
# The shortest RSA key whose PKCS#1 v1.5 block holds the key of every cipher.
_LEAST_KEY_BITS = 512
MOST_PENDING = 1000
NEXT_CA = "GetNextCACert"


@frozen
class _Asked:
    """One request for a certificate: its CSR, who signed it, and what HTTP carried beside it."""

    csr: Csr
    signer: Certificate
    transaction_id: str
    beside: Beside

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """The key that a certificate is asked for, and the signer's."""
        return self.csr.public_key_der, self.signer.public_key_der


@dataclass
class _Transaction:
    """A request that waits for its certificate, and how many more polls it must."""

    asked: _Asked
    polls_left: int
    script: Answer


class CaService:
    """Answers the n-th request by the n-th entry of `script`, the last one repeating; safe among threads.

    Only requests for a certificate take an entry; one that comes again octet for octet gets its
    first answer again, unless that was PENDING. A `Pend` holds its transaction for that many
    answers; the entry after it answers the next CertPoll. `identifier` is the CA identifier that
    must be asked for (None: any). Replies take digest and cipher of the request unless `digest` and
    `cipher` are given, and say in failInfoText why they refuse if `tells_why`; FAILURE and PENDING
    have a content of no octets if `empty_content`, else none. Digests and ciphers named in `refused`
    are badAlg, messages named in `lacks` badRequest. `successor` is the CA that GetNextCACert shows,
    and advertises. GetCert and GetCRL answer from `register`. Every PKIOperation is told to `ledger`.
    """

    def __init__(
        self,
        authority: Authority,
        signer: Signer,
        *,
        clock: Clock,
        capabilities: Sequence[str] = DEFAULT_CAPABILITIES,
        script: Sequence[Answer] = (Issue(),),
        identifier: str | None = None,
        digest: str | None = None,
        cipher: str | None = None,
        include_chain: bool = False,
        successor: Authority | None = None,
        register: Register | None = None,
        tells_why: bool = False,
        refused: Collection[str] = (),
        lacks: Collection[str] = (),
        empty_content: bool = False,
        ledger: Callable[[LedgerEntry], None] = lambda _: None,
    ) -> None:
        self._authority = authority
        self._signer = signer
        self._clock = clock
        self._script = tuple(script) or (Issue(),)
        self._identifier = identifier
        self._forger = Forger(clock)
        self._scribe = Scribe(self._forger, digest, cipher, "leaf first" if include_chain else "absent", tells_why, empty_content)
        self._successor = successor
        self._former: tuple[Authority, ...] = ()
        self._register = register or Register()
        self._refused = frozenset(refused)
        self._lacks = frozenset(lacks)
        self._ledger = ledger
        self._capabilities = tuple(capabilities)
        self._lock = threading.Lock()
        self._position = 0
        self._pending: dict[str, _Transaction] = {}
        self._answered = Answered[ScriptedReply](keeps=lambda reply: reply.status not in (None, PkiStatus.PENDING))

    def get_ca_caps(self, identifier: str) -> bytes:
        """The capabilities, one a line (section 3.5.2)."""
        self._check(identifier)
        extra = (NEXT_CA,) if self._successor and NEXT_CA not in self._capabilities else ()
        return "".join(f"{capability}\n" for capability in (*self._capabilities, *extra)).encode()

    def get_ca_cert(self, identifier: str) -> tuple[str, bytes]:
        """Content type and body: the bare CA certificate, or all in a degenerate SignedData (section 4.2.1)."""
        self._check(identifier)
        certificates = self._authority.certificates
        if len(certificates) == 1:
            return "application/x-x509-ca-cert", certificates[0].der
        return "application/x-x509-ca-ra-cert", cms.degenerate(certificates)

    def get_ca_cert_chain(self, identifier: str) -> tuple[str, bytes]:
        """Content type and body: all certificates in a degenerate SignedData (the drafts' GetCACertChain)."""
        self._check(identifier)
        return "application/x-x509-ca-ra-cert-chain", cms.degenerate(self._authority.certificates)

    def get_next_ca_cert(self, identifier: str) -> tuple[str, bytes]:
        """Content type and body: the successor's certificates, signed by this CA (section 4.7.1)."""
        self._check(identifier)
        if self._successor is None:
            raise ScepRefusal(404, "no next CA")
        body = cms.write_signed_data(
            cms.degenerate(self._successor.certificates),
            (),
            signer=self._authority.certificate,
            key=self._authority.key,
            digest=DIGEST,
            certificates=(self._authority.certificate,),
        )
        return "application/x-x509-next-ca-cert", body

    def roll_over(self, signer: Signer) -> None:
        """Let the successor take over with its signer; certificates issued before may still renew (section 4.7)."""
        with self._lock:
            if self._successor is None:
                raise ScepRefusal(404, "no next CA")
            self._former = (*self._former, self._authority)
            self._authority, self._successor, self._signer = self._successor, None, signer

    def pki_operation(self, message: bytes) -> bytes:
        """The CertRep of `answer`."""
        return self.answer(message).cert_rep

    def answer(self, message: bytes, beside: Beside = NOTHING) -> ScriptedReply:
        """The answer to a pkiMessage; `ScepRefusal` where the message has nothing that a CertRep could answer.

        `beside` is what HTTP carried besides. A client that sends the very same octets again, as one does that lost the
        answer, gets the same CertRep.
        """
        reply, again = self._answered.once(message, lambda: self._first_answer(message, beside))
        if again:
            entry = repetition(read_message(message), self._clock.now())
            self._ledger(entry)
            return replace(reply, script=None, entry=entry)  # what the script did to the answer, it did to the first one
        return reply

    def _first_answer(self, message: bytes, beside: Beside) -> ScriptedReply:
        try:
            request = read_message(message, keys=(self._authority.receiver_key,))
        except Malformed as error:
            raise self._refusal(f"no pkiMessage: {error}") from error
        if request.transaction_id is None or request.sender_nonce is None:
            raise self._refusal("no transactionID or no senderNonce", request)
        try:
            decision = self._decide(request, request.transaction_id, beside)
        except Refused as refusal:
            decision = _failure(refusal, request.csr)
        reply = b""
        if decision.status is not None:
            key, certificate = self._authority.speaker
            true = Credentials(request.transaction_id, request.sender_nonce, certificate, key)
            reply = self._scribe.write(self._authority, request, true, decision, decision.status)
        entry = self._entry(request, decision)
        self._ledger(entry)
        return ScriptedReply(reply, decision.script, decision.status, entry)

    def _check(self, identifier: str) -> None:
        if self._identifier is not None and identifier != self._identifier:
            raise ScepRefusal(404, "unknown CA identifier")

    def _decide(self, request: PkiMessage, transaction_id: str, beside: Beside) -> Decision:
        if request.signer is None or not request.signature_valid:
            raise Refused(FailInfo.badMessageCheck, "signature")
        if request.signer.public_key.rsa is None or request.signer.key_bits < _LEAST_KEY_BITS:
            raise Refused(FailInfo.badAlg, "no envelope can be made for the signer's key")
        if request.content_cipher is not None and request.content_cipher not in algorithms.TAKEN_CIPHERS:
            raise Refused(FailInfo.badAlg, "content cipher")
        if {request.digest, request.content_cipher} & self._refused:
            raise Refused(FailInfo.badAlg, f"digest {request.digest} or cipher {request.content_cipher} is not taken")
        if request.message_type is not None and request.message_type.name in self._lacks:
            raise Refused(FailInfo.badRequest, "operation not offered")
        if not request.decrypted:
            # One answer for whatever went wrong, so that it tells nothing about the key (RFC 8894 section 7).
            raise Refused(FailInfo.badMessageCheck, "envelope")
        if request.message_type in (MessageType.PKCSReq, MessageType.RenewalReq):
            csr = _proven_csr(request)
            holder = self._holder(request.signer)
            if request.message_type is MessageType.RenewalReq and holder is None:
                raise Refused(FailInfo.badRequest, "a renewal must be signed with a certificate of this CA")
            if holder is None and request.signer.public_key_der != csr.public_key_der:
                raise Refused(FailInfo.badMessageCheck, "signer has neither the CSR's key nor a certificate of this CA")
            asked = _Asked(csr, request.signer, transaction_id, beside)
            if self._waits(asked):
                return self._poll(request.signer, transaction_id)
            with self._lock:
                answer = self._next_answer()
            return self._play(answer, asked)
        if request.message_type is MessageType.CertPoll:
            return self._poll(request.signer, transaction_id)
        if request.issuer_and_serial is not None:
            return self._look_up(request.message_type, request.issuer_and_serial)
        raise Refused(FailInfo.badRequest, "operation not offered")

    def _look_up(self, message_type: MessageType | None, issuer_and_serial: bytes) -> Decision:
        """The certificate or the CRL that GetCert or GetCRL asks for (sections 4.5 and 4.6); names compare by octets."""
        if message_type is MessageType.GetCert:
            own = (c for c in self._authority.certificates if c.issuer_and_serial == issuer_and_serial)
            found = self._register.find(issuer_and_serial) or next(own, None)
            if found is None:
                raise Refused(FailInfo.badCertId, "no certificate of this issuer and serial number")
            return Decision(PkiStatus.SUCCESS, found=found, subject=found.subject)
        issuer, _ = asn1.read(issuer_and_serial).children
        for authority in (self._authority, *self._former):
            if issuer.raw == authority.certificate.subject_der:
                return Decision(PkiStatus.SUCCESS, crl=self._register.crl(authority, self._clock.now()))
        raise Refused(FailInfo.badCertId, "no CRL of this issuer")

    def _next_answer(self) -> Answer:
        answer = self._script[min(self._position, len(self._script) - 1)]
        self._position += 1
        return answer

    def _play(self, script: Answer, asked: _Asked) -> Decision:
        """What comes of the script's answer, which the decision bears even where a signer refuses."""
        try:
            return self._answer(script, asked)
        except Refused as refusal:
            return _failure(refusal, asked.csr, script)

    def _answer(self, script: Answer, asked: _Asked) -> Decision:
        answer, csr = layers(script)[-1], asked.csr
        if isinstance(answer, Pend):
            with self._lock:
                if asked.transaction_id not in self._pending and len(self._pending) >= MOST_PENDING:
                    raise Refused(FailInfo.badRequest, "too many requests wait")
                self._pending[asked.transaction_id] = _Transaction(asked, answer.times - 1, script)
            return Decision(PkiStatus.PENDING, subject=csr.subject, script=script)
        if isinstance(answer, Reject):
            raise Refused(FailInfo[answer.fail_info], "as scripted")
        if not isinstance(answer, Issue):
            return Decision(None, text="as scripted, no CertRep", subject=csr.subject, script=script)
        csr = self._forger.csr(csr, forgeries(script))
        request = CertificateRequest(
            csr,
            asked.transaction_id,
            self._clock.now(),
            answer.days,
            answer.backdated,
            holder=self._holder(asked.signer),
            beside=asked.beside,
        )
        issued = self._signer.sign(request)
        self._register.add(issued)
        return Decision(PkiStatus.SUCCESS, issued=issued, subject=csr.subject, script=script)

    def _holder(self, signer: Certificate) -> Certificate | None:
        """The signer's certificate if it is an end entity's of this CA and not revoked; an expired one will do."""
        for authority in (self._authority, *self._former):
            infrastructure = any(signer.der == own.der for own in authority.certificates)
            if not infrastructure and signer.signed_by(authority.certificate) and not self._register.is_revoked(signer):
                return signer
        return None

    def _waits(self, asked: _Asked) -> bool:
        """Whether this asks once more for what is pending, as a client does that lost the answer (section 5.2)."""
        with self._lock:
            waiting = self._pending.get(asked.transaction_id)
        return waiting is not None and asked.keys == waiting.asked.keys

    def _poll(self, signer: Certificate, transaction_id: str) -> Decision:
        with self._lock:
            waiting = self._pending.get(transaction_id)
            if waiting is None or waiting.asked.signer.public_key_der != signer.public_key_der:
                raise Refused(FailInfo.badRequest, "no request of this transactionID waits")
            if waiting.polls_left > 0:
                waiting.polls_left -= 1
                return Decision(PkiStatus.PENDING, subject=waiting.asked.csr.subject, script=waiting.script)
            answer = self._next_answer()
            # What stands in the CA's place does not settle the request: it waits for the next poll.
            if not isinstance(layers(answer)[-1], InPlaceOfCa):
                del self._pending[transaction_id]
        return self._play(answer, waiting.asked)

    def _entry(self, request: PkiMessage, decision: Decision) -> LedgerEntry:
        issued, script = decision.issued, decision.script
        return LedgerEntry(
            at=self._clock.now(),
            transaction_id=request.transaction_id,
            message_type=None if request.message_type is None else request.message_type.name,
            answer=None if decision.status is None else decision.status.name,
            fail_info=None if decision.fail_info is None else decision.fail_info.name,
            subject=decision.subject,
            serial=f"{issued.serial:x}" if issued else None,
            not_before=issued.not_before if issued else None,
            not_after=issued.not_after if issued else None,
            issued_der=issued.der if issued else None,
            problem=decision.text,
            scripted=shown(script),
        )

    def _refusal(self, problem: str, request: PkiMessage | None = None) -> ScepRefusal:
        kind = request.message_type if request else None
        transaction_id = request.transaction_id if request else None
        name = None if kind is None else kind.name
        entry = LedgerEntry(self._clock.now(), transaction_id, name, answer=None, problem=problem)
        self._ledger(entry)
        return ScepRefusal(400, problem, entry)


def _failure(refusal: Refused, csr: Csr | None, script: Answer | None = None) -> Decision:
    subject = csr.subject if csr else None
    return Decision(PkiStatus.FAILURE, fail_info=refusal.fail_info, text=refusal.text, subject=subject, script=script)


def _proven_csr(request: PkiMessage) -> Csr:
    """The CSR, its signature checked; with the challengePassword of the signed attributes where it has none itself."""
    if request.csr is None:
        raise Refused(FailInfo.badRequest, "no CSR")
    if not request.csr.signature_valid:
        raise Refused(FailInfo.badMessageCheck, "the CSR's signature")
    if request.csr.challenge_password is None:
        return replace(request.csr, challenge_password=request.challenge_password)
    return request.csr
