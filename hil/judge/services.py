"""Which certificate a device showed to which service, and what became of connections when it was renewed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from hil.judge.connections import Connection
from hil.judge.seen import Where
from hil.judge.verdict import Inconclusive

KEPT = ("SIP", "LDAP", "SYSLOG")
"""Services whose protocol keeps its connection; one of the web may end when its answer is there."""

NO_SCEP_CERTIFICATE = "none"

_AT_ONCE = timedelta()


@dataclass(frozen=True)
class Granted:
    """A certificate that the CA granted in a boot, and when the device had it."""

    serial: str
    at: datetime
    boot: int

    def precedes(self, one: Connection, by: timedelta = _AT_ONCE) -> bool:
        """Whether a connection began more than `by` after it, or in a later boot, whatever time was told there."""
        return one.boot > self.boot or (one.boot == self.boot and one.began > self.at + by)


@dataclass(frozen=True)
class ServiceFacts:
    """Whose certificate one device showed to its services over TLS, seen from one slot.

    `grants` are each slot's certificates in their order. What a service was shown before every slot had its first is left
    out. For `installing` after that a device may show none yet, and after a renewal either certificate: that it received one
    does not say that it has put it in its place. `boots` are the indices of those in which the scenario played, in their
    order.
    """

    device: str
    slot: int
    grants: Mapping[int, Sequence[Granted]]
    all_connections: Sequence[Connection]
    installing: timedelta
    boots: Sequence[int] = ()

    def in_boot(self, number: int) -> ServiceFacts:
        """The same of one boot alone, by its place among the scenario's, from 1 on."""
        index = self.boots[number - 1]
        return replace(self, all_connections=[one for one in self.all_connections if one.boot == index])

    @property
    def where(self) -> Where:
        """The first connection that counts."""
        return self._shown[0].where

    @cached_property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that began when each slot had a certificate, and had put it in its place, in their order."""
        return tuple(one for one in self._after_grants if not self._installing_at(one))

    @cached_property
    def _after_grants(self) -> Sequence[Connection]:
        ready = self._ready
        return [one for one in self.all_connections if ready is None or ready.precedes(one)]

    @property
    def _ready(self) -> Granted | None:
        """The last of the slots' first certificates, None where there is none."""
        first = (granted[0] for granted in self.grants.values() if granted)
        return max(first, key=lambda granted: (granted.boot, granted.at), default=None)

    def _installing_at(self, one: Connection) -> bool:
        """Whether the device showed none, and may have done so since it had not installed its certificates yet.

        It had, where all that it ever showed were shown within the time that this may take, and none to this service later.
        """
        ready = self._ready
        if ready is None or ready.precedes(one, self.installing) or self.whose(one) != NO_SCEP_CERTIFICATE:
            return False
        showing = [other for other in self._after_grants if self.whose(other) != NO_SCEP_CERTIFICATE]
        in_time = {self.whose(other) for other in showing if not ready.precedes(other, self.installing)}
        installed = bool(in_time) and in_time == {self.whose(other) for other in showing}
        later = any(other.service == one.service and (other.boot, other.began) > (one.boot, one.began) for other in showing)
        return later or not installed

    @property
    def presented(self) -> tuple[tuple[str, str], ...]:
        """Each service and whose certificate it was shown: a slot's number, `none` of SCEP's, or several with commas."""
        return _by_service((one.service, self.whose(one)) for one in self._shown)

    @property
    def _shown(self) -> Sequence[Connection]:
        return _some(self.connections, f"{self.device} was at no service once it had its certificates, so none shows which")

    def to(self, service: str) -> str:
        """Whose certificate `service` was shown, as in `presented`; `Inconclusive` where the device never was there."""
        shown = dict(self.presented)
        if service not in shown:
            raise Inconclusive(f"{self.device} was not at {service}, so nothing shows which certificate it has there")
        return shown[service]

    @property
    def anew(self) -> AnewFacts:
        """What was connected to after the slot's certificate was renewed."""
        old, new = self._renewed
        mine = {one.service for one in self.connections if one.serial == old.serial}
        later = [one for one in self.connections if one.service in mine and new.precedes(one, self.installing)]
        return AnewFacts(self, old, new, later)

    @property
    def kept(self) -> KeptFacts:
        """What was open, and had been used, when the slot's certificate was renewed."""
        old, new = self._renewed
        open_then = [
            one
            for one in self.connections
            if one.boot == new.boot
            and one.service in KEPT
            and one.serial == old.serial
            and _used_before(one, new.at)
            and _lived_at(one, new.at)
        ]
        return KeptFacts(self.device, new.at, self.installing, open_then)

    @property
    def _renewed(self) -> tuple[Granted, Granted]:
        granted = self.grants.get(self.slot, ())
        if len(granted) < 2:
            raise Inconclusive(f"{self.device}: slot {self.slot} was not renewed, so nothing shows what comes after")
        return granted[0], granted[1]

    def whose(self, one: Connection) -> str:
        """The slot whose certificate a connection was shown, as a number, or `none`."""
        slots = (slot for slot, granted in self.grants.items() if any(one.serial == each.serial for each in granted))
        slot = next(slots, None)
        return NO_SCEP_CERTIFICATE if slot is None else str(slot)


