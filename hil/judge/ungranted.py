"""What a device did about a request for a certificate that was refused, not answered, or left pending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from hil.judge.grants import ENROLMENT
from hil.judge.verdict import NotObserved
from hil.scep.messages import MessageType, PkiStatus

if TYPE_CHECKING:
    from hil.judge.seen import Seen, Where


@dataclass(frozen=True)
class UngrantedFacts:
    """What followed a first request that the CA did not grant, in one scenario on one device."""

    device: str
    seen: Sequence[Seen]

    @property
    def where(self) -> Where:
        return self._first.where

    @property
    def asked_again(self) -> str:
        """`in the same boot`, `after a restart`, or `never`, as far as it was watched."""
        first, later = self._first, self._requests[1:]
        if any(one.boot == first.boot for one in later):
            return "in the same boot"
        return "after a restart" if later else "never"

    @property
    def minutes_until_asked_again(self) -> float:
        """Minutes of phone time from the first request to the next one in the same boot."""
        for one in self._requests[1:]:
            if one.boot == self._first.boot:
                return round((one.time - self._first.time).total_seconds() / 60, 1)
        raise NotObserved(f"{self.device}: asked no second time in the boot of its first request")

    @property
    def polls(self) -> int:
        """How often the device asked for a pending request in the boot of its first request."""
        return len(self._polls)

    @property
    def poll_minutes(self) -> float:
        """Minutes of phone time between polls, the median."""
        instants = [self._first.time, *(one.time for one in self._polls)]
        if len(instants) < 2:
            raise NotObserved(f"{self.device}: never asked what became of its pending request")
        return round(median((later - earlier).total_seconds() for earlier, later in pairwise(instants)) / 60, 1)

    @property
    def after_restart(self) -> str:
        """`polls the same transaction`, `asks anew`, or `nothing`: what became of a pending request over a restart."""
        if not self._pending:
            raise NotObserved(f"{self.device}: no request of it was left pending")
        identifier = self._first.exchange.request.transaction_id if self._first.exchange.request else None
        later = [one.exchange.request for one in self.seen if one.boot > self._first.boot]
        for message in later:
            if message is not None and message.message_type is not None:
                polls = message.message_type is MessageType.CertPoll and message.transaction_id == identifier
                return "polls the same transaction" if polls else "asks anew"
        return "nothing"

    @property
    def _requests(self) -> list[Seen]:
        sent = ((one, one.exchange.request) for one in self.seen)
        return [one for one, message in sent if message is not None and message.message_type in ENROLMENT]

    @property
    def _first(self) -> Seen:
        if not self._requests:
            raise NotObserved(f"{self.device}: asked for no certificate")
        return self._requests[0]

    @property
    def _polls(self) -> list[Seen]:
        boot = self._first.boot
        sent = ((one, one.exchange.request) for one in self.seen if one.boot == boot)
        return [one for one, message in sent if message is not None and message.message_type is MessageType.CertPoll]

    @property
    def _pending(self) -> bool:
        reply = self._first.exchange.reply
        return reply is not None and reply.status is PkiStatus.PENDING
