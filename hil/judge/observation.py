"""The facts of one scenario on one device, each group with where it was seen.

Facts are never None: reading one that a whole capture lacks raises `NotObserved`. Names follow
RFC 8894 and RFC 2986. A group's `where` is the frame that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from hil.capture.transcript import Exchange
from hil.judge.renewals import RenewalFacts, Validity, bursts
from hil.judge.verdict import NotObserved
from hil.scep.csr import Csr
from hil.scep.messages import MessageType, PkiMessage, PkiStatus
from hil.secret import Secret

ENROLMENT = (MessageType.PKCSReq, MessageType.RenewalReq)


@dataclass(frozen=True)
class Where:
    """The proof of a fact: a capture file of the sitting, a frame of it, and its instant in phone time."""

    file: str
    frame: int | None
    time: datetime


@dataclass(frozen=True)
class Seen:
    """An exchange of this scenario, in phone time, with the boot it belongs to."""

    exchange: Exchange
    boot: int
    file: str
    time: datetime
    since_power_on: float
    since_settings: float | None
    """Phone seconds since the boot's last settings file was served, None before that."""
    idle: float | None
    """Phone seconds since the device last got its settings or an answer from any slot's CA, None before that."""

    @property
    def where(self) -> Where:
        return Where(self.file, self.exchange.request_frame, self.time)


@dataclass(frozen=True)
class CsrFacts:
    """The certificate signing request inside the first pkiMessage that enrols."""

    csr: Csr
    signer_key: bytes | None
    where: Where

    @property
    def key_bits(self) -> int:
        return self.csr.key_bits

    @property
    def subject(self) -> tuple[tuple[str, str], ...]:
        """Attributes in the order encoded, such as `(("C", "US"), ("CN", "19WZ…"))`."""
        return self.csr.subject_parts

    @property
    def common_name(self) -> str:
        names = [value for name, value in self.subject if name == "CN"]
        if len(names) != 1:
            raise NotObserved(f"the CSR's subject has {len(names)} common names: {self.csr.subject!r}")
        return names[0]

    @property
    def dn(self) -> tuple[tuple[str, str], ...]:
        """The subject without its common name, in the order encoded."""
        return tuple(part for part in self.subject if part[0] != "CN")

    @property
    def dn_parts(self) -> tuple[tuple[str, str], ...]:
        """The parts of `dn`, whatever their order: sorted."""
        return tuple(sorted(self.dn))

    @property
    def cn_position(self) -> str:
        """`first`, `last`, `between`, or `only` where the subject is nothing but the common name."""
        names = [name for name, _ in self.subject]
        if names == ["CN"]:
            return "only"
        places = {"first": names[0] == "CN", "last": names[-1] == "CN"}
        return next((place for place, holds in places.items() if holds), "between")

    @property
    def challenge(self) -> Secret | None:
        """The challengePassword attribute, None where the CSR has none."""
        return self.csr.challenge_password

    @property
    def signature_valid(self) -> bool:
        return self.csr.signature_valid

    @property
    def signature_digest(self) -> str:
        return self.csr.signature_digest

    @property
    def extensions(self) -> tuple[str, ...]:
        return self.csr.extensions

    @property
    def key_matches_signer(self) -> bool:
        """Whether the pkiMessage is signed by the key that the CSR asks a certificate for."""
        return self.signer_key == self.csr.public_key_der


@dataclass(frozen=True)
class RequestFacts:
    """The first pkiMessage that enrols, outside its envelope."""

    message: PkiMessage
    http_method: str
    client_digest: str
    nonce_fresh: bool
    where: Where

    @property
    def message_type(self) -> str:
        return self.message.message_type.name if self.message.message_type else "none"

    @property
    def digest(self) -> str:
        return self.client_digest

    @property
    def signature_valid(self) -> bool:
        return self.message.signature_valid

    @property
    def content_cipher(self) -> str:
        if self.message.content_cipher is None:
            raise NotObserved("the pkiMessage has no envelope")
        return self.message.content_cipher

    @property
    def cipher_family(self) -> str:
        """`DES` (single or triple: no document tells them apart), `AES-256`, or the cipher's own name."""
        cipher = self.content_cipher
        if cipher in ("des-cbc", "des-ede3-cbc"):
            return "DES"
        return "AES-256" if cipher.startswith("aes-256") else cipher

    @property
    def nonce_length(self) -> int:
        return len(self.message.sender_nonce or b"")

    @property
    def transaction_id_form(self) -> str:
        """How the transactionID is written: `40 hex digits`, `12 decimal digits`, `24 characters`, or `none`."""
        text = self.message.transaction_id or ""
        if not text:
            return "none"
        for form, alphabet in (("decimal digits", "0123456789"), ("hex digits", "0123456789abcdefABCDEF")):
            if set(text) <= set(alphabet):
                return f"{len(text)} {form}"
        return f"{len(text)} characters"


@dataclass(frozen=True)
class CaFacts:
    """What the device asked the CA before it enrolled."""

    identifier: str
    capabilities_asked: bool
    where: Where


@dataclass(frozen=True)
class TimingFacts:
    """When the device spoke, in phone seconds of its first boot with a profile."""

    idle_before_contact: float
    contact_after_settings: float
    request_after_settings: float
    request_after_power_on: float
    where: Where