@dataclass(frozen=True)
class AnewFacts:
    """Connections that began after a renewal, to services that had been shown the old certificate."""

    services: ServiceFacts
    old: Granted
    new: Granted
    connections: Sequence[Connection]

    @property
    def where(self) -> Where:
        """The first of them."""
        return self._shown[0].where

    @property
    def presented(self) -> tuple[tuple[str, str], ...]:
        """Each service and what it was shown: the `new` certificate, the `old` one, or whose else as in `ServiceFacts`."""
        words = {self.old.serial: "old", self.new.serial: "new"}
        return _by_service((one.service, words.get(one.serial or "", self.services.whose(one))) for one in self._shown)

    @property
    def _shown(self) -> Sequence[Connection]:
        return _some(self.connections, f"{self.services.device} connected to no service anew after its renewal")


@dataclass(frozen=True)
class KeptFacts:
    """Connections that were open, and had been used, when a certificate was renewed at the instant `renewed`."""

    device: str
    renewed: datetime
    installing: timedelta
    connections: Sequence[Connection]

    @property
    def where(self) -> Where:
        """The end of one that was dropped, or else what the device first said on one of them well after the renewal."""
        ends = [one.ended[0] for one in self.connections if one.service in self.dropped and one.ended]
        said = [said for one in self.connections for said in one.heard if self._after(said)]
        return min(ends or said, key=lambda seen: seen.time)

    @property
    def stayed(self) -> tuple[str, ...]:
        """Services on whose connection the device said more after the renewal."""
        return tuple(sorted({one.service for one in self.connections if any(map(self._after, one.heard))}))

    @property
    def dropped(self) -> tuple[str, ...]:
        """Services whose connection the device ended for the renewal's sake: in the time in which it installs."""
        used = _some(self.connections, f"{self.device}: no connection of {', '.join(KEPT)} was in use at the renewal")
        gone = {one.service for one in used if one.ended and one.ended[1] and not self._after(one.ended[0])}
        if not gone and not self.stayed:
            raise Inconclusive(f"{self.device}: nothing was said on a connection after the renewal, so none shows that it lives")
        return tuple(sorted(gone))

    def _after(self, seen: Where) -> bool:
        return seen.time > self.renewed + self.installing


def _some(connections: Sequence[Connection], lacking: str) -> Sequence[Connection]:
    """The connections; `Inconclusive` where there are none, for the reason `lacking`."""
    if not connections:
        raise Inconclusive(lacking)
    return connections


def _by_service(shown: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """All that each service was shown, in one text."""
    found: dict[str, set[str]] = defaultdict(set)
    for service, what in shown:
        found[service].add(what)
    return tuple((service, ", ".join(sorted(found[service]))) for service in sorted(found))


def _used_before(one: Connection, instant: datetime) -> bool:
    return any(said.time < instant for said in one.heard)


def _lived_at(one: Connection, instant: datetime) -> bool:
    return one.ended is None or one.ended[0].time > instant
