"""A stage without a bench: a clock that lets planned things happen, and stand-ins for outlet, recorder and reference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hil.bench.power import PowerFault
from hil.bench.testbed import Times
from hil.campaign.render import Server
from hil.campaign.stage import Stage
from hil.capture.recorder import CaptureSummary, SourceCount
from hil.clock import ManualClock, Pace
from hil.errors import LabFault
from hil.evidence import EventName
from hil.identity import Identity
from hil.services.events import EventStream
from hil.services.sntp import TimeTold

IDENTITY = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
OWN_FILE = "/c81fea83e85a.txt"
AGENT = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.11.0.9 (MAC:c81fea83e85a)"


class PlannedClock(ManualClock):
    """Time that passes only while something waits, and in which actions happen at their instants."""

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__(rate=rate)
        self.paces = (Pace(self.now(), self.now(), rate),)
        self._agenda: list[tuple[datetime, int, Callable[[], object]]] = []

    def idle_until(self) -> datetime | None:
        """Nobody tells."""
        return None

    def share(self, thread: threading.Thread) -> None:
        """Nothing leaps, whoever shares it."""

    def power_is_off(self) -> None:
        """Nobody has told of plans."""

    def after(self, span: float, action: Callable[[], object]) -> None:
        """Let `action` happen once `span` phone seconds have passed."""
        self._agenda.append((self.now() + timedelta(seconds=span), len(self._agenda), action))

    def advance(self, span: float) -> None:
        end = self.now() + timedelta(seconds=span)
        while due := sorted((entry for entry in self._agenda if entry[0] <= end), key=lambda entry: entry[:2]):
            entry = due[0]
            self._agenda.remove(entry)
            super().advance(max(0.0, (entry[0] - self.now()).total_seconds()))
            entry[2]()
        super().advance((end - self.now()).total_seconds())


@dataclass
class Phone:
    """What a phone does after power-on: each entry publishes an event so many phone seconds later."""

    name: str = "j179-1"
    identity: Identity = IDENTITY
    address: str = "192.0.2.101"
    reference: str = "127.77.1.1"
    agent: str | None = AGENT
    reads_settings: float | None = 10.0
    answers: Mapping[int, float] = field(default_factory=lambda: {1: 20.0, 2: 25.0, 3: 30.0})
    """Slot to the instant at which its CA has answered, in a boot that tells it a URL."""
    restarts: float | None = None
    """When it has read its settings once more, after a restart of its own."""


@dataclass
class Props:
    """The stage and everything that was done on it, in order."""

    folder: Path
    phone: Phone = field(default_factory=Phone)
    times: Times = field(default_factory=lambda: Times(boot_limit=600, quiet=30, settle=15))
    rate: float = 100.0
    done: list[str] = field(default_factory=list)
    power_faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    """`on` and `off` to what the switch answers at each call, nothing more once the list is used up."""
    start_faults: list[Exception | None] = field(default_factory=list)
    problems: list[tuple[str, ...]] = field(default_factory=list)
    """What the recorder says of each boot's recording."""
    reference_boots: Callable[[], object] = lambda: None
    time_told: TimeTold = field(default_factory=TimeTold)
    on_boot: Callable[[int], object] = lambda _: None

    def __post_init__(self) -> None:
        self.clock = PlannedClock(self.rate)
        self.events = EventStream(self.clock)
        self.cancel = threading.Event()
        self.published: dict[str, Mapping[str, bytes]] = {}
        self.powered = False
        self.boots = 0
        parts: dict[str, Any] = {
            "bench": SimpleNamespace(
                clock_of=lambda _: self.clock,
                testbed=SimpleNamespace(rate=self.rate, at_once=None, longest_wait=None, asks_8021x=lambda _: True),
            ),
            "lab": SimpleNamespace(
                events=self.events,
                time_told=self.time_told,
                publish=self._publish,
                log_keys=lambda *_: nullcontext(),
                hang_up=self._hang_up,
                own_ports=self._own_ports,
                refuse=lambda phone, *, refuses: self.done.append(f"{'refuse' if refuses else 'listen'} {phone}"),
            ),
            "cast": SimpleNamespace(
                seat=self._seat,
                role=lambda wanted: wanted,
                set_new=lambda phone: self.done.append(f"new {phone}"),
                external=False,
                why_not_played=lambda _: None,
                prepare=lambda *_: None,
            ),
            "evidence": self.folder / "evidence",
            "times": self.times,
            "server_of_phones": Server("192.0.2.1", 80),
            "recorder": lambda _, file: _Recorder(self, file),
            "reference": lambda *_: SimpleNamespace(boot=self._reference_boot, live=lambda *_: None),
            "cancel": self.cancel,
        }
        self.stage = Stage(**parts)

    label = "group 1 port 1"

    def on(self) -> None:
        """The outlet's power goes on, and the phone boots."""
        self._answer("on")
        self.powered = True
        self.boots += 1
        self.on_boot(self.boots)
        if self.phone.reads_settings is not None:
            self.clock.after(self.phone.reads_settings, self._read_settings)
        if self.phone.restarts is not None:
            self.clock.after(self.phone.restarts, self._read_settings)

    def off(self) -> None:
        """The outlet's power goes off."""
        self._answer("off")
        self.powered = False

    def delivering(self) -> bool:
        return self.powered

    def served(self, path: str = OWN_FILE, device: str | None = None, **details: Any) -> None:
        """A file was served."""
        self.events.publish(EventName.FILE_SERVED, device=device or self.phone.name, path=path, **details)

    def answered(self, slot: int, status: str = "SUCCESS", device: str | None = None, **details: Any) -> None:
        """The CA answered."""
        who = device or self.phone.name
        self.events.publish(EventName.SCEP_ANSWER, device=who, slot=slot, pki_status=status, **details)

    def _read_settings(self) -> None:
        if not self.powered:
            return
        self.served(user_agent=self.phone.agent)
        told = self.published[self.phone.name][OWN_FILE[1:]].decode()
        for slot, at in self.phone.answers.items():
            if f"/{slot}/pkiclient.exe" in told:
                self.clock.after(at - (self.phone.reads_settings or 0.0), lambda slot=slot: self._answer_if_powered(slot))

    def _answer_if_powered(self, slot: int) -> None:
        if self.powered:
            self.answered(slot)

    def _answer(self, verb: str) -> None:
        self.done.append(verb)
        planned = self.power_faults.get(verb, [])
        if planned and (fault := planned.pop(0)) is not None:
            raise fault

    def _publish(self, device: str, root: str, files: Mapping[str, bytes]) -> None:
        self.published[device] = files
        self.done.append(f"publish {device} {root}")

    def _hang_up(self, service: str, devices: Collection[str]) -> None:
        self.done.append(f"hang up {service} {' '.join(devices)}")

    def _own_ports(self, phone: str, slots: Collection[int]) -> dict[int, int]:
        self.done.append(f"own ports {phone} {' '.join(map(str, slots))}".rstrip())
        return {slot: 40_000 + slot for slot in slots}

    def _seat(self, device: str, slot: int, *, answers: object, **_: object) -> None:
        self.done.append(f"seat {device} {slot} {answers}")

    def _reference_boot(self) -> None:
        self.done.append("reference boots")
        self.reference_boots()


class _Recorder:
    def __init__(self, props: Props, file: Path) -> None:
        self._props = props
        self._file = file

    def start(self) -> None:
        self._props.done.append("record")
        if self._props.start_faults and (fault := self._props.start_faults.pop(0)) is not None:
            raise fault
        self._file.write_bytes(b"")

    def stop(self) -> CaptureSummary:
        self._props.done.append("stop recording")
        problems = self._props.problems.pop(0) if self._props.problems else ()
        return CaptureSummary(self._file, "dumpcap", 7, (SourceCount("lab0", 7, 0),), not problems, problems)


def dead_switch() -> LabFault:
    """What a switch raises that does not answer."""
    return PowerFault("the switch does not answer", phone="j179-1", port="1.1")
