"""A sitting read from its evidence: which exchange belongs to which device and slot, and what fits nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from hil.capture.exchange import REFUSED
from hil.capture.tls import TlsConnection, read_tls
from hil.capture.transcript import Exchange, Fetch
from hil.evidence import SCEP_PATH, SittingManifest, read_events
from hil.identity import Firmware, Identity, MacroPlace, expand
from hil.judge.boot import Boot
from hil.judge.ca_log import Issued, issue_of, issued
from hil.judge.connections import Connection, connections
from hil.judge.csr import Parts
from hil.judge.keys import Keys
from hil.judge.observation import Observation
from hil.judge.port import PortFacts, attempts
from hil.judge.provisioning import Fetched
from hil.judge.rules import DURING_BOOT_SECONDS, INSTALLING_SECONDS, Told
from hil.judge.seen import Seen, Where
from hil.judge.services import Granted, ServiceFacts
from hil.judge.verdict import Inconclusive
from hil.judge.withheld import restored
from hil.scenario import Scenario
from hil.settings.catalog import for_slot
from hil.settings.interpret import Interpretation, interpret
from hil.settings.profiles import Profile, profiles
from hil.settings.usage import NOT_READ, Usage, read_usage
from hil.settings.writer import UPGRADE_FILE, phone_file_name

__all__ = ["Boot", "Sitting", "Stray"]

_PLAYED = ("main", "restart", "change")


class Stray(NamedTuple):
    """An exchange that fits no device and slot of the sitting; blamed on nobody."""

    file: str
    frame: int
    reason: str


def _usage(profile: Profile, told: Interpretation) -> Usage:
    """What the profile's list of services means; one that a phone would ignore settles nothing."""
    ignored = f"SET {for_slot('SCEP_USAGE', profile.slot)} "
    return NOT_READ if any(line.text.startswith(ignored) for line in told.ignored) else read_usage(profile.usage)