class Observation:
    """The facts of one scenario on one device."""

    def __init__(
        self,
        device: str,
        slot: int,
        seen: Iterable[Seen],
        nonces_of_others: Iterable[bytes] = (),
        validities: Callable[[], Mapping[str, Validity]] = dict,
    ) -> None:
        self.device = device
        self.slot = slot
        self.seen = tuple(seen)
        self._nonces_of_others = tuple(nonces_of_others)
        self._validities = validities
        self.mates: tuple[Observation, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.device} slot {self.slot}: {len(self.seen)} SCEP exchanges>"

    @property
    def contacted(self) -> bool:
        """Whether the profile's SCEP server was asked anything at all."""
        return bool(self.seen)

    @property
    def where(self) -> Where:
        """The first contact."""
        if not self.seen:
            raise NotObserved(f"{self.device}: no SCEP contact in slot {self.slot}")
        return self.seen[0].where

    @cached_property
    def enrolments(self) -> tuple[Seen, ...]:
        """PKCSReq and RenewalReq messages in the order of capture; one sent again in one transaction counts once."""
        first: dict[object, Seen] = {}
        for seen in self.seen:
            message = seen.exchange.request
            if message is not None and message.message_type in ENROLMENT:
                first.setdefault((seen.boot, message.transaction_id), seen)
        return tuple(first.values())

    def enrolments_in(self, boot: int) -> int:
        """How many enrolments the boot numbered `boot` saw."""
        return sum(seen.boot == boot for seen in self.enrolments)

    @property
    def enrolments_after_restart(self) -> int:
        """How many enrolments followed in boots after that of the first one."""
        if not self.enrolments:
            raise NotObserved(f"{self.device}: no enrolment in slot {self.slot}, so nothing to repeat after a restart")
        return sum(seen.boot > self.enrolments[0].boot for seen in self.enrolments)

    @property
    def challenges_sent(self) -> int:
        """How many enrolments carried a challengePassword."""
        sent = 0
        for seen in self.enrolments:
            if seen.exchange.request is None or seen.exchange.request.csr is None:
                raise NotObserved(f"{self.device}: frame {seen.exchange.request_frame} holds no readable CSR")
            sent += bool(seen.exchange.request.csr.challenge_password)
        return sent

    @property
    def granted(self) -> tuple[Seen, ...]:
        """The exchanges in which the CA granted a certificate to this device and slot."""
        replies = ((seen, seen.exchange.reply) for seen in self.seen)
        return tuple(seen for seen, reply in replies if reply is not None and reply.status is PkiStatus.SUCCESS)

    @property
    def enrolled(self) -> bool:
        """Whether the CA granted a certificate to this device and slot."""
        return bool(self.granted)

    @property
    def enrolled_boots(self) -> tuple[int, ...]:
        """Numbers of the boots in which the CA granted a certificate."""
        return tuple(seen.boot for seen in self.granted)

    def _first(self) -> tuple[Seen, PkiMessage]:
        if not self.enrolments:
            raise NotObserved(f"{self.device}: no enrolment in slot {self.slot}")
        seen = self.enrolments[0]
        assert seen.exchange.request is not None
        return seen, seen.exchange.request

    @cached_property
    def csr(self) -> CsrFacts:
        seen, message = self._first()
        if message.csr is None:
            raise NotObserved(f"{self.device}: frame {seen.exchange.request_frame} holds no readable CSR: {message.problems}")
        return CsrFacts(message.csr, message.signer.public_key_der if message.signer else None, seen.where)

    @cached_property
    def request(self) -> RequestFacts:
        seen, message = self._first()
        distinct: list[PkiMessage] = []
        for sent in (each.exchange.request for each in self.seen):
            if sent is not None and sent not in distinct:  # what is sent again octet for octet is no other message
                distinct.append(sent)
        nonces = [sent.sender_nonce for sent in distinct]
        fresh = all(nonces) and len(set(nonces)) == len(nonces) and not set(nonces) & set(self._nonces_of_others)
        return RequestFacts(message, seen.exchange.method, message.digest, fresh, seen.where)

    @cached_property
    def ca(self) -> CaFacts:
        asked = [seen for seen in self.seen if seen.exchange.operation == "GetCACert"]
        if not asked:
            raise NotObserved(f"{self.device}: no GetCACert in slot {self.slot}")
        identifier = asked[0].exchange.ca_identifier
        capabilities = any(seen.exchange.operation == "GetCACaps" for seen in self.seen)
        return CaFacts(identifier if identifier is not None else "", capabilities, asked[0].where)

    @cached_property
    def timing(self) -> TimingFacts:
        seen, _ = self._first()
        first = self.seen[0]
        if first.idle is None or first.since_settings is None or seen.since_settings is None:
            raise NotObserved(f"{self.device}: SCEP contact before any settings file was read")
        return TimingFacts(first.idle, first.since_settings, seen.since_settings, seen.since_power_on, first.where)

    @cached_property
    def renewal(self) -> RenewalFacts:
        """What became of the first certificate that the CA granted."""
        if not self.granted:
            raise NotObserved(f"{self.device}: holds no certificate in slot {self.slot} that could be renewed")
        first = self.granted[0]
        request = first.exchange.request
        validity = self._validities().get(request.transaction_id or "") if request else None
        if request is None or validity is None:
            raise NotObserved(f"{self.device}: the CA's answer in frame {first.exchange.reply_frame} is in no log of the CA")
        later = [seen for seen in self.seen if seen.time > first.time]
        return RenewalFacts(self.device, validity, request, self.ca.identifier, bursts(later))
