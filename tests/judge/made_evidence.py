"""The evidence of a sitting, made without bench or packets: real files, real messages, a transcript of our own.

A device reads the files that it is served as `hil.settings` does and enrols as the documents say, unless `change`
makes something else of what it asks. The CA behind each slot is the bench's own.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.campaign.plan import PlannedBoot, PlannedSitting
from hil.campaign.render import Server, boot_files
from hil.capture.transcript import Exchange, Fetch, Lease, TimeReply, Transcript
from hil.clock import ManualClock, Pace
from hil.evidence import BootManifest, PlayedScenario, SittingManifest
from hil.identity import Firmware, Identity
from hil.judge.sitting import Boot, Sitting
from hil.scenario import Issue
from hil.scep.authority import Authority, self_signed
from hil.scep.build import build_request
from hil.scep.ca import CaService
from hil.scep.csr import build_csr, read_csr
from hil.scep.messages import MessageType, read_certificates, read_message
from hil.scep.outcomes import LedgerEntry
from hil.scep.signers import issue
from hil.secret import Secret
from hil.settings.catalog import for_slot
from hil.settings.interpret import Interpretation, interpret
from hil.settings.profiles import profiles
from hil.settings.writer import UPGRADE_FILE, phone_file_name

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
IDENTITY = Identity("J179", "C8-1F-EA-83-E8-5A", "19wz1234567a")
NAME, ADDRESS, REFERENCE, SERVER = "j179-1", "192.0.2.101", "127.77.1.1", "192.0.2.1"
FIRMWARE = "4.1.11.0.9"
BOOT_SECONDS = 10_000.0
SETTINGS_AFTER = 20.0


@functools.cache
def key(bits: int = 2048, number: int = 0) -> RSAPrivateKey:
    """A key of that length, always the same for the same number."""
    del number
    return rsa.generate_private_key(65537, bits)


@functools.cache
def authority() -> Authority:
    """The bench's CA."""
    return Authority.create("Made CA", ManualClock(EPOCH))


@dataclass(frozen=True)
class Ask:
    """One enrolment: what a device asks of the CA in its slot, `after` seconds from its settings on."""

    slot: int
    key: RSAPrivateKey
    subject: tuple[tuple[str, str], ...]
    challenge: Secret | None
    identifier: str | None
    cipher: str
    nonce: bytes
    transaction_id: str
    digest: str = "sha256"
    after: float = 10.0
    message_type: MessageType = MessageType.PKCSReq
    signs: RSAPrivateKey | None = None
    spoiled: bool = False
    capabilities: bool = True
    method: str = "POST"
    path: str | None = None
    client: str | None = None
    mac: str | None = None
    content: bytes | None = None
    """What the envelope holds in place of a CSR."""
    times: int = 1
    """How often the very same message is sent."""


Change = Callable[[Ask], Ask | None]


@dataclass
class Device:
    """A device of the sitting; `change` sees each enrolment before it is sent, `keeps` is whether it holds certificates."""

    name: str
    address: str
    mac: str | None
    change: Change = lambda ask: ask
    keeps: bool = True
    reads_settings: bool = True
    extra: Sequence[Ask] = ()
    """Enrolments besides, in every boot in which scenarios play."""
    held: set[int] = field(default_factory=set)


def phone(change: Change = lambda ask: ask, **how: Any) -> Device:
    return Device(NAME, ADDRESS, IDENTITY.mac, change, **how)


def reference(change: Change = lambda ask: ask, **how: Any) -> Device:
    return Device(f"{NAME}.reference", REFERENCE, None, change, **how)


def but(**changes: Any) -> Change:
    """Each enrolment with these fields changed."""
    return lambda ask: replace(ask, **changes)


def never(_ask: Ask) -> None:
    """No enrolment at all."""


_count = itertools.count(1)


def fresh_ask(slot: int = 1, **changes: Any) -> Ask:
    """An enrolment of nothing in particular."""
    number = next(_count)
    ask = Ask(slot, key(2048, slot), (("CN", "anybody"),), None, "", "des-cbc", number.to_bytes(16, "big"), f"{number:040X}")
    return replace(ask, **changes)


