"""Write-ahead journal of ports that were turned off.

PoE state outlives a run: a run killed between off and on leaves a phone dark until somebody walks
there. So a port is written here, on disk, before it goes off, and struck out only after its power is
confirmed; whatever still stands here when the bench is opened next is powered on again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hil.bench.power import PowerPort
from hil.bench.state import locked, replace_whole, user
from hil.errors import LabFault, Misuse


@dataclass(frozen=True)
class PortOff:
    """A port that is, or may be, without power: since when (real time, ISO 8601 UTC) and by whom."""

    bench: str
    phone: str
    port: str
    at: str
    by: str


class Journal:
    """The file is replaced as a whole and synced, with its folder, before a method returns; safe between threads and processes.

    Raises `LabFault` naming the file if it is not readable as a journal: it is never overwritten then.
    """

    def __init__(self, file: Path, bench: str) -> None:
        self._file = file
        self._bench = bench
        self._lock = file.with_suffix(".lock")

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return self._file

    def will_turn_off(self, phone: str, port: str) -> None:
        """Write down that `port` of `phone` is about to lose its power."""
        entry = PortOff(
            self._bench, phone, port, datetime.now(UTC).isoformat(timespec="milliseconds"), f"{user()}, pid {os.getpid()}"
        )
        with locked(self._lock):
            self._write({**self._read(), phone: entry})

    def is_on(self, phone: str) -> None:
        """Strike out `phone`: its power is confirmed."""
        with locked(self._lock):
            entries = self._read()
            if entries.pop(phone, None) is not None:
                self._write(entries)

    def pending(self) -> tuple[PortOff, ...]:
        """Ports that are still written down, the oldest first."""
        return tuple(sorted(self._read().values(), key=lambda entry: entry.at))

    def _read(self) -> dict[str, PortOff]:
        try:
            raw = json.loads(self._file.read_bytes())
            return {entry["phone"]: PortOff(**entry) for entry in raw["off"]}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabFault(
                "the journal of ports turned off cannot be read; look which phones are dark, power them, then move it away",
                bench=self._bench,
                tried=f"read {self._file}",
                seen=f"{type(error).__name__}: {error}",
            ) from error

    def _write(self, entries: Mapping[str, PortOff]) -> None:
        try:
            replace_whole(self._file, json.dumps({"off": [asdict(entry) for entry in entries.values()]}, indent=1))
        except OSError as error:
            raise LabFault(
                "the journal of ports turned off cannot be written",
                bench=self._bench,
                tried=f"write {self._file}",
                seen=str(error),
            ) from error


class JournaledPort:
    """A `PowerPort` that is written down before it goes off and struck out once it is on."""

    def __init__(self, port: PowerPort, journal: Journal, phone: str) -> None:
        self._port = port
        self._journal = journal
        self._phone = phone

    @property
    def label(self) -> str:
        return self._port.label

    def on(self) -> None:
        self._port.on()
        self._journal.is_on(self._phone)

    def off(self) -> None:
        self._journal.will_turn_off(self._phone, self._port.label)
        self._port.off()

    def delivering(self) -> bool:
        return self._port.delivering()

    def watts(self) -> float | None:
        return self._port.watts()


def recover(
    journal: Journal, port_of: Callable[[str], PowerPort], *, free: Callable[[str], bool] = lambda _: True
) -> tuple[PortOff, ...]:
    """Power every port on that the journal still names; returns what was found and is now on.

    A phone that is not `free` is left alone: somebody has it, and sees to its power.
    `port_of` gives the journalled port of a phone's name. Every port is tried; then the first fault is raised, a phone
    that the testbed no longer has being one.
    """
    recovered: list[PortOff] = []
    fault: LabFault | None = None
    for entry in journal.pending():
        try:
            if free(entry.phone):
                _power(entry, journal, port_of)
                recovered.append(entry)
        except LabFault as error:
            fault = fault or error
    if fault:
        raise fault
    return tuple(recovered)


def _power(entry: PortOff, journal: Journal, port_of: Callable[[str], PowerPort]) -> None:
    """Power one port on; the fault says what a person can do where it stays dark."""
    by_hand = f"power the port by the switch and take its entry out of {journal.file}"
    try:
        port_of(entry.phone).on()
    except Misuse as error:
        problem, seen = f"its phone is no longer in the testbed; put it back, or {by_hand}", error.problem
    except LabFault as error:
        problem, seen = f"it does not go on; see that the phone is plugged in and run again, or {by_hand}", str(error)
    else:
        return
    raise LabFault(
        f"a port was left without power and {problem}",
        bench=entry.bench,
        phone=entry.phone,
        port=entry.port,
        tried="power it on",
        seen=seen,
    )
