"""A thread for each phone plays that phone's plan; tests ask for evidence and wait for it.

Nothing is switched before the first evidence is asked for. A thread's own exception becomes the
fault of everything that phone still had to show; it never ends the others.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from hil.bench.power import PowerFault, PowerPort, insist_on
from hil.bench.testbed import Phone
from hil.campaign.by_hand import ByHand
from hil.campaign.plan import CENSUS, Plan, PlannedSitting, confirmation, plan, why_too_long
from hil.campaign.play import Cancelled, Played, SittingPlayer
from hil.campaign.services import WITHOUT_ADDRESS
from hil.campaign.stage import Stage, Status
from hil.errors import LabFault
from hil.identity import Firmware
from hil.scenario import Scenario

_POLL = 0.2
_JOIN = 30.0


class NotApplicable(Exception):
    """The phone's firmware cannot show the scenario; the message says why."""


class NotSeen(Exception):
    """The phone never showed itself on the bench, so nothing can be said of it."""


@dataclass(frozen=True)
class Order:
    """The scenarios that share out a phone's sittings, and those of them whose sittings are to be played."""

    packed: tuple[Scenario, ...]
    wanted: frozenset[Scenario]


class PhoneRun:
    """One phone's campaign, in a thread of its own."""

    def __init__(
        self,
        stage: Stage,
        phone: Phone,
        port: PowerPort,
        order: Order,
        retries: int,
        places: AbstractContextManager[object] | None = None,
    ) -> None:
        self.phone = phone
        self._places = places or nullcontext()
        self._stage = stage
        self._order = order
        self._retries = retries
        self._plan: Plan | None = None
        self._played: dict[str, Played] = {}
        self._failure: Exception | None = None
        self._confirmations: queue.SimpleQueue[PlannedSitting] = queue.SimpleQueue()
        self._change = threading.Condition()
        self._status = Status("waiting", datetime.now(UTC), 0, 0)
        self._player = SittingPlayer(stage, phone, port, self._report)
        self._port = port
        self.dark: LabFault | None = None
        self._turn = threading.Lock()
        self._plan_done = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=phone.name, daemon=True)

    @property
    def status(self) -> Status:
        """What the phone is doing, and since when."""
        return self._status

    @property
    def firmware(self) -> Firmware | None:
        """The firmware that the phone was seen to run."""
        return self._player.firmware

    def start(self) -> None:
        """Begin to play."""
        self._thread.start()

    def evidence(self, scenario: Scenario) -> Played:
        """The sitting that played `scenario`; waits for it. Raises NotApplicable, NotSeen, or what ended the thread."""
        with self._change:
            self._change.wait_for(lambda: self._plan is not None or self._failure is not None)
            if self._plan is None:
                raise self._failure or NotSeen(self.phone.name)
            if scenario in self._plan.not_applicable:
                raise NotApplicable(self._plan.not_applicable[scenario])
            return self._await(self._plan.sitting_of[scenario].name)

    def confirm(self, scenario: Scenario) -> Played | None:
        """Play `scenario` once more, alone in its slot; None where it was alone already."""
        with self._change:
            if self._plan is None:
                return None
            shared = self._plan.sitting_of[scenario]
            if len(shared.scenarios) == 1 or scenario.mates:
                return None
            again = confirmation(f"{shared.name}-alone-{scenario.key[:6]}", scenario, shared)
            if again.name not in self._played:
                self._confirmations.put(again)
            return self._await(again.name)

    def _await(self, name: str) -> Played:
        self._change.wait_for(lambda: name in self._played or self._failure is not None)
        if name not in self._played:
            raise self._failure or NotSeen(self.phone.name)
        return self._played[name]

    def close(self) -> None:
        """Let the thread end; it leaves the phone powered."""
        self._closing.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread, at most `timeout` real seconds; a phone whose thread goes on counts as dark."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        if self._thread.is_alive():
            self.dark = LabFault("its campaign did not end in time", phone=self.phone.name, port=self._port.label)

    def _report(self, text: str) -> None:
        self._status = Status(text, datetime.now(UTC), len(self._played), self._status.total)

    def _run(self) -> None:
        try:
            self._play_all()
        except Cancelled:
            self._fail(LabFault("the run was interrupted", phone=self.phone.name))
        except Exception as error:  # noqa: BLE001  becomes the fault of everything this phone still had to show
            self._fail(error)
        finally:
            self._leave_powered()

    def _play_all(self) -> None:
        census = self._play(CENSUS)
        if census.fault is not None:
            raise census.fault
        if not self._player.seen:
            raise NotSeen(f"{self.phone.name} was powered on and never fetched its settings")
        self._settle_plan()
        for sitting in self._plan.sittings if self._plan else ():
            self._play_and_keep(sitting)
        self._leave_powered()
        with self._change:
            self._plan_done = True
            self._report("done")
            self._change.notify_all()
        while not self._closing.is_set() and not self._stage.cancel.is_set():
            try:
                sitting = self._confirmations.get(timeout=_POLL)
            except queue.Empty:
                continue
            self._play_and_keep(sitting)
            self._leave_powered()
            self._report("done")

    def _settle_plan(self) -> None:
        offered = {*self._stage.server_of_phones.tls}
        if self._stage.bench.testbed.asks_8021x(self.phone):
            offered.add(WITHOUT_ADDRESS)
        final = plan(
            self._order.packed,
            self.firmware,
            wanted=self._order.wanted,
            offered=offered,
            barred=self._why_barred,
        )
        with self._change:
            self._plan = final
            self._status = Status(self._status.text, self._status.since, 0, len(final.sittings))
            self._change.notify_all()

    def _why_barred(self, scenario: Scenario) -> str | None:
        bench = self._stage.bench.testbed
        return self._stage.cast.why_not_played(scenario) or why_too_long(scenario, bench.longest_wait)

    def _play_and_keep(self, sitting: PlannedSitting) -> None:
        """Play a sitting and hand it to whoever waits; a lost switch then ends the phone's campaign."""
        played = self._play(sitting)
        with self._change:
            self._played[sitting.name] = played
            self._change.notify_all()
        if played.fault is not None and power_is_lost(played.fault):
            raise played.fault

    @contextmanager
    def by_hand(self) -> Iterator[ByHand]:
        """The phone itself, once its plan is done; nothing else is played on it meanwhile."""
        with self._change:
            self._change.wait_for(lambda: self._plan_done or self._failure is not None)
            if self._failure is not None:
                raise self._failure
        with self._turn:
            self._report("by hand")
            try:
                yield ByHand(self._stage, self.phone, self._port, self.firmware)
            finally:
                self._leave_powered()
                self._report("done")

    def _play(self, sitting: PlannedSitting) -> Played:
        with self._places, self._turn:
            return self._attempt(sitting)

    def _attempt(self, sitting: PlannedSitting) -> Played:
        for attempt in range(1, self._retries + 2):
            played = self._player.play(sitting, attempt)
            if played.whole or power_is_lost(played.fault):
                break
        return played

    def _fail(self, error: Exception) -> None:
        with self._change:
            self._failure = error
            self._report(f"stopped: {error}")
            self._change.notify_all()

    def _leave_powered(self) -> None:
        """Power on; the journal has what stays dark all the same."""
        self.dark = insist_on(self._port, self.phone.name)


