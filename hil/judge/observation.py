"""The facts of one scenario on one device, each group with where it was seen.

Facts are never None: reading one that a whole capture lacks raises `NotObserved`. Names follow
RFC 8894 and RFC 2986. A group's `where` is the frame that shows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from hil.judge.ca_log import Issued, issue_of
from hil.judge.csr import CsrFacts, Parts, SealedCsrFacts
from hil.judge.grants import ENROLMENT, granting, without_repeats
from hil.judge.provisioning import Fetched, ProvisioningFacts
from hil.judge.renewals import RenewalFacts
from hil.judge.seen import Seen, Where
from hil.judge.timing import CaFacts, TimingFacts
from hil.judge.ungranted import UngrantedFacts
from hil.judge.verdict import NotObserved, NotShown
from hil.scep.beside import places
from hil.scep.messages import PkiMessage

if TYPE_CHECKING:
    from hil.judge.port import PortFacts
    from hil.judge.services import ServiceFacts


@dataclass(frozen=True)
class RequestFacts:
    """The first pkiMessage that enrols, outside its envelope."""

    message: PkiMessage
    http_method: str
    client_digest: str
    nonce_fresh: bool
    where: Where
    client: str | None = None

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
    def user_agent(self) -> str:
        return self.client or "none"

    @property
    def signer_begins(self) -> str:
        """From when the signer's certificate is valid: `now` within a week, else year and month. It tells the device's clock."""
        if self.message.signer is None:
            raise NotObserved("the pkiMessage names no certificate of its signer")
        begins = self.message.signer.not_before
        return "now" if abs(begins - self.where.time) < timedelta(days=7) else f"{begins:%Y-%m}"

    @property
    def transaction_id_origin(self) -> str:
        """What the transactionID is computed from: `SHA-1 of the public key` and its like, or `unknown`."""
        text = (self.message.transaction_id or "").lower()
        own = self.message.csr or self.message.signer
        if own is None:
            raise NotObserved("the CSR cannot be read, so the transactionID cannot be compared with its key")
        key = load_der_public_key(own.public_key_der)
        forms = {
            "the public key": own.public_key_der,
            "the modulus and exponent": key.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        }
        digests = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256"}
        for name, digest in digests.items():
            for form, octets in forms.items():
                if hashlib.new(digest, octets, usedforsecurity=False).hexdigest() == text:
                    return f"{name} of {form}"
        return "unknown"

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


class Observation:
    """The facts of one scenario on one device.

    `due` is the subject that is asked for, where all that the device sends is sealed for a real CA.
    """

    def __init__(
        self,
        device: str,
        slot: int,
        seen: Iterable[Seen],
        nonces_of_others: Iterable[bytes] = (),
        issued: Callable[[], Mapping[str, Sequence[Issued]]] = dict,
        services: Callable[[], ServiceFacts] | None = None,
        fetched: Callable[[], Sequence[Fetched]] = tuple,
        port: Callable[[], PortFacts] | None = None,
        due: Callable[[], Parts] | None = None,
        told_ahead: Callable[[], Mapping[int, timedelta | None]] = dict,
    ) -> None:
        self.device = device
        self.slot = slot
        self.seen = tuple(seen)
        self._nonces_of_others = tuple(nonces_of_others)
        self._issued = issued
        self._services = services
        self._port = port
        self._fetched = fetched
        self._due = due
        self._told_ahead = told_ahead
        self.mates: tuple[Observation, ...] = ()

    def __repr__(self) -> str:
        return f"<{self.device} slot {self.slot}: {len(self.seen)} SCEP exchanges>"

    @property
    def sealed(self) -> bool:
        """Whether its messages are sealed for a real CA; reading what only the CA's key shows raises `NotShown`."""
        return self._due is not None

    def _require_open(self, what: str) -> None:
        if self.sealed:
            raise NotShown(f"{self.device}: {what} is sealed for a real CA")

    @cached_property
    def told_ahead(self) -> Mapping[int, timedelta | None]:
        """By each boot's place, from 1 on, how far ahead of the bench's time SNTP told it to be; None where it told nothing."""
        return self._told_ahead()

    @property
    def contacted(self) -> bool:
        """Whether the profile's SCEP server was asked anything at all."""
        return bool(self.seen)

    @property
    def asked_in_clear(self) -> bool:
        """Whether anything was asked without TLS."""
        return any(not seen.exchange.sealed for seen in self.seen)

    def carrying(self, text: str, *, after_boot: int = 0) -> tuple[str, ...]:
        """Where the device wrote `text` in its requests of later boots, `not seen` where nowhere."""
        self._require_open("where a request carries it")
        requests = [(seen.exchange.beside, seen.exchange.request) for seen in self.seen if seen.boot > after_boot]
        found = (places(text, beside, message.csr if message else None) for beside, message in requests)
        return tuple(sorted(frozenset().union(*found))) or ("not seen",)

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
    def profile_order(self) -> tuple[int, ...]:
        """The slots that enrolled in the boot of this one's first enrolment, in that order."""
        mine, _ = self._first()
        first: dict[int, float] = {}
        for device in (self, *self.mates):
            for seen in device.enrolments:
                if seen.boot == mine.boot:
                    first.setdefault(device.slot, seen.since_power_on)
        if len(first) < 2:
            raise NotObserved(f"{self.device}: no other profile enrolled in that boot")
        return tuple(sorted(first, key=first.__getitem__))

    @property
    def challenges_sent(self) -> int:
        """How many enrolments carried a challengePassword."""
        self._require_open("a challengePassword")
        sent = 0
        for seen in self.enrolments:
            if seen.exchange.request is None or seen.exchange.request.csr is None:
                raise NotObserved(f"{self.device}: frame {seen.exchange.request_frame} holds no readable CSR")
            sent += bool(seen.exchange.request.csr.challenge_password)
        return sent

    @cached_property
    def _anew(self) -> tuple[Seen, ...]:
        """The exchanges without those that asked again for what the CA had granted."""
        return without_repeats(self.seen)

    @property
    def granted(self) -> tuple[Seen, ...]:
        """The exchanges in which the CA granted a certificate to this device and slot, each certificate once."""
        return tuple(seen for seen in self._anew if granting(seen.exchange.reply))

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
    def csr(self) -> CsrFacts | SealedCsrFacts:
        seen, message = self._first()
        if self._due is not None:
            return SealedCsrFacts(message.signer, self._due, seen.where)
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
        return RequestFacts(message, seen.exchange.method, message.digest, fresh, seen.where, seen.exchange.user_agent)

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
        before = [one for one in self.seen if one.boot == seen.boot and one.since_power_on <= seen.since_power_on]
        own = sum(one.idle or 0.0 for one in before)
        return TimingFacts(first.idle, first.since_settings, seen.since_settings, seen.since_power_on, first.where, own)

    @cached_property
    def provisioning(self) -> ProvisioningFacts:
        """How the device got its settings files."""
        return ProvisioningFacts(self.device, self._fetched())

    @property
    def asked_after_restart(self) -> tuple[str, ...]:
        """Message types of the requests that the device sent in boots after its first, in their order."""
        first = self.seen[0].boot if self.seen else 0
        sent = (seen.exchange.request for seen in self.seen if seen.boot > first)
        return tuple(message.message_type.name for message in sent if message is not None and message.message_type is not None)

    @cached_property
    def ungranted(self) -> UngrantedFacts:
        """What followed the first request, where the CA did not grant it."""
        return UngrantedFacts(self.device, self.seen)

    @cached_property
    def services(self) -> ServiceFacts:
        """Which certificate the device showed to which service over TLS."""
        if self._services is None:
            raise LookupError("no service is known")
        return self._services()

    @cached_property
    def port(self) -> PortFacts:
        """What the device did where its port asked for 802.1X."""
        if self._port is None:
            raise LookupError("no port is known")
        return self._port()

    @cached_property
    def renewal(self) -> RenewalFacts:
        """What became of the first certificate that the CA granted."""
        return self._renewal_of(0)

    @cached_property
    def next_renewal(self) -> RenewalFacts:
        """What became of the second certificate that the CA granted."""
        return self._renewal_of(1)

    def _renewal_of(self, number: int) -> RenewalFacts:
        self._require_open("how long a certificate is valid")
        if len(self.granted) <= number:
            raise NotObserved(f"{self.device}: holds no certificate in slot {self.slot} that could be renewed")
        seen = self.granted[number]
        request, issue = seen.exchange.request, issue_of(self.granted, number, self._issued())
        if request is None or issue is None:
            raise NotObserved(f"{self.device}: the CA's answer in frame {seen.exchange.reply_frame} is in no log of the CA")
        later = self._anew[self._anew.index(seen) + 1 :]
        return RenewalFacts(self.device, issue.validity, request, lambda: self.ca.identifier, later)
