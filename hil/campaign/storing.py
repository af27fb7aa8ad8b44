"""How long after the CA's answer a certificate is stored: power is cut sooner and later, and the next boot tells what was kept.

A phone that kept its certificate does not enrol again at its next boot. One that lost it does, and that boot is the next
cut's first half: only a kept certificate costs a boot that clears.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hil.campaign.by_hand import ByHand
from hil.campaign.plan import CONTROL, PlannedBoot
from hil.campaign.render import boot_settings
from hil.capture.recorder import Recording
from hil.capture.transcript import read_capture
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import Event
from hil.settings.writer import phone_file_name

DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Phone seconds from the answer to the cut, one after another until a certificate is kept."""
_HALVINGS = 3
_CLOSE = 1.2
"""Two delays so near to each other, as a factor, are not told apart any further."""
_LEAST = 1.0
"""Nor are phone seconds less than this apart."""

SLOT = 1


@dataclass(frozen=True)
class Cut:
    """Power was asked off `delay` phone seconds after the CA's answer, which `frame` of `capture` shows; whether it was `kept`.

    `wanted` is the delay that was aimed at. That it takes the switch a while to obey is the phone's gain, as in every boot.
    """

    wanted: float
    delay: float
    kept: bool
    capture: Path
    frame: int
    time: datetime


@dataclass(frozen=True)
class Storing:
    """The cuts in the order made. The certificate was `kept` by the soonest of those after which it always was."""

    cuts: Sequence[Cut]

    @property
    def kept(self) -> Cut | None:
        """The soonest cut that lost nothing; None where even the latest lost the certificate."""
        return min((cut for cut in self.cuts if cut.kept), key=lambda cut: cut.delay, default=None)

    @property
    def lost(self) -> Cut | None:
        """The latest cut that lost the certificate, None where none did."""
        return max((cut for cut in self.cuts if not cut.kept), key=lambda cut: cut.delay, default=None)


def measure_storing(phone: ByHand, folder: Path) -> Storing:
    """Cut power after growing delays, then between the last that lost and the first that kept; captures go to `folder`.

    Raises `LabFault` where the phone is granted no certificate at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trials = _Trials(phone, folder)
    trials.clear()
    granted = trials.enrol()
    for delay in DELAYS:
        granted_again = trials.cut(granted, delay)
        if granted_again is None:
            break
        granted = granted_again
    else:
        trials.end()
    for _ in range(_HALVINGS):
        middle = trials.between()
        if middle is None:
            break
        trials.clear()
        if trials.cut(trials.enrol(), middle) is not None:
            trials.end()
    return Storing(trials.cuts)


@dataclass
class _Trials:
    """The boots of a measurement, each recorded in a capture of its own."""

    phone: ByHand
    folder: Path
    cuts: list[Cut] = field(default_factory=list)
    _boots: int = 0
    _since: int = 0
    _recorder: Recording | None = None
    _quiet: float = 0.0

    @property
    def clock(self) -> ScaledClock:
        return self.phone.stage.bench.clock_of(self.phone.phone.name)

    def clear(self) -> None:
        """A boot that deletes what the phone holds."""
        self._begin("clear")
        self._settings_read()
        self.clock.wait(self.phone.stage.cancel, self.phone.stage.times.settle)
        self.end()

    def enrol(self) -> Event:
        """A boot in which a certificate is granted; power stays on."""
        self._begin("main")
        read = self._settings_read()
        granted = self._granted(self.phone.stage.times.boot_limit)
        if granted is None:
            raise LabFault("no certificate was granted, so nothing can be said of its storing", phone=self.phone.phone.name)
        self._quiet = max(self.phone.stage.times.quiet, 2 * (granted.at - read.at).total_seconds())
        return granted

    def cut(self, granted: Event, delay: float) -> Event | None:
        """Cut power `delay` after the answer and boot again: the grant of that boot, or None where there was none to ask for.

        With the certificate kept power is off in the end, otherwise on.
        """
        due = granted.at + timedelta(seconds=delay)
        self.clock.wait(self.phone.stage.cancel, max(0.0, (due - self.clock.now()).total_seconds()))
        lasted = (self.clock.now() - granted.at).total_seconds()
        capture = self.end()
        frames = (e.reply_frame for e in read_capture(capture).exchanges if e.operation == "PKIOperation")
        frame = next(filter(None, frames), None)
        if frame is None:
            raise LabFault("the capture lacks the CA's answer", phone=self.phone.phone.name, tried=f"read {capture}")
        self._begin("main")
        self._settings_read()
        again = self._granted(self.phone.stage.times.boot_limit) if self._asks() else None
        if again is None and any(e.operation == "PKIOperation" for e in read_capture(self.end()).exchanges):
            raise LabFault("a certificate was asked for and not granted", phone=self.phone.phone.name)
        self.cuts.append(Cut(delay, lasted, again is None, capture, frame, granted.at))
        return again

    def between(self) -> float | None:
        """The delay in the middle of the last that lost and the first that kept, None where they are close."""
        kept = min((cut.wanted for cut in self.cuts if cut.kept), default=None)
        lost = max((cut.wanted for cut in self.cuts if not cut.kept), default=None)
        if kept is None or lost is None or kept - lost <= _LEAST or kept <= _CLOSE * lost:
            return None
        return (kept + lost) / 2

    def end(self) -> Path:
        """Power off, once it is reported; the boot's capture."""
        self.phone.power.off()
        recorder, self._recorder = self._recorder, None
        if recorder is not None and (problems := recorder.stop().problems):
            raise LabFault("the recorder lost something", phone=self.phone.phone.name, seen="; ".join(problems))
        return self._capture

    @property
    def _capture(self) -> Path:
        return self.folder / f"boot-{self._boots}.pcapng"

    def _begin(self, kind: str) -> None:
        stage, name = self.phone.stage, self.phone.phone.name
        boot = PlannedBoot("clear", ()) if kind == "clear" else PlannedBoot("main", ((SLOT, CONTROL),))
        self.phone.power.off()
        self.phone.settings(boot_settings(boot, name, stage.server_of_phones, self.phone.firmware))
        stage.lab.script(name, SLOT)
        self._boots += 1
        self._recorder = stage.recorder(self.phone.phone, self._capture)
        self._recorder.start()
        self._since = stage.lab.events.cursor
        self.phone.power.on()

    def _settings_read(self) -> Event:
        path = f"/{phone_file_name(self.phone.phone.identity)}"
        limit = self.phone.stage.times.boot_limit
        read = self.phone.wait(EventName.FILE_SERVED, span=limit, since=self._since, path=path)
        if read is None:
            raise LabFault("the phone did not read its settings", phone=self.phone.phone.name, tried=f"{limit:g} phone seconds")
        return read

    def _asks(self) -> bool:
        """Whether the phone turns to its CA: it does so soon, however long its next key takes."""
        return self.phone.wait(EventName.SCEP_REQUEST, span=self._quiet, since=self._since) is not None

    def _granted(self, span: float) -> Event | None:
        return self.phone.wait(EventName.SCEP_ANSWER, span=span, since=self._since, pki_status="SUCCESS")
