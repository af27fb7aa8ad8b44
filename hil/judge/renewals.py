"""What a device did about the certificate it was granted: when it asked again, how, and how often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from hil.judge.grants import ENROLMENT, asks, granting
from hil.judge.verdict import NotObserved
from hil.scep.messages import PkiMessage

if TYPE_CHECKING:
    from hil.judge.seen import Seen, Where
    from hil.scep.csr import Csr

BURST = 1800.0
"""Requests fewer phone seconds apart than this are one attempt: the vendor's retries are 24 hours apart."""


class Validity(NamedTuple):
    """A certificate's notBefore and notAfter, as the CA's ledger has them."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True)
class RenewalFacts:
    """The renewals of one scenario on one device.

    `later` are the exchanges after the certificate was granted, without repeats, in the order of boot and frame.
    `ca_identifier` reads by which name the CA was asked for its certificate at first.
    """

    device: str
    validity: Validity
    enrolment: PkiMessage
    ca_identifier: Callable[[], str]
    later: Sequence[Seen]

    @cached_property
    def attempts(self) -> Sequence[Sequence[Seen]]:
        """The bursts of exchanges that ask for another certificate, or would have, had the CA been within reach."""
        return bursts([seen for seen in self.later if asks(seen.exchange)])

    @property
    def where(self) -> Where:
        return self._first[0].where

    @property
    def validity_passed(self) -> float:
        """The part of the certificate's validity that had passed when the device first asked for another."""
        whole = self.validity.not_after - self.validity.not_before
        return round((self._first[0].time - self.validity.not_before) / whole, 7)

    @property
    def days_left(self) -> float:
        """Days from the first request for another certificate to the end of the first."""
        return (self.validity.not_after - self._first[0].time) / timedelta(days=1)

    def hours_after(self, percent: float) -> float:
        """Hours from the instant at which `percent` of the validity had passed to the first request for another certificate."""
        whole = self.validity.not_after - self.validity.not_before
        return round((self._first[0].time - self.validity.not_before - whole * percent / 100) / timedelta(hours=1), 2)

    @property
    def intervals(self) -> tuple[float, ...]:
        """Hours from each attempt's beginning to the next one's, up to the attempt that gave a new certificate."""
        last = None if self._renewed_by is None else self._renewed_by + 1
        begun = [attempt[0].time for attempt in self.attempts[:last]]
        return tuple(round((later - earlier) / timedelta(hours=1), 2) for earlier, later in pairwise(begun))

    @property
    def hours_over_restart(self) -> float:
        """Hours from the last attempt before a restart to the first one after it."""
        for earlier, later in pairwise(self.attempts):
            if earlier[0].boot < later[0].boot:
                return round((later[0].time - earlier[0].time) / timedelta(hours=1), 2)
        raise NotObserved(f"{self.device}: no attempts on both sides of a restart")

    @property
    def renewed(self) -> bool:
        """Whether an attempt gave a new certificate."""
        return self._renewed_by is not None

    @property
    def attempts_before_success(self) -> int:
        """How many attempts failed before one gave a new certificate."""
        if self._renewed_by is None:
            raise NotObserved(f"{self.device}: no renewal succeeded")
        return self._renewed_by

    @property
    def attempts_after_success(self) -> int:
        """How many attempts followed the one that gave a new certificate."""
        if self._renewed_by is None:
            raise NotObserved(f"{self.device}: no renewal succeeded")
        return len(self.attempts) - 1 - self._renewed_by

    @property
    def message_type(self) -> str:
        return self._request.message_type.name if self._request.message_type else "none"

    @property
    def signer(self) -> str:
        """Who signed the request: `the old certificate`, `a self-signed certificate`, or `another certificate`."""
        signer = self._request.signer
        if signer is None:
            raise NotObserved(f"{self.device}: the renewal names no certificate of its signer")
        if signer.self_signed:
            return "a self-signed certificate"
        held = self.enrolment.csr
        return "the old certificate" if held and signer.public_key_der == held.public_key_der else "another certificate"

    @property
    def key_is_new(self) -> bool:
        """Whether the new certificate is asked for another key than the old one's."""
        old, new = self._csrs
        return old.public_key_der != new.public_key_der

    @property
    def challenges(self) -> bool:
        """Whether the request carries a challengePassword."""
        return self._csrs[1].challenge_password is not None

    @property
    def subject(self) -> tuple[tuple[str, str], ...]:
        """The name that the request asks for, its attributes in the order encoded."""
        return self._csrs[1].subject_parts

    @property
    def same_subject(self) -> bool:
        """Whether CN and DN are those of the enrolment."""
        old, new = self._csrs
        return old.subject_parts == new.subject_parts

    @property
    def same_key_bits(self) -> bool:
        """Whether the key is as long as at the enrolment."""
        old, new = self._csrs
        return old.key_bits == new.key_bits

    @property
    def same_ca_identifier(self) -> bool:
        """Whether the CA is asked for its certificate by the identifier of the enrolment, if it is asked for that again."""
        asked = {seen.exchange.ca_identifier or "" for seen in self.later if seen.exchange.operation == "GetCACert"}
        return not asked or asked == {self.ca_identifier()}

    @property
    def same_cipher(self) -> bool:
        """Whether the request is encrypted as at the enrolment."""
        return self._request.content_cipher == self.enrolment.content_cipher

    @property
    def _first(self) -> Sequence[Seen]:
        if not self.attempts:
            raise NotObserved(f"{self.device}: asked for no other certificate while it was watched")
        return self.attempts[0]

    @property
    def _request(self) -> PkiMessage:
        """The first pkiMessage that asks for another certificate."""
        asked = (seen.exchange.request for attempt in self.attempts for seen in attempt)
        found = next((message for message in asked if message is not None and message.message_type in ENROLMENT), None)
        if found is None:
            raise NotObserved(f"{self.device}: no pkiMessage asks for another certificate")
        return found

    @property
    def _csrs(self) -> tuple[Csr, Csr]:
        old, new = self.enrolment.csr, self._request.csr
        if old is None or new is None:
            raise NotObserved(f"{self.device}: a CSR cannot be read")
        return old, new

    @property
    def _renewed_by(self) -> int | None:
        for number, attempt in enumerate(self.attempts):
            if any(granting(seen.exchange.reply) for seen in attempt):
                return number
        return None


def bursts(seen: Sequence[Seen]) -> list[list[Seen]]:
    """Exchanges in their order, those together that are of one attempt."""
    found: list[list[Seen]] = []
    for one in seen:
        before = found[-1][-1] if found else None
        if before and one.boot == before.boot and one.since_power_on - before.since_power_on < BURST:
            found[-1].append(one)
        else:
            found.append([one])
    return found
