"""Plays one sitting on one phone: for each boot serve, record, cycle power, wait for the end, settle.

Whatever fails on the way stands in the manifest: a sitting always leaves one, and always tries to
leave the phone powered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hil.bench.power import PowerPort
from hil.bench.testbed import Phone
from hil.campaign.census import first_agent
from hil.campaign.ends import STARTING, Patience, await_end, await_settled, awaited_slots, deleted_slots
from hil.campaign.life import live_on, tell_time
from hil.campaign.plan import CENSUS, CONTROL, PlannedBoot, PlannedSitting
from hil.campaign.recording import recorded, require_steady_clock
from hil.campaign.render import DOCUMENTED, asked_profiles, boot_files
from hil.campaign.stage import Stage
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import BootManifest, EventName, PlayedScenario, SittingManifest
from hil.identity import Firmware
from hil.reference.device import ReferencePhone
from hil.services.events import Event
from hil.settings.writer import phone_file_name
from hil.wiring.sayings import by_http

_REFERENCE_JOIN = 30.0
_CLEARINGS = 3
"""Boots that may go by until a phone that restarts by itself is cleared."""
RESTART_SHOWS = 1.5
"""Times that a phone takes from power to settings, after which it would have shown a restart of its own."""


class Cancelled(Exception):
    """The run was interrupted; what was played so far is not evidence."""


@dataclass(frozen=True)
class Played:
    """A sitting that was played: its evidence, the fault of the bench that cut it short, and whether all was recorded."""

    folder: Path
    fault: Exception | None
    whole: bool


@dataclass
class _Reference:
    """The reference playing a boot beside the phone, and what went wrong with it."""

    thread: threading.Thread
    ends: threading.Event = field(default_factory=threading.Event)
    """Set where its boot is over: it renews nothing after."""
    fault: list[Exception] = field(default_factory=list)


@dataclass
class SittingPlayer:
    """One phone's part of the stage."""

    stage: Stage
    phone: Phone
    port: PowerPort
    report: Callable[[str], None]
    firmware: Firmware | None = None
    seen: bool = False
    _slowest: float = 0.0
    """Phone seconds from settings to the slowest answer in the sitting's boots so far."""
    _scep_ports: Mapping[int, int] = field(default_factory=dict)  # of the sitting's slots that have their own
    _restarts: bool = False
    """Whether the phone was seen to restart by itself."""

    @property
    def clock(self) -> ScaledClock:
        """The time in which this phone and its reference live."""
        return self.stage.bench.clock_of(self.phone.name)

    @property
    def reference_device(self) -> str:
        return f"{self.phone.name}.reference"

    def play(self, sitting: PlannedSitting, attempt: int = 1) -> Played:
        """Play `sitting` and leave its evidence."""
        folder = self.stage.evidence / self.phone.name / (sitting.name if attempt == 1 else f"{sitting.name}-attempt-{attempt}")
        folder.mkdir(parents=True)
        boots: list[BootManifest] = []
        fault: Exception | None = None
        self._slowest = 0.0
        paces = len(self.clock.paces)
        reference = self.stage.reference(self.stage, self.phone, self.firmware or DOCUMENTED)
        try:
            held: frozenset[int] = frozenset()
            self._script(sitting)
            for boot in sitting.boots:
                for _ in range(_CLEARINGS if boot.kind == "clear" else 1):
                    self._check_cancelled()
                    boots.append(self._boot(folder, len(boots) + 1, boot, sitting, held, reference))
                    if boots[-1].in_time:
                        break
                held = self._held_after(boot, held)
            require_steady_clock(self.clock.paces[paces:])
        except LabFault as error:
            fault = error
            self.stage.lab.events.publish(EventName.FAULT, device=self.phone.name, text=str(error))
        finally:
            tell_time(0.0, self.stage, self.phone.name)
        self._manifest(sitting, attempt, boots, fault).save(folder)
        return Played(folder, fault, whole=fault is None and all(boot.complete for boot in boots))

    def _held_after(self, boot: PlannedBoot, held: frozenset[int]) -> frozenset[int]:
        """Slots that hold a certificate once the boot is over, where all went as it should."""
        if boot.kind == "clear":
            return frozenset()
        return (held - deleted_slots(boot, held=held)) | awaited_slots(boot, held=held)

    def _manifest(
        self, sitting: PlannedSitting, attempt: int, boots: list[BootManifest], fault: Exception | None
    ) -> SittingManifest:
        return SittingManifest(
            sitting=sitting.name,
            confirms=sitting.confirms,
            attempt=attempt,
            phone=self.phone.name,
            model=self.phone.identity.model,
            mac=self.phone.identity.mac,
            serial=self.phone.identity.serial,
            firmware=str(self.firmware) if self.firmware else None,
            address=str(self.phone.address),
            reference_address=str(self.phone.reference),
            server_address=self.stage.server_of_phones.host,
            rate=self.stage.bench.testbed.rate,
            longest_wait=self.stage.bench.testbed.longest_wait,
            paces=self.clock.paces,
            scenarios=tuple(
                PlayedScenario(
                    slot=slot,
                    key=s.key,
                    text=s.text,
                    has_url=s.has_url,
                    persona=self.stage.cast.role(s.persona),
                    external=self.stage.cast.external,
                    told=tuple(n for n in self.stage.server_of_phones.told.get(slot, {}) if s.setting(n) is None),
                    services=s.services,
                    port=self._scep_ports.get(slot),
                )
                for slot, s in sitting.scenarios
            ),
            boots=tuple(boots),
            faults=(str(fault),) if fault else (),
        )

    def _script(self, sitting: PlannedSitting) -> None:
        scenarios = dict(sitting.scenarios)
        own = [slot for slot, scenario in sitting.scenarios if scenario.has_own_port]
        if own or self._scep_ports:
            self._scep_ports = self.stage.lab.own_ports(self.phone.name, own)
        for device in (self.phone.name, self.reference_device):
            for slot in (1, 2, 3):
                scenario = scenarios.get(slot, CONTROL)
                asked = asked_profiles(sitting.boots, slot, device, self.phone.identity, self.stage.server_of_phones)
                self.stage.cast.seat(device, slot, answers=scenario.ca, wanted=scenario.persona, asked=asked)

    def _boot(
        self,
        folder: Path,
        index: int,
        boot: PlannedBoot,
        sitting: PlannedSitting,
        held: frozenset[int],
        reference: ReferencePhone,
    ) -> BootManifest:
        stage, events = self.stage, self.stage.lab.events
        name = f"boot-{index}"
        with events.log_to(folder / f"{name}.events.jsonl", self._mine, since=events.cursor):
            events.publish(EventName.BOOT_BEGINS, device=self.phone.name, kind=boot.kind, sitting=sitting.name, boot=index)
            files = self._serve(folder / name, boot)
            stage.cast.prepare(self.phone, boot, held, stage.server_of_phones)
            self._say(sitting, index, boot, "power off")
            self.port.off()
            self.clock.power_is_off()
            events.publish(EventName.POWER_OFF, device=self.phone.name)
            self._say(sitting, index, boot, "recorder")
            recorder = stage.recorder(self.phone, folder / f"{name}.pcapng")
            keys = stage.lab.log_keys(folder / f"{name}.keys", (self.phone.name, self.reference_device))
            with keys, self._port(boot), recorded(recorder) as summary:
                events.publish(EventName.RECORDER_READY, device=self.phone.name)
                since = events.cursor
                self.port.on()
                power_on = self.clock.now()
                events.publish(EventName.POWER_ON, device=self.phone.name)
                beside = self._start_reference(reference, boot) if boot.kind in ("main", "restart", "change") else None
                self._say(sitting, index, boot, "boot and enrolment")
                try:
                    in_time = self._live(boot, since, held)
                finally:
                    if beside is not None:
                        beside.ends.set()
                if beside is not None:
                    self._join_reference(beside)
                self._check_cancelled()
                if sitting.name == CENSUS.name:
                    heard = first_agent(events.since(since), self.phone.name)
                    stage.check_place(self.phone, heard and heard[0])
                settled = events.cursor
                self.port.off()
                events.publish(EventName.POWER_OFF, device=self.phone.name)
            ended = self.clock.now()
            happened = events.since(since)
            if boot.kind == "clear" and self._starts(events.since(settled)):
                self._restarts, in_time = True, False
            self._observe_firmware(happened)
            events.publish(EventName.BOOT_ENDS, device=self.phone.name)
        self._check_servers(happened)
        whole = summary[0]
        return BootManifest(
            index=index,
            kind=boot.kind,
            guarded=boot.guarded,
            power_on=power_on,
            ended=ended,
            capture=f"{name}.pcapng",
            events=f"{name}.events.jsonl",
            keys=f"{name}.keys",
            files=files,
            packets=whole.packets,
            drops=sum(source.drops or 0 for source in whole.sources),
            problems=tuple(whole.problems),
            in_time=in_time,
        )

    def _mine(self, event: Event) -> bool:
        return event.device in (None, self.phone.name, self.reference_device)

    def _say(self, sitting: PlannedSitting, index: int, boot: PlannedBoot, text: str) -> None:
        self.report(f"{sitting.name} boot {index}/{len(sitting.boots)} ({boot.kind}): {text}")

    def _serve(self, folder: Path, boot: PlannedBoot) -> dict[str, dict[str, str]]:
        """Publish the boot's files to phone and reference, and keep what was published as evidence."""
        stage, kept = self.stage, {}
        folder_of_reference = f"/reference/{self.phone.name}/"
        server_of_phone = replace(stage.server_of_phones, scep_ports=self._scep_ports)
        server_of_reference = replace(server_of_phone, host=str(self.phone.reference), folder=folder_of_reference)
        for device, root, server in (
            (self.phone.name, "/", server_of_phone),
            (self.reference_device, folder_of_reference, server_of_reference),
        ):
            files = boot_files(boot, device, self.phone.identity, server, self.firmware)
            stage.lab.publish(device, root, files)
            kept[device] = {name: f"{folder.name}/{device}/{name}" for name in files}
            for name, content in files.items():
                place = folder / device / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
        return kept

    @contextmanager
    def _port(self, boot: PlannedBoot) -> Iterator[None]:
        """Have the phone's port ask for 802.1X in a boot that is guarded; whatever happens, it is open after."""
        if not boot.guarded:
            yield
            return
        bench = self.stage.bench
        try:
            bench.require_8021x(self.phone.name, True)
            yield
        finally:
            bench.require_8021x(self.phone.name, False)

    def _live(self, boot: PlannedBoot, since: int, held: frozenset[int]) -> bool:
        """Wait until the boot has shown what it is for, then until nothing that it started can be lost with the power.

        Returns whether it has shown it.

        Silence counts as an end only after twice the time that the slowest enrolment of the sitting took.
        """
        stage, times = self.stage, self.stage.times
        slots = awaited_slots(boot, held=held)
        ended = await_end(
            stage.lab.events,
            self.phone.name,
            slots,
            own_file=f"/{phone_file_name(self.phone.identity)}",
            others=boot.kind != "clear" and len(slots) < len(boot.scenarios),
            patience=Patience(times.boot_limit, max(times.quiet, 2 * self._slowest)),
            clock=self.clock,
            since=since,
            cancel=stage.cancel,
        )
        self._check_cancelled()
        self._slowest = max(self._slowest, ended.slowest)
        in_time = self._settle(since, clears=boot.kind == "clear") and ended.in_time
        if boot.life:
            live_on(boot.life, stage, self.phone.name)
            self._check_cancelled()
        stage.lab.events.publish(EventName.SETTLED, device=self.phone.name, in_time=in_time)
        return in_time

    def _settle(self, since: int, *, clears: bool) -> bool:
        """Wait until nothing can be lost with the power, and no restart of the phone's own is under way; whether that came to be.

        Such a restart shows first after the time that the phone takes from power to its settings. It is
        waited for in a boot that clears, and in every boot of a phone that was seen to do so.
        """
        stage, times = self.stage, self.stage.times
        span = times.settle
        if clears or self._restarts:
            span = max(span, RESTART_SHOWS * self._boot_times(since)[0])
        settled = await_settled(
            stage.lab.events,
            self.phone.name,
            span,
            limit=times.boot_limit,
            clock=self.clock,
            since=stage.lab.events.cursor,
            cancel=stage.cancel,
        )
        self._check_cancelled()
        self._restarts = self._restarts or len(self._boot_times(since)) > 1
        return settled

    def _starts(self, events: tuple[Event, ...]) -> bool:
        """Whether the phone is on its way up: one that restarted by itself has done nothing yet of what it is told."""
        return any(event.device == self.phone.name and event.name in STARTING for event in events)

    def _boot_times(self, since: int) -> list[float]:
        """Phone seconds from power-on to each time that the phone had its own settings file, 0 where it never had."""
        own_file = f"/{phone_file_name(self.phone.identity)}"
        happened = [event for event in self.stage.lab.events.since(since) if event.device == self.phone.name]
        power_on = next((event.at for event in happened if event.name is EventName.POWER_ON), None)
        read = [e.at for e in happened if e.name is EventName.FILE_SERVED and e.details.get("path") == own_file]
        return [(at - power_on).total_seconds() for at in read] if power_on and read else [0.0]

    def _start_reference(self, reference: ReferencePhone, planned: PlannedBoot) -> _Reference:
        def boot() -> None:
            try:
                if planned.guarded:
                    reference.authenticate()
                reference.live(reference.boot(), beside.ends)
            except Exception as error:  # noqa: BLE001  the thread's fault is raised where the boot is judged
                beside.fault.append(error)

        beside = _Reference(threading.Thread(target=boot, name=self.reference_device, daemon=True))
        beside.thread.start()
        self.clock.share(beside.thread)
        return beside

    def _join_reference(self, beside: _Reference) -> None:
        patience = _REFERENCE_JOIN + self.stage.times.boot_limit / self.stage.bench.testbed.rate
        beside.thread.join(patience)
        if beside.thread.is_alive():
            raise LabFault("the reference did not finish its boot", phone=self.phone.name, tried=f"{patience:.0f} s")
        if beside.fault:
            raise LabFault("the reference failed", phone=self.phone.name, seen=repr(beside.fault[0])) from beside.fault[0]

    def _check_servers(self, events: tuple[Event, ...]) -> None:
        """Raise what the bench's servers reported of themselves; a boot beside a broken server shows nothing of the phone."""
        for event in events:
            if event.name is EventName.FAULT and self._mine(event):
                raise LabFault("a server of the bench failed", phone=self.phone.name, seen=str(event.details.get("text")))

    def _observe_firmware(self, events: tuple[Event, ...]) -> None:
        for event in events:
            if event.device == self.phone.name and event.name is EventName.FILE_SERVED:
                self.seen = True
                found = firmware_in(str(event.details.get("user_agent")))
                if found is None:
                    continue
                model, self.firmware = found
                if model != self.phone.identity.model4:
                    problem = f"the testbed says {self.phone.identity.model4} and the phone calls itself {model}"
                    raise LabFault(problem, phone=self.phone.name)
                return

    def _check_cancelled(self) -> None:
        if self.stage.cancel.is_set():
            raise Cancelled


def firmware_in(user_agent: str) -> tuple[str, Firmware] | None:
    """Model and release that a phone tells in its User-Agent, None where it tells none."""
    said = by_http(user_agent, "file request")
    return (said.model, Firmware(said.firmware)) if said and said.model and said.firmware else None
