"""A sitting read from its evidence: which exchange belongs to which device and slot, and what fits nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.capture.transcript import Exchange, Fetch, Transcript, read_capture
from hil.evidence import SCEP_PATH, BootManifest, SittingManifest, read_events
from hil.identity import Firmware, Identity
from hil.judge.observation import Observation, Seen
from hil.judge.renewals import Validity
from hil.judge.rules import DURING_BOOT_SECONDS, Told
from hil.judge.verdict import Inconclusive
from hil.scenario import Scenario
from hil.scep.authority import Authority
from hil.settings.interpret import interpret
from hil.settings.profiles import profiles
from hil.settings.writer import UPGRADE_FILE, phone_file_name

_PLAYED = ("main", "restart", "change")


class Stray(NamedTuple):
    """An exchange that fits no device and slot of the sitting; blamed on nobody."""

    file: str
    frame: int
    reason: str


Keys = Sequence[RSAPrivateKey]


def keys_in(folder: Path) -> Keys:
    """The private keys, kept with a run, that open what devices sent to its CA."""
    authority = Authority.load(folder)
    return (authority.key, *((authority.ra.key,) if authority.ra else ()))


@dataclass(frozen=True)
class Boot:
    """One power cycle as its capture shows it."""

    manifest: BootManifest
    transcript: Transcript

    def phone_time(self, capture_time: datetime, sitting: SittingManifest) -> datetime:
        """A capture's real time in phone time, anchored to the first SNTP reply in the capture if there is one."""
        told = sitting.phone_time(capture_time)
        for reply in self.transcript.time_replies:
            return reply.transmit + (told - sitting.phone_time(reply.time))
        return told


@dataclass
class Sitting:
    """The evidence of one sitting, read once; `of` gives the facts of a device in a slot."""

    folder: Path
    manifest: SittingManifest
    boots: tuple[Boot, ...]
    strays: list[Stray] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, keys: Keys) -> Sitting:
        """Read the sitting in `folder`, its pkiMessages opened with the CA's `keys`; `Misuse` on a broken manifest."""
        manifest = SittingManifest.load(folder)
        boots = tuple(Boot(boot, read_capture(folder / boot.capture, keys=keys)) for boot in manifest.boots)
        return cls(folder, manifest, boots)

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

        Nor may the end of a boot have cut off what the phone was sending to a CA.
        """
        for boot, following in zip(self.boots, (*self.boots[1:], None), strict=True):
            where = f"{self.manifest.sitting}, boot {boot.manifest.index} ({boot.manifest.kind})"
            cleared_again = following is not None and following.manifest.kind == "clear"
            if boot.manifest.problems:
                raise Inconclusive(f"{where}: {'; '.join(boot.manifest.problems)}")
            if boot.transcript.problems:
                raise Inconclusive(f"{where}: {boot.manifest.capture}: {'; '.join(boot.transcript.problems[:3])}")
            if boot.manifest.kind == "clear" and not boot.manifest.in_time and not cleared_again:
                raise Inconclusive(f"{where}: the phone kept starting anew, so it may hold a certificate of before")
            if not any(self._settings_read(boot, self.phone)):
                raise Inconclusive(f"{where}: {self.phone} was not seen to fetch its settings, so nothing it left undone counts")
            for exchange in boot.transcript.exchanges:
                unread = exchange.operation == "PKIOperation" and exchange.request is None and exchange.reply_frame is None
                if unread and self.speaker(boot, exchange) == self.phone:
                    raise Inconclusive(f"{where}: frame {exchange.request_frame}: {'; '.join(exchange.problems)}")

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
        read = max(fetch.reply_time for fetch in self._settings_read(boot, self.phone) if fetch.reply_time)
        given = self._between(read, boot.transcript.last or read)
        if given < seconds:
            where = f"{self.manifest.sitting}, boot {boot.manifest.index}"
            raise Inconclusive(f"{where}: power went off {given:.0f} s after the settings were read; {remedy}")

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
            return files[name].read_bytes() if name in files else None

        firmware = Firmware(self.manifest.firmware) if self.manifest.firmware else None
        interpretation = interpret(UPGRADE_FILE, fetch, self.identity, firmware=firmware)
        by_slot = {profile.slot: profile for profile in profiles(interpretation, self.identity)}
        return Told(scenario, by_slot.get(slot))

    def _observation(self, device: str, slot: int, kinds: tuple[str, ...]) -> Observation:
        mine = [seen for seen in self._attributed.get((device, slot), ()) if self._kinds[seen.boot] in kinds]
        nonces = [
            seen.exchange.request.sender_nonce
            for (other, other_slot), theirs in self._attributed.items()
            for seen in theirs
            if other == device and other_slot != slot and seen.exchange.request is not None
        ]
        return Observation(device, slot, mine, [nonce for nonce in nonces if nonce], lambda: self._validities)

    @cached_property
    def _validities(self) -> Mapping[str, Validity]:
        """When the certificates that the CA issued are valid, by the transactionID of their request."""
        found: dict[str, Validity] = {}
        for boot in self.manifest.boots:
            for event in read_events(self.folder / boot.events):
                told = event["details"]
                if isinstance(told, dict) and told.get("not_before"):
                    began, ends = (datetime.fromisoformat(told[name]) for name in ("not_before", "not_after"))
                    found.setdefault(str(told["transaction_id"]), Validity(began, ends))
        return found

    @cached_property
    def _kinds(self) -> Mapping[int, str]:
        return {boot.manifest.index: boot.manifest.kind for boot in self.boots}

    @cached_property
    def _attributed(self) -> Mapping[tuple[str, int], list[Seen]]:
        found: dict[tuple[str, int], list[Seen]] = defaultdict(list)
        for boot in self.boots:
            for exchange in boot.transcript.exchanges:
                owner = self._attribute(boot, exchange)
                if isinstance(owner, Stray):
                    self.strays.append(owner)
                else:
                    found[owner].append(self._seen(boot, exchange, owner[0]))
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
        leased = {lease.ip for lease in boot.transcript.leases if lease.mac == self.manifest.mac} or {self.manifest.address}
        return self.phone if said.client_mac == self.manifest.mac and address in leased else None

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
        since_power_on = (time - boot.manifest.power_on).total_seconds()
        return Seen(
            exchange,
            boot.manifest.index,
            boot.manifest.capture,
            time,
            since_power_on,
            since_last(read),
            since_last([*read, *got]),
        )
