"""What a sitting leaves on disk, and the words of its event log.

    evidence/<phone>/<sitting>/manifest.json      what was played, and whether each part is whole
                               boot-1.pcapng      everything that crossed the wire in that boot
                               boot-1.events.jsonl
                               boot-1.keys        secrets of its TLS connections
                               boot-1/            the files served in that boot

Files are named relative to the sitting's folder. Instants are in phone time.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hil.clock import Pace, phone_time
from hil.errors import Misuse


class EventName(StrEnum):
    """What a line of a boot's event log can be about."""

    BOOT_BEGINS = "boot begins"
    RECORDER_READY = "recorder ready"
    POWER_OFF = "power off"
    POWER_ON = "power on"
    FILE_SERVED = "file served"
    FILE_MISSING = "file missing"
    SCEP_REQUEST = "scep request"
    SCEP_ANSWER = "scep answer"
    TIME_SERVED = "time served"
    TIME_WITHHELD = "time withheld"
    SYSLOG = "syslog"
    LEASE = "dhcp lease"
    TLS_HANDSHAKE = "tls handshake"
    TLS_REQUEST = "tls request"
    TLS_CLOSED = "tls closed"
    HANG_UP = "hang up"
    PORT_REFUSES = "port refuses"
    PORT_LISTENS = "port listens"
    STRAY = "stray"
    REFERENCE = "reference"
    ENTITY_NEW = "end entity new"
    SETTLED = "settled"
    FAULT = "fault"
    BOOT_ENDS = "boot ends"
    RECOVERED = "power recovered"


SCEP_PATH = re.compile(r"/scep/(?P<device>[^/]+)/(?P<slot>[123])/pkiclient\.exe")


def scep_path(device: str, slot: int) -> str:
    """The URL path of a device's slot; it never changes, since a phone binds its certificate to the URL."""
    return f"/scep/{device}/{slot}/pkiclient.exe"


BootKind = Literal["clear", "main", "restart", "change", "control"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BootManifest(_Frozen):
    """One power cycle: its window, its files, and every reason why what it left is not whole."""

    index: int
    kind: BootKind
    power_on: datetime
    ended: datetime
    capture: str
    events: str
    files: dict[str, dict[str, str]]
    """Device to URL path to the file that holds what was served there."""
    packets: int
    drops: int
    problems: tuple[str, ...]
    keys: str | None = None
    """The secrets of its TLS connections, as tshark reads them."""
    guarded: bool = False
    """Whether the phone's port asked for 802.1X."""
    in_time: bool = True
    """Whether all that the boot was played for was answered before its patience was over."""

    @property
    def complete(self) -> bool:
        """Whether the recorder saw everything from before power-on to the end."""
        return not self.problems


class PlayedScenario(_Frozen):
    """A scenario as it was played: `key` finds it again, `text` shows it."""

    slot: int
    key: str
    text: str
    has_url: bool
    services: tuple[str, ...] = ()
    """What the devices were told of over TLS."""
    persona: str = ""
    """The persona that its CA played, empty for the bench's own."""
    external: bool = False
    """Whether a real CA answered the phone, with a key that nobody here has, and that persona the reference alone."""
    told: tuple[str, ...] = ()
    """Parameters, as profile 1 spells them, that the testbed told this slot of its end entity, and not the scenario."""
    port: int | None = None
    """The TCP port of the SCEP server, where that is its own."""


class SittingManifest(_Frozen):
    """What one sitting played on one phone, and what came of it."""

    format: Literal[2] = 2
    sitting: str
    confirms: str | None = None
    """The sitting whose deviation this one confirms, with the scenario alone."""
    attempt: int = 1
    phone: str
    model: str
    mac: str
    serial: str
    firmware: str | None
    address: str
    reference_address: str
    server_address: str
    rate: float
    """Phone seconds in one real second, but where time was hastened."""
    longest_wait: float | None = None
    """Phone seconds that a scenario might let pass in this run, None where any."""
    paces: Annotated[tuple[Pace, ...], Field(min_length=1)]
    """How phone time went by the capture's real time."""
    scenarios: tuple[PlayedScenario, ...]
    boots: tuple[BootManifest, ...]
    faults: tuple[str, ...]

    @property
    def leapt(self) -> float:
        """Phone seconds of this sitting's boots that nobody had plans for and that were over at once."""
        lived = [(boot.power_on, boot.ended) for boot in self.boots]
        return sum(
            (after.phone - phone_time((before,), after.real)).total_seconds()
            for before, after in pairwise(self.paces)
            if not after.set_by and any(begin <= after.phone <= end for begin, end in lived)
        )

    def phone_time(self, capture_time: datetime) -> datetime:
        """A capture's real time in phone time."""
        return phone_time(self.paces, capture_time)

    def save(self, folder: Path) -> None:
        """Write `manifest.json` in one step, so that a reader finds all of it or none."""
        draft = folder / "manifest.json.part"
        draft.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        draft.replace(folder / "manifest.json")

    @classmethod
    def load(cls, folder: Path) -> SittingManifest:
        """Read the manifest of a sitting's folder; `Misuse` names the key that is wrong."""
        file = folder / "manifest.json"
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise Misuse("there is no manifest", file=file, remedy="name the folder of a sitting") from None
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise Misuse(first["msg"], file=file, key=key, remedy="evidence is written by the bench and never edited") from None


def read_events(file: Path) -> tuple[dict[str, object], ...]:
    """The lines of a boot's event log; a last line cut short by a lost machine is left out."""
    lines = file.read_bytes().split(b"\n")
    return tuple(json.loads(line) for line in lines[:-1] if line)
