"""One profile's SCEP transaction with its CA, from GetCACaps to the certificate."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.virtual.phone import pkcs10, pkimessage, renewal, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import Refused
from hil.virtual.phone.flash import Pending, Stored
from hil.virtual.phone.habits import Digest, Habits
from hil.virtual.phone.profiles import Profile
from hil.virtual.phone.unit import Unit

Exchange = Callable[[str, str, bytes | None], web.Answer]


@dataclass(frozen=True)
class _Request:
    """What stays the same from PKCSReq through every CertPoll."""

    transaction_id: str
    subject: Any
    key: rsa.RSAPrivateKey
    signer: pkimessage.Signer
    ca: tuple[Any, ...]
    posts: bool


class Enrolment:
    """`begin` once, or `resume`, then `poll` for as long as they give None; they raise Trouble where it comes to nothing.

    With `old` it is a renewal of that certificate. With `namesake` it is asked under that one's name. With `first_ca` those
    certificates stand for the CA's.
    """

    def __init__(
        self,
        profile: Profile,
        unit: Unit,
        habits: Habits,
        clock: Clock,
        exchange: Exchange = web.exchange,
        old: Stored | None = None,
        namesake: Stored | None = None,
        first_ca: tuple[Any, ...] | None = None,
    ) -> None:
        self.profile = profile
        self._old = old
        self._namesake = namesake
        self._first_ca = first_ca
        self._unit = unit
        self._habits = habits
        self._clock = clock
        self._exchange = exchange
        self._request: _Request | None = None
        self._last: tuple[pkimessage.Sent, bytes] | None = None

    @property
    def ca(self) -> tuple[Any, ...] | None:
        """The certificates that the CA showed, once it was asked."""
        return self._request.ca if self._request else None

    def begin(self) -> Stored | None:
        """Asks for a certificate: what to store, or None where the CA says PENDING."""
        capabilities = self._capabilities()
        ca = self._first_ca or pkimessage.read_certificates(self._get("GetCACert"))
        digest = self._habits.digest or signing_digest(capabilities)
        habits, old = self._habits, self._old
        key = pkcs10.read_key(old.key) if old and habits.renewal_keeps_key else pkcs10.generate_key(self.profile.key_bits)
        by_class = bool(self.profile.entity_class)
        parts = habits.renewal_subject(self.profile.subject) if old else self.profile.subject
        subject = pkcs10.name(parts, habits.utf8_strings)
        if self._namesake:
            former = renewal.read(self._namesake.certificate).subject
            subject = former if habits.outliving_name_has_own_cn else pkcs10.with_common_name(former, subject)
        challenges = habits.renewal_challenges if old else True
        if by_class:
            challenges = challenges and (habits.class_renewal_challenges if old else habits.class_challenges)
        challenge = self.profile.challenge if challenges else None
        csr = pkcs10.certification_request(subject, key, challenge, digest, habits.utf8_strings, habits.csr_signature)
        if old and not habits.renewal_signs_afresh:
            signing_key, certificate = pkcs10.read_key(old.key), renewal.read(old.certificate)
        else:
            signing_key = key if habits.signs_with_csr_key else pkcs10.generate_key(self.profile.key_bits)
            certificate = pkcs10.self_signed(subject, signing_key, digest, self._clock.now())
        self._request = _Request(
            transaction_id=self._habits.transaction_id(pkcs10.public_key_info(key)),
            subject=subject,
            key=key,
            signer=pkimessage.Signer(
                signing_key, certificate, digest, habits.names_digest_in_signature, habits.message_signature
            ),
            ca=ca,
            posts=self._habits.posts and takes_post(capabilities),
        )
        renews = old is not None and not habits.renewal_signs_afresh
        return self._operate(self._request, habits.renewal_type if renews else pkimessage.PKCS_REQ, csr)

    @property
    def pending(self) -> Pending:
        """What has to be kept for the transaction to be resumed."""
        if self._request is None:
            raise ValueError("nothing was begun")
        return Pending(self.profile.url, self._request.transaction_id, pkcs10.private_key_pem(self._request.key))

    def resume(self, pending: Pending) -> Stored | None:
        """Asks for what became of a request that was pending when the power went."""
        capabilities = self._capabilities()
        key = pkcs10.read_key(pending.key)
        subject = pkcs10.name(self.profile.subject, self._habits.utf8_strings)
        digest = self._habits.digest or signing_digest(capabilities)
        certificate = pkcs10.self_signed(subject, key, digest, self._clock.now())
        self._request = _Request(
            transaction_id=pending.transaction_id,
            subject=subject,
            key=key,
            signer=pkimessage.Signer(
                key, certificate, digest, self._habits.names_digest_in_signature, self._habits.message_signature
            ),
            ca=pkimessage.read_certificates(self._get("GetCACert")),
            posts=self._habits.posts and takes_post(capabilities),
        )
        return self.poll()

    def poll(self) -> Stored | None:
        """Asks whether the pending request has been decided."""
        if self._request is None:
            raise ValueError("poll before begin")
        content = pkimessage.issuer_and_subject(self._request.ca[0], self._request.subject)
        return self._operate(self._request, pkimessage.CERT_POLL, content)

    def again(self) -> Stored | None:
        """Sends the last message once more, octet for octet."""
        if self._request is None or self._last is None:
            raise ValueError("again before begin")
        return self._deliver(self._request, *self._last)

    def _operate(self, request: _Request, message_type: str, content: bytes) -> Stored | None:
        sent = pkimessage.Sent(request.transaction_id, self._habits.nonce(self._unit))
        recipient = pkimessage.recipient_of(request.ca)
        message = pkimessage.build(message_type, sent, content, recipient, self.profile.cipher, request.signer)
        self._last = sent, message
        return self._deliver(request, sent, message)

    def _deliver(self, request: _Request, sent: pkimessage.Sent, message: bytes) -> Stored | None:
        if request.posts:
            body = self._ask(web.with_query(self._server, operation="PKIOperation"), message)
        else:
            body = self._get("PKIOperation", base64.b64encode(message).decode("ascii"))
        reply = pkimessage.read_reply(body, sent, request.ca, request.signer.key)
        if reply.status == pkimessage.PENDING:
            return None
        if reply.status == pkimessage.FAILURE:
            raise Refused(f"the CA refused the request, failInfo {reply.fail_info or 'absent'}", f"failInfo {reply.fail_info}")
        return self._stored(reply, request.key)

    def _stored(self, reply: pkimessage.CertRep, key: rsa.RSAPrivateKey) -> Stored:
        own = pkcs10.public_key_info(key)
        for certificate in reply.certificates:
            if certificate.public_key.dump() == own:
                pem, key_pem = pkimessage.pem_of(certificate), pkcs10.private_key_pem(key)
                return Stored(self.profile.url, pem, key_pem, entity_class=self.profile.entity_class)
        raise Refused("no certificate in the CertRep is for the key of the request")

    def _capabilities(self) -> frozenset[str]:
        if not self._habits.asks_capabilities:
            return frozenset({"scepstandard"})
        answer = self._exchange(self._url("GetCACaps", self.profile.ca_identifier), self._agent, None)
        return frozenset(answer.body.decode("latin-1").lower().split()) if answer.status == 200 else frozenset()

    @property
    def _agent(self) -> str:
        return self._habits.scep_user_agent(self._unit)

    def _get(self, operation: str, message: str | None = None) -> bytes:
        return self._ask(self._url(operation, self.profile.ca_identifier if message is None else message), None)

    def _url(self, operation: str, message: str) -> str:
        query = {"operation": operation, "message": message} if message else {"operation": operation}
        return web.with_query(self._server, **query)

    @property
    def _server(self) -> str:
        """The URL that is asked, with the entity class where this phone writes it there."""
        profile = self.profile
        in_query = profile.entity_class and self._habits.class_in == "query"
        return web.with_query(profile.url, entityclass=profile.entity_class) if in_query else profile.url

    def _ask(self, url: str, body: bytes | None) -> bytes:
        answer = self._exchange(url, self._agent, body)
        if answer.status != 200:
            raise Refused(f"the SCEP server answered HTTP {answer.status}", f"HTTP {answer.status}")
        return answer.body


def signing_digest(capabilities: frozenset[str]) -> Digest:
    """SHA-256 where the CA offers it, else SHA-1; capabilities in lower case."""
    return "sha256" if capabilities & {"sha-256", "scepstandard"} else "sha1"


def takes_post(capabilities: frozenset[str]) -> bool:
    """Whether the CA offers PKIOperation by POST."""
    return bool(capabilities & {"postpkioperation", "scepstandard"})
