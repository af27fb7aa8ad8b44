"""What survives the power: certificates with their keys, the last URLs, the last time known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hil.virtual.phone.clock import Clock


@dataclass(frozen=True)
class Stored:
    """An identity certificate and its private key as PEM, the SCEP server it came from, since when it is held (Unix seconds).

    `entity_class` is the one that it was asked for by.
    """

    url: str
    certificate: str
    key: str = field(repr=False)
    installed: float = 0.0
    entity_class: str = ""


@dataclass(frozen=True)
class Pending:
    """A request that its CA has not decided: the SCEP server, the transactionID, the private key as PEM."""

    url: str
    transaction_id: str
    key: str = field(repr=False)


class Flash:
    """A folder. A file in it is whole or not there; what power cut short leaves no trace that is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for scrap in folder.glob("*.part"):
            scrap.unlink()

    def certificates(self) -> dict[int, Stored]:
        """The certificates held, by profile."""
        return {slot: Stored(**held) for slot in (1, 2, 3) if isinstance(held := self._read(f"profile-{slot}.json"), dict)}

    def store(self, slot: int, stored: Stored, clock: Clock, takes: float) -> None:
        """Writes a certificate. It is held once `takes` phone seconds have passed, and not before."""
        clock.sleep(takes)
        self._write(f"profile-{slot}.json", asdict(replace(stored, installed=clock.now())))

    def delete(self, slot: int) -> None:
        held = self._folder / f"profile-{slot}.json"
        if held.exists():
            held.replace(self._folder / f"deleted-{slot}.json")

    def deleted(self, slot: int) -> Stored | None:
        """The profile's certificate that was deleted last."""
        held = self._read(f"deleted-{slot}.json")
        return Stored(**held) if isinstance(held, dict) else None

    def pending(self) -> dict[int, Pending]:
        """The requests that are kept as pending, by profile."""
        return {slot: Pending(**held) for slot in (1, 2, 3) if isinstance(held := self._read(f"pending-{slot}.json"), dict)}

    def keep_pending(self, slot: int, pending: Pending | None) -> None:
        """Keeps a pending request, or none."""
        if pending is None:
            (self._folder / f"pending-{slot}.json").unlink(missing_ok=True)
        else:
            self._write(f"pending-{slot}.json", asdict(pending))

    def attempts(self) -> dict[int, float]:
        """When the renewal that failed last began, by profile, Unix seconds."""
        held = self._read("attempts.json")
        return {int(slot): float(began) for slot, began in held.items()} if isinstance(held, dict) else {}

    def remember_attempt(self, slot: int, began: float | None) -> None:
        """Keeps when a renewal that failed began; None where there is none to try again."""
        kept = {held: at for held, at in self.attempts().items() if held != slot} | ({} if began is None else {slot: began})
        self._write("attempts.json", {str(held): at for held, at in kept.items()})

    def urls(self) -> dict[int, str]:
        """The last SCEP server that each profile was told."""
        held = self._read("urls.json")
        return {int(slot): url for slot, url in held.items()} if isinstance(held, dict) else {}

    def remember_urls(self, urls: Mapping[int, str]) -> None:
        merged = {**self.urls(), **urls}
        if merged != self.urls():
            self._write("urls.json", {str(slot): url for slot, url in merged.items()})

    def time(self) -> float | None:
        """The last time of day that was known, Unix seconds."""
        held = self._read("time.json")
        return float(held) if isinstance(held, int | float) else None

    def remember_time(self, epoch: float) -> None:
        self._write("time.json", epoch)

    def firmware(self) -> dict[str, Any] | None:
        """What was last installed, beside the release that the phone came with; None where nothing was."""
        held = self._read("firmware.json")
        return held if isinstance(held, dict) else None

    def keep_firmware(self, shipped: str, release: str, after: str, fresh: bool = True) -> None:
        """From the next start on the phone runs this release; `fresh` until its file server has answered it."""
        self._write("firmware.json", {"shipped": shipped, "release": release, "after": after, "fresh": fresh})

    def is_being_written(self) -> bool:
        """Whether firmware was being written when the power went."""
        return (self._folder / "writing").exists()

    def begin_writing(self) -> None:
        (self._folder / "writing").touch()

    def end_writing(self) -> None:
        (self._folder / "writing").unlink()

    @property
    def folder(self) -> Path:
        """Where programs of the phone may leave what they read."""
        return self._folder

    def port_settings(self) -> dict[str, str]:
        """What the last settings said of 802.1X."""
        held = self._read("8021x.json")
        return {str(name): str(value) for name, value in held.items()} if isinstance(held, dict) else {}

    def remember_port_settings(self, settings: Mapping[str, str]) -> None:
        if settings != self.port_settings():
            self._write("8021x.json", dict(settings))

    def settings_mark(self) -> str:
        """Fingerprint of the settings of the boot before; "" where there was none."""
        held = self._read("settings.json")
        return held if isinstance(held, str) else ""

    def remember_settings_mark(self, mark: str) -> None:
        self._write("settings.json", mark)

    def _read(self, name: str) -> object:
        path = self._folder / name
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def _write(self, name: str, content: object) -> None:
        part = self._folder / f"{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._folder / name)