def play(
    root: Path,
    planned: PlannedSitting,
    *,
    phone_: Device | None = None,
    reference_: Device | None = None,
    lasts: Callable[[PlannedBoot], float] = lambda _: 900.0,
    leased: str | None = ADDRESS,
    firmware: str | None = FIRMWARE,
    rate: float = 1.0,
    transcribed: Callable[[PlannedBoot, Transcript], Transcript] = lambda _, transcript: transcript,
    **manifest: Any,
) -> Sitting:
    """Play `planned` and give its sitting; files and manifest are written under `root/evidence`, captures are not."""
    folder = root / "evidence" / NAME / planned.name
    devices = (phone_ or phone(), reference_ or reference())
    ledger: list[LedgerEntry] = []
    desks = {(d.name, slot): _desk(planned, slot, ledger) for d in devices for slot in (1, 2, 3)}
    boots = []
    for index, boot in enumerate(planned.boots, 1):
        power_on = EPOCH + timedelta(seconds=index * BOOT_SECONDS)
        files = {d.name: _serve(folder, index, boot, d, firmware) for d in devices}
        exchanges: list[Exchange] = []
        fetches: list[Fetch] = []
        held = frozenset(devices[0].held)
        for device in devices:
            if device.mac is None and boot.kind in ("clear", "control"):
                continue
            settings_at = EPOCH + (power_on - EPOCH) / rate + timedelta(seconds=SETTINGS_AFTER / rate)
            if device.reads_settings:
                fetches.append(fetch_of(device, settings_at))
            for ask in _asks(device, boot, folder, files[device.name], firmware):
                exchanges += _exchanges(device, ask, desks, settings_at + timedelta(seconds=ask.after / rate))
        exchanges.sort(key=lambda exchange: exchange.request_time)
        leases = (Lease(1, power_on, IDENTITY.mac, leased),) if leased else ()
        last = EPOCH + (power_on - EPOCH) / rate + timedelta(seconds=(SETTINGS_AFTER + lasts(boot)) / rate)
        on = EPOCH + (power_on - EPOCH) / rate
        told_time = (TimeReply(2, on, leased or ADDRESS, power_on),)
        transcript = Transcript(f"boot-{index}", tuple(exchanges), tuple(fetches), told_time, leases, (), power_on, last, 9)
        _log(folder / f"boot-{index}.events.jsonl", ledger)
        told = _boot_manifest(index, boot, power_on, lasts(boot), files).model_copy(
            update={"in_time": _in_time(boot, held, exchanges)}
        )
        boots.append(Boot(told, transcribed(boot, transcript)))
    manifest_of_all = SittingManifest(
        **{
            "sitting": planned.name,
            "confirms": planned.confirms,
            "phone": NAME,
            "model": IDENTITY.model,
            "mac": IDENTITY.mac,
            "serial": IDENTITY.serial,
            "firmware": firmware,
            "address": ADDRESS,
            "reference_address": REFERENCE,
            "server_address": SERVER,
            "rate": rate,
            "paces": (Pace(EPOCH, EPOCH, rate),),
            "scenarios": tuple(
                PlayedScenario(slot=slot, key=s.key, text=s.text, has_url=s.has_url) for slot, s in planned.scenarios
            ),
            "boots": tuple(boot.manifest for boot in boots),
            "faults": (),
            **manifest,
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    manifest_of_all.save(folder)
    return Sitting(folder, manifest_of_all, tuple(boots))


def fetch_of(device: Device, at: datetime, **changes: Any) -> Fetch:
    """The device's reading of its own settings file."""
    path = f"/{phone_file_name(IDENTITY)}" if device.mac else f"/reference/{NAME}/{phone_file_name(IDENTITY)}"
    made = Fetch(
        request_frame=3,
        reply_frame=4,
        request_time=at,
        reply_time=at,
        client=f"{device.address}:40000",
        server=f"{SERVER}:80",
        client_mac=device.mac,
        server_mac=None,
        method="GET",
        path=path,
        status=200,
        user_agent=None,
        size=9,
        problems=(),
    )
    return replace(made, **changes)


def _log(file: Path, ledger: list[LedgerEntry]) -> None:
    """Write what the CA issued since the boot before into the event log of this one."""
    issued = [
        {
            "name": "scep answer",
            "details": {
                "transaction_id": entry.transaction_id,
                "serial": entry.serial,
                "not_before": entry.not_before.isoformat(),
                "not_after": entry.not_after.isoformat(),
            },
        }
        for entry in ledger
        if entry.not_before and entry.not_after
    ]
    ledger.clear()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(event)}\n" for event in issued))


def _desk(planned: PlannedSitting, slot: int, ledger: list[LedgerEntry]) -> CaService:
    script = dict(planned.scenarios)[slot].ca if slot in dict(planned.scenarios) else (Issue(),)
    return CaService(authority(), issue(authority()), clock=ManualClock(EPOCH), script=script, ledger=ledger.append)


def _serve(folder: Path, index: int, boot: PlannedBoot, device: Device, firmware: str | None) -> dict[str, str]:
    server = Server(SERVER if device.mac else REFERENCE, 80)
    known = Firmware(firmware) if firmware else None
    kept = {}
    for name, content in boot_files(boot, device.name, IDENTITY, server, known).items():
        place = folder / f"boot-{index}" / device.name / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        kept[name] = str(place.relative_to(folder))
    return kept


def _asks(device: Device, boot: PlannedBoot, folder: Path, files: dict[str, str], firmware: str | None) -> Iterator[Ask]:
    def fetch(name: str) -> bytes | None:
        return (folder / files[name]).read_bytes() if name in files else None

    read = interpret(UPGRADE_FILE, fetch, IDENTITY, firmware=Firmware(firmware) if firmware else None)
    _delete(device, read)
    for profile in profiles(read, IDENTITY):
        deleting = "1" in (read.value(for_slot("DELETE_SCEP_CERT", profile.slot)), read.value("DELETE_MY_CERT"))
        if profile.slot in device.held or profile.prompts_user or deleting:
            continue
        ask = device.change(
            fresh_ask(
                profile.slot,
                key=key(profile.key_bits, profile.slot + (0 if device.mac else 10)),
                subject=profile.subject,
                challenge=profile.challenge_password,
                identifier=profile.ca_identifier,
                cipher=profile.cipher,
                after=10.0 * profile.slot,
            )
        )
        if ask is not None:
            yield ask
            if device.keeps:
                device.held.add(profile.slot)
    if boot.kind not in ("clear", "control"):
        yield from device.extra


def _delete(device: Device, read: Interpretation) -> None:
    device.held -= {slot for slot in (1, 2, 3) if read.value(for_slot("DELETE_SCEP_CERT", slot)) == "1"}


def message_of(ask: Ask) -> bytes:
    """The pkiMessage of an enrolment."""
    csr = build_csr(ask.key, ask.subject, challenge_password=ask.challenge, digest=ask.digest)
    if ask.spoiled:
        csr = csr[:-1] + bytes([csr[-1] ^ 1])
    signs = ask.signs or ask.key
    signer = self_signed(read_csr(build_csr(signs, ask.subject, challenge_password=None)).subject_der, signs, EPOCH)
    return build_request(
        ask.message_type,
        ask.content or csr,
        signer=signer,
        key=signs,
        recipient=authority().certificate,
        transaction_id=ask.transaction_id,
        sender_nonce=ask.nonce,
        digest=ask.digest,
        cipher=ask.cipher,
    )


def _exchanges(device: Device, ask: Ask, desks: dict[tuple[str, int], CaService], at: datetime) -> Iterator[Exchange]:
    blank = Exchange(
        index=1,
        operation="GetCACaps",
        request_frame=10 * ask.slot,
        reply_frame=10 * ask.slot + 1,
        request_time=at,
        reply_time=at,
        client=f"{ask.client or device.address}:40001",
        server=f"{SERVER}:80",
        client_mac=ask.mac or device.mac,
        server_mac=None,
        method="GET",
        path=ask.path or f"/scep/{device.name}/{ask.slot}/pkiclient.exe",
        status=200,
        user_agent=None,
        content_type=None,
        ca_identifier=ask.identifier,
        capabilities=None,
        certificates=None,
        request=None,
        reply=None,
        problems=(),
        notes=(),
    )
    if ask.capabilities:
        yield replace(blank, capabilities=("POSTPKIOperation",))
    desk = desks[device.name, ask.slot]
    found = read_certificates(desk.get_ca_cert("")[1])
    yield replace(blank, operation="GetCACert", request_frame=blank.request_frame + 2, certificates=found)
    sent = message_of(ask)
    for number in range(ask.times):
        yield replace(
            blank,
            operation="PKIOperation",
            method=ask.method,
            ca_identifier=None,
            request_frame=blank.request_frame + 4 + number,
            request_time=at + timedelta(seconds=number),
            request=read_message(sent, keys=(authority().key,)),
            reply=read_message(desk.pki_operation(sent), keys=(ask.key,), certificates=(authority().certificate,)),
        )


def _in_time(boot: PlannedBoot, held: frozenset[int], exchanges: Sequence[Exchange]) -> bool:
    """Whether the phone asked in each slot in which it was to enrol."""
    awaited = {slot for slot, scenario in boot.scenarios if scenario.enrols and slot not in held}
    asked = {slot for slot in awaited for each in exchanges if each.client_mac and f"/{slot}/" in each.path}
    return asked == awaited


def _boot_manifest(
    index: int, boot: PlannedBoot, power_on: datetime, lasts: float, files: dict[str, dict[str, str]]
) -> BootManifest:
    return BootManifest(
        index=index,
        kind=boot.kind,
        power_on=power_on,
        ended=power_on + timedelta(seconds=SETTINGS_AFTER + lasts),
        capture=f"boot-{index}.pcapng",
        events=f"boot-{index}.events.jsonl",
        files=files,
        packets=9,
        drops=0,
        problems=(),
    )
