"""What survives the power: certificates with their keys, the last URLs, the last time known."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from hil.virtual.phone.clock import Clock


@dataclass(frozen=True)
class Stored:
    """An identity certificate and its private key as PEM, the SCEP server it came from, since when it is held (Unix seconds)."""

    url: str
    certificate: str
    key: str = field(repr=False)
    installed: float = 0.0


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
        (self._folder / f"profile-{slot}.json").unlink(missing_ok=True)

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