class Campaign:
    """All phones of a run; a sitting is played on as many of them at the same time as the testbed says."""

    def __init__(self, stage: Stage, phones: Mapping[str, tuple[Phone, PowerPort, Order]], retries: int = 0) -> None:
        self._stage = stage
        at_once = stage.bench.testbed.at_once
        places = None if at_once is None else threading.BoundedSemaphore(at_once)
        self.runs = {name: PhoneRun(stage, phone, port, order, retries, places) for name, (phone, port, order) in phones.items()}

    def start(self) -> None:
        """Begin to play on every phone."""
        for run in self.runs.values():
            run.start()

    def statuses(self) -> Mapping[str, Status]:
        """What each phone is doing."""
        return {name: run.status for name, run in self.runs.items()}

    @property
    def dark(self) -> Mapping[str, LabFault]:
        """Phones that could not be powered again, and why."""
        return {name: run.dark for name, run in self.runs.items() if run.dark is not None}

    def close(self) -> None:
        """End every thread within a bound, whatever it plays; each leaves its phone powered, or is `dark`."""
        self._stage.cancel.set()
        for run in self.runs.values():
            run.close()
        deadline = time.monotonic() + _JOIN
        for run in self.runs.values():
            run.join(max(0.0, deadline - time.monotonic()))


def power_is_lost(fault: Exception | None) -> bool:
    """Whether a fault leaves no way to play on: the switch itself."""
    return isinstance(fault, PowerFault)
