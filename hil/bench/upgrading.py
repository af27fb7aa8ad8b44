"""The guard of phones that are being upgraded: their power is nobody's to take until they were seen back.

A phone that loses its power while it writes its flash may never start again. So an upgrade is written down here, on disk,
before the phone can read of it, for all benches and processes of this user; whoever asks to cut its power after that,
be it the next run after a crash, is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hil.bench.power import PowerFault, PowerPort
from hil.bench.state import locked, make_private, replace_whole, user
from hil.errors import LabFault


class PowerGuarded(PowerFault):
    """The phone is being upgraded, or may be: without power now it might never start again."""


@dataclass(frozen=True)
class Upgrading:
    """A phone that was offered the release `target` and not seen back since; `at` is real time, ISO 8601 UTC.

    `former` is what it ran when it was offered that, where it was seen.
    """

    key: str
    bench: str
    phone: str
    target: str
    at: str
    by: str
    former: str | None = None


class UpgradeBook:
    """The upgrades under way, by the key of the phone's lease; each change is on disk before a method returns.

    Raises `LabFault` naming the file where it cannot be read: then no power is taken from any phone.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "upgrading.json"
        self._lock = folder / "upgrading.lock"

    def begin(self, key: str, *, bench: str, phone: str, target: str) -> None:
        """From now on the phone keeps its power; `target` is the release that it is about to be offered."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = Upgrading(key, bench, phone, target, at, f"{user()}, pid {os.getpid()}")
        make_private(self._file.parent)
        with locked(self._lock):
            self._write({**self._read(), key: entry})

    def learn(self, key: str, former: str) -> None:
        """Write down what the phone ran when it was offered another release."""
        with locked(self._lock):
            entries = self._read()
            if key in entries:
                self._write({**entries, key: replace(entries[key], former=former)})

    def end(self, key: str) -> Upgrading | None:
        """The phone was seen back; what stood here of it."""
        with locked(self._lock):
            entries = self._read()
            ended = entries.pop(key, None)
            if ended is not None:
                self._write(entries)
            return ended

    def give_up(self, key: str, reason: str) -> Upgrading | None:
        """A person lets go of a phone that was not seen back, which is written down; what stood here of it."""
        given_up = self.of(key)
        if given_up is None:
            return None
        at, file = datetime.now(UTC).isoformat(timespec="seconds"), self._file.parent / "given-up.jsonl"
        line = json.dumps({"given_up": at, "by": user(), "reason": reason, "upgrade": asdict(given_up)})
        try:
            with file.open("a", encoding="utf-8") as log:
                log.write(line + "\n")
        except OSError as error:
            problem = "who gives a phone up cannot be written down, so it keeps its guard"
            raise LabFault(problem, phone=given_up.phone, tried=f"write {file}", seen=str(error)) from error
        return self.end(key)

    def of(self, key: str) -> Upgrading | None:
        """The upgrade that this phone is in, None where it is in none."""
        return self._read().get(key)

    def _read(self) -> dict[str, Upgrading]:
        try:
            raw = json.loads(self._file.read_bytes())
            return {entry["key"]: Upgrading(**entry) for entry in raw["upgrading"]}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabFault(
                "the book of upgrades cannot be read; see that no phone is at its upgrade, then move it away",
                tried=f"read {self._file}",
                seen=f"{type(error).__name__}: {error}",
            ) from error

    def _write(self, entries: Mapping[str, Upgrading]) -> None:
        try:
            replace_whole(self._file, json.dumps({"upgrading": [asdict(entry) for entry in entries.values()]}, indent=1))
        except OSError as error:
            raise LabFault("the book of upgrades cannot be written", tried=f"write {self._file}", seen=str(error)) from error


class GuardedPort:
    """A `PowerPort` that takes no power from a phone that is being upgraded, and gives it some only where it has none."""

    def __init__(self, port: PowerPort, book: UpgradeBook, key: str) -> None:
        self._port = port
        self._book = book
        self._key = key

    @property
    def label(self) -> str:
        return self._port.label

    def on(self) -> None:
        if self._book.of(self._key) is None or not self._port.delivering():
            self._port.on()

    def off(self) -> None:
        upgrading = self._book.of(self._key)
        if upgrading is not None:
            raise PowerGuarded(
                f"the phone is being upgraded to {upgrading.target}, and without power now it might never start again; "
                "let it come back, by the same install again if need be, or give it up: hil firmware give-up",
                bench=upgrading.bench,
                phone=upgrading.phone,
                port=self.label,
                tried="power off",
                seen=f"an upgrade since {upgrading.at} by {upgrading.by}",
            )
        self._port.off()

    def delivering(self) -> bool:
        return self._port.delivering()

    def watts(self) -> float | None:
        return self._port.watts()
