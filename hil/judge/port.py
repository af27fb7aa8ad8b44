"""A device at its port, in the boots in which that asked for 802.1X: by the RADIUS server's events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hil.evidence import EventName
from hil.judge.seen import Where
from hil.judge.verdict import Inconclusive, NotObserved

SERVICE = "8021X"


@dataclass(frozen=True)
class Attempt:
    """One EAP-TLS handshake: whether the server let the device through, and the name that it gave."""

    boot: int
    passed: bool
    identity: str
    where: Where


@dataclass(frozen=True)
class PortFacts:
    """`asked` are the numbers of the boots whose port asked."""

    device: str
    asked: Collection[int]
    attempts: Sequence[Attempt]

    @property
    def where(self) -> Where:
        """The first attempt."""
        return self._made[0].where

    @property
    def opened(self) -> bool:
        """Whether the device was let through in every boot whose port asked."""
        if not self.asked:
            raise Inconclusive(f"{self.device}: its port never asked for 802.1X")
        return set(self.asked) <= {attempt.boot for attempt in self.attempts if attempt.passed}

    @property
    def identity(self) -> str:
        """The name that it gave; several with commas."""
        return ", ".join(sorted({attempt.identity for attempt in self._made}))

    @property
    def _made(self) -> Sequence[Attempt]:
        if not self.attempts:
            raise NotObserved(f"{self.device}: its port asked for 802.1X, and it spoke no EAP-TLS")
        return self.attempts


def attempts(events: Sequence[Mapping[str, Any]], device: str, *, boot: int, log: str) -> Iterator[Attempt]:
    """What a boot's event log, the file `log`, tells of `device` at its port."""
    for line, event in enumerate(events, 1):
        told = event["details"]
        if event["name"] == EventName.TLS_HANDSHAKE and event["device"] == device and told.get("service") == SERVICE:
            where = Where(log, None, datetime.fromisoformat(event["at"]), line)
            yield Attempt(boot, "failure" not in told, str(told.get("identity")), where)