@dataclass
class Sitting:
    """The evidence of one sitting, read once; `of` gives the facts of a device in a slot."""

    folder: Path
    manifest: SittingManifest
    boots: tuple[Boot, ...]
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    strays: list[Stray] = field(default_factory=list)
    _tls: dict[int, tuple[TlsConnection, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, keys: Keys, passwords: Mapping[str, str] | None = None) -> Sitting:
        """Read the sitting in `folder`, opened with the CA's `keys` and withheld `passwords`; `Misuse` on a broken manifest."""
        manifest = SittingManifest.load(folder)
        boots = tuple(Boot.read(folder, boot, keys) for boot in manifest.boots)
        return cls(folder, manifest, boots, passwords or {})

    @property
    def phone(self) -> str:
        return self.manifest.phone

    @property
    def reference(self) -> str:
        return f"{self.manifest.phone}.reference"

    @property
    def identity(self) -> Identity:
        return Identity(self.manifest.model, self.manifest.mac, self.manifest.serial)

    @property
    def played(self) -> Iterator[Boot]:
        """The boots in which scenarios played, without those that cleared certificates or controlled an absence."""
        return (boot for boot in self.boots if boot.manifest.kind in _PLAYED)

    def require_whole(self) -> None:
        """Raise `Inconclusive` unless each boot was recorded from end to end and shows the phone reading its settings.

        Whom a port that asked for 802.1X has shut out read none. No second DHCP server may have told the phone anything,
        nor may the end of a boot have cut off what the phone was sending to a CA.
        """
        for boot, following in zip(self.boots, (*self.boots[1:], None), strict=True):
            where = f"{self.manifest.sitting}, boot {boot.manifest.index} ({boot.manifest.kind})"
            cleared_again = following is not None and following.manifest.kind == "clear"
            if boot.manifest.problems:
                raise Inconclusive(f"{where}: {'; '.join(boot.manifest.problems)}")
            if damage := self.damage(boot):
                raise Inconclusive(f"{where}: {boot.manifest.capture}: {'; '.join(damage)}")
            if boot.manifest.kind == "clear" and not boot.manifest.in_time and not cleared_again:
                raise Inconclusive(f"{where}: the phone kept starting anew, so it may hold a certificate of before")
            if not boot.manifest.guarded and not any(self._settings_read(boot, self.phone)):
                raise Inconclusive(f"{where}: {self.phone} was not seen to fetch its settings, so nothing it left undone counts")
            for exchange in boot.transcript.exchanges:
                unread = exchange.operation == "PKIOperation" and exchange.request is None and exchange.reply_frame is None
                if unread and self.speaker(boot, exchange) == self.phone:
                    raise Inconclusive(f"{where}: frame {exchange.request_frame}: {'; '.join(exchange.problems)}")

    def damage(self, boot: Boot) -> tuple[str, ...]:
        """Why a boot's capture does not show all of it, or shows more than one DHCP server; the first few reasons."""
        return (*boot.missing, *boot.transcript.problems, *boot.transcript.rivals_for(self.manifest.mac))[:3]

    def require_patience(self) -> None:
        """Raise `Inconclusive` where a boot ended with an enrolment still due, in less time than counts as booting."""
        remedy = f"a phone may take {DURING_BOOT_SECONDS:.0f} s to enrol, so raise times.boot_limit"
        for boot in self.played:
            if not boot.manifest.in_time:
                self._require_watched(boot, DURING_BOOT_SECONDS, remedy)

    def require_witness(self, slots: Collection[int] = (1, 2, 3), *, absent_in: int | None = None) -> None:
        """Raise `Inconclusive` unless the phone was granted a certificate in one of `slots` somewhere in this sitting.

        And unless every boot in which scenarios played lasted, from its settings on, as long as that took; but one in
        which the slot `absent_in` was granted shows no absence there.
        """
        granted = [seen for slot in slots for seen in self._observation(self.phone, slot, (*_PLAYED, "control")).granted]
        if not granted:
            raise Inconclusive(f"{self.manifest.sitting}: nothing enrolled on {self.phone}, so an absence has no witness")
        took = max(seen.since_settings or 0.0 for seen in granted)
        present = self._observation(self.phone, absent_in, _PLAYED).enrolled_boots if absent_in is not None else ()
        for boot in self.played:
            if boot.manifest.index in present:
                continue
            self._require_watched(boot, took, f"its witness took {took:.0f} s, so raise times.quiet")

    def _require_watched(self, boot: Boot, seconds: float, remedy: str) -> None:
        reads = [fetch.reply_time for fetch in self._settings_read(boot, self.phone) if fetch.reply_time]
        if boot.manifest.guarded and not reads:
            self._require_shut_out(boot, seconds, remedy)
            return
        read = max(reads)
        given = self._between(read, boot.transcript.last or read)
        if given < seconds:
            where = f"{self.manifest.sitting}, boot {boot.manifest.index}"
            raise Inconclusive(f"{where}: power went off {given:.0f} s after the settings were read; {remedy}")

    def _require_shut_out(self, boot: Boot, seconds: float, remedy: str) -> None:
        given = (boot.manifest.ended - boot.manifest.power_on).total_seconds()
        if given < seconds:
            where = f"{self.manifest.sitting}, boot {boot.manifest.index}"
            raise Inconclusive(f"{where}: power went off after {given:.0f} s, before the port had opened; {remedy}")

    def of(self, device: str, slot: int) -> Observation:
        """The facts of `device` in `slot`, over all boots in which scenarios played."""
        observation = self._observation(device, slot, _PLAYED)
        observation.mates = tuple(
            self._observation(device, other.slot, _PLAYED) for other in self.manifest.scenarios if other.slot != slot
        )
        return observation

    def told(self, device: str, slot: int, scenario: Scenario) -> Told:
        """What the documents make of the files that `device` was served when its profile first had its settings."""
        main = next(boot.manifest for boot in self.played)
        files = {name: self.folder / file for name, file in main.files.get(device, {}).items()}

        def fetch(name: str) -> bytes | None:
            return restored(files[name].read_bytes(), self.passwords) if name in files else None

        firmware = Firmware(self.manifest.firmware) if self.manifest.firmware else None
        interpretation = interpret(UPGRADE_FILE, fetch, self.identity, firmware=firmware)
        by_slot = {profile.slot: profile for profile in profiles(interpretation, self.identity)}
        usages = {slot: _usage(profile, interpretation) for slot, profile in by_slot.items()}
        name = expand(interpretation.value("FORCE_DOT1XID_TLS"), self.identity, MacroPlace.DOT1X)
        return Told(scenario, by_slot.get(slot), usages, name, bool(interpretation.value("TRUSTCERTS")))

    def _observation(self, device: str, slot: int, kinds: tuple[str, ...]) -> Observation:
        mine = [seen for seen in self._attributed.get((device, slot), ()) if self._kinds[seen.boot] in kinds]
        nonces = [
            seen.exchange.request.sender_nonce
            for (other, other_slot), theirs in self._attributed.items()
            for seen in theirs
            if other == device and other_slot != slot and seen.exchange.request is not None
        ]
        return Observation(
            device,
            slot,
            mine,
            [nonce for nonce in nonces if nonce],
            lambda: self._issued,
            partial(self._at_services, device, slot),
            partial(self._fetched, device, kinds),
            partial(self._at_port, device),
            partial(self._due, slot, kinds) if self._is_sealed(device, slot) else None,
            partial(self._told_ahead, kinds),
        )

    def _told_ahead(self, kinds: tuple[str, ...]) -> Mapping[int, timedelta | None]:
        """How far ahead of the bench's time SNTP told the phone that it is: by the boot's place among those of that kind."""
        boots = (boot for boot in self.boots if boot.manifest.kind in kinds)
        return {place: boot.told_ahead(self.manifest) for place, boot in enumerate(boots, 1)}

    def _is_sealed(self, device: str, slot: int) -> bool:
        """Whether the device meets a real CA, which the reference never does."""
        met = (played.external for played in self.manifest.scenarios if played.slot == slot)
        return device == self.phone and any(met)

    def _due(self, slot: int, kinds: tuple[str, ...]) -> Parts:
        """The subject that the reference asks for, told the same."""
        return self._observation(self.reference, slot, kinds).csr.subject

    def _at_services(self, device: str, slot: int) -> ServiceFacts:
        boots = tuple(boot.manifest.index for boot in self.played)
        installing = timedelta(seconds=INSTALLING_SECONDS)
        return ServiceFacts(device, slot, self._granted(device), self._connections(device), installing, boots)

    def _at_port(self, device: str) -> PortFacts:
        asked = [boot.manifest for boot in self.played if boot.manifest.guarded]
        made = [one for own in asked for one in attempts(self._events[own.index], device, boot=own.index, log=own.events)]
        return PortFacts(device, tuple(own.index for own in asked), made)

    def _granted(self, device: str) -> Mapping[int, Sequence[Granted]]:
        """The certificates that the CA granted in each slot, by the capture's time and the serial number in the CA's log."""
        found: dict[int, list[Granted]] = {}
        for played in self.manifest.scenarios:
            granted = self._observation(device, played.slot, _PLAYED).granted
            for number, seen in enumerate(granted):
                issue, reply_time = issue_of(granted, number, self._issued), seen.exchange.reply_time
                if issue is None or reply_time is None:
                    raise Inconclusive(f"{seen.file} frame {seen.exchange.reply_frame}: its certificate is in no log of the CA")
                boot = next(boot for boot in self.boots if boot.manifest.index == seen.boot)
                at = boot.phone_time(reply_time, self.manifest)
                found.setdefault(played.slot, []).append(Granted(issue.serial, at, seen.boot))
        return found

    def _connections(self, device: str) -> tuple[Connection, ...]:
        """What the device had to do with services over TLS, in the boots in which scenarios played."""
        found: list[Connection] = []
        for boot in self.played:
            own = boot.manifest
            if own.index not in self._tls:
                self._tls[own.index] = read_tls(self.folder / own.capture)
            found += connections(
                self._events[own.index],
                self._tls[own.index],
                device,
                boot=own.index,
                files=(own.capture, own.events),
                phone_time=partial(boot.phone_time, sitting=self.manifest),
            )
        return tuple(found)

    @cached_property
    def _events(self) -> Mapping[int, Sequence[Mapping[str, Any]]]:
        return {boot.index: read_events(self.folder / boot.events) for boot in self.manifest.boots}

    def _fetched(self, device: str, kinds: tuple[str, ...]) -> tuple[Fetched, ...]:
        """The files that `device` asked for in boots of those kinds, in their order."""
        found = []
        for boot in self.boots:
            if boot.manifest.kind not in kinds:
                continue
            own = [fetch.request_frame for fetch in self._settings_read(boot, device)]
            for fetch in boot.transcript.fetches:
                if self.speaker(boot, fetch) == device:
                    time = boot.phone_time(fetch.request_time, self.manifest)
                    where = Where(boot.manifest.capture, fetch.request_frame, time)
                    since = boot.since_power_on(fetch.request_time, self.manifest)
                    found.append(Fetched(fetch, boot.manifest.index, where, since, fetch.request_frame in own))
        return tuple(found)

    @cached_property
    def _issued(self) -> Mapping[str, Sequence[Issued]]:
        """What the CA issued in the boots in which scenarios played, by the transactionID of its request."""
        return issued(event for boot in self.played for event in self._events[boot.manifest.index])

    @cached_property
    def _kinds(self) -> Mapping[int, str]:
        return {boot.manifest.index: boot.manifest.kind for boot in self.boots}

    @cached_property
    def _attributed(self) -> Mapping[tuple[str, int], list[Seen]]:
        found: dict[tuple[str, int], list[Seen]] = defaultdict(list)
        for boot in self.boots:
            asked = (*boot.transcript.exchanges, *boot.transcript.refusals)
            for exchange in sorted(asked, key=lambda one: one.request_frame):
                owner = self._attribute(boot, exchange)
                if not isinstance(owner, Stray):
                    found[owner].append(self._seen(boot, exchange, owner[0]))
                elif exchange.operation != REFUSED:
                    self.strays.append(owner)
        return found

    def owner(self, boot: Boot, exchange: Exchange) -> tuple[str, int] | None:
        """Device and slot that an exchange belongs to, None for a stray."""
        owner = self._attribute(boot, exchange)
        return None if isinstance(owner, Stray) else owner

    def _attribute(self, boot: Boot, exchange: Exchange) -> tuple[str, int] | Stray:
        def stray(reason: str) -> Stray:
            return Stray(boot.manifest.capture, exchange.request_frame, reason)

        speaker = self.speaker(boot, exchange)
        path = SCEP_PATH.fullmatch(exchange.path)
        if speaker is None:
            return stray(
                f"{exchange.client} ({exchange.client_mac}) is neither the phone at its leased address nor the reference"
            )
        if exchange.operation == REFUSED:
            called = [played.slot for played in self.manifest.scenarios if exchange.server.endswith(f":{played.port}")]
            return (speaker, called[0]) if called else stray(f"{speaker} called at {exchange.server}, where nobody listens")
        slots = {played.slot for played in self.manifest.scenarios} if boot.manifest.kind in _PLAYED else {1, 2, 3}
        if path is not None and path["device"] == speaker and int(path["slot"]) in slots:
            return speaker, int(path["slot"])
        told_no_url = [played.slot for played in self.manifest.scenarios if not played.has_url]
        if speaker == self.phone and told_no_url and boot.manifest.kind in _PLAYED:
            return speaker, told_no_url[0]  # a server that no slot was told of is what a slot without a URL must not ask
        if path is None:
            return stray(f"{speaker} asked {exchange.path}, which is no device's SCEP path")
        return stray(f"{speaker} asked the SCEP path of {path['device']}, slot {path['slot']}")

    def speaker(self, boot: Boot, said: Exchange | Fetch) -> str | None:
        """Which device said this, by MAC and leased address; None where it is neither phone nor reference."""
        address = said.client.rpartition(":")[0]
        if address == self.manifest.reference_address:
            return self.reference
        own = said.client_mac == self.manifest.mac and address in boot.addresses(self.manifest)
        return self.phone if own else None

    def _settings_read(self, boot: Boot, device: str) -> Iterator[Fetch]:
        own_file = phone_file_name(self.identity)
        for fetch in boot.transcript.fetches:
            obtained = fetch.method == "GET" and fetch.status == 200 and fetch.path.endswith(own_file)
            if obtained and self.speaker(boot, fetch) == device:
                yield fetch

    def _between(self, earlier: datetime, later: datetime) -> float:
        """Phone seconds between two capture times."""
        return (self.manifest.phone_time(later) - self.manifest.phone_time(earlier)).total_seconds()

    def _seen(self, boot: Boot, exchange: Exchange, device: str) -> Seen:
        manifest = self.manifest
        read = [fetch.reply_time for fetch in self._settings_read(boot, device)]
        got = [answered.reply_time for answered in boot.transcript.exchanges if self.speaker(boot, answered) == device]

        def since_last(instants: Iterable[datetime | None]) -> float | None:
            before = [instant for instant in instants if instant is not None and instant < exchange.request_time]
            return self._between(max(before), exchange.request_time) if before else None

        time = boot.phone_time(exchange.request_time, manifest)
        since_power_on = boot.since_power_on(exchange.request_time, manifest)
        return Seen(
            exchange,
            boot.manifest.index,
            boot.manifest.capture,
            time,
            since_power_on,
            since_last(read),
            since_last([*read, *got]),
        )
