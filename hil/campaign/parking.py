"""Phones back to what they are when no test has them: what the bench put on them is deleted, and the lab's settings are served.

A parameter that stands in no file goes back to its default when the file is next read (template, ADM18 p. 36), so the
lab's own file takes back all that the bench set. Certificates by SCEP stay, and are deleted by a boot of their own, as
before each sitting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from hil.bench.power import insist_on
from hil.bench.testbed import Phone
from hil.campaign.by_hand import ByHand
from hil.campaign.ends import await_settled
from hil.campaign.opening import Opened, dhcp_plan
from hil.campaign.play import RESTART_SHOWS, firmware_in
from hil.campaign.render import clearing
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.dhcp import Dnsmasq
from hil.services.events import Event
from hil.settings.writer import SETTINGS_FILE, UPGRADE_FILE, phone_file_name, upgrade_file


@dataclass(frozen=True)
class Normal:
    """What phones are told: `files` that the bench serves, or an `option_242` that sends them to another server."""

    files: Mapping[str, bytes]
    option_242: str | None = None


@dataclass
class Parked:
    """What was seen of a phone: that it read what deletes its certificates, then what is normal, and has power.

    With a server of the lab `taken` says that the phone took its address, and with it where that server is.
    """

    phone: str
    cleared: bool = False
    taken: bool = False
    powered: bool = False
    firmware: str | None = None
    fault: str | None = None

    @property
    def done(self) -> bool:
        """Whether all of it was seen."""
        return self.cleared and self.taken and self.powered and self.fault is None


def park(opened: Opened, phones: Sequence[Phone], normal: Normal, tell: Callable[[Parked], None]) -> None:
    """Park the phones, as many at a time as the testbed says, and `tell` of each, whatever happened, once it is powered."""
    stage = opened.stage
    parking = [_Parking(ByHand(stage, phone, stage.bench.power(phone.name), None), normal) for phone in phones]
    with ThreadPoolExecutor(stage.bench.testbed.at_once or len(phones), "park") as threads:
        try:
            _each(threads, [one.clear for one in parking])
            with _sent_elsewhere(opened, normal):
                _each(threads, [one.take for one in parking])
        finally:
            stage.cancel.set()
            _each(threads, [one.leave_powered for one in parking])
            for one in parking:
                tell(one.parked)


def _each(threads: ThreadPoolExecutor, steps: Sequence[Callable[[], None]]) -> None:
    """Take the steps side by side; returns once all are taken."""
    for taken in [threads.submit(step) for step in steps]:
        taken.result()


@contextmanager
def _sent_elsewhere(opened: Opened, normal: Normal) -> Iterator[None]:
    """DHCP that sends phones to the lab's own server, where they have one."""
    with ExitStack() as stack:
        if normal.option_242 is not None and opened.dhcp is not None:
            stage = opened.stage
            opened.dhcp.stop()
            plan = replace(
                dhcp_plan(stage.bench), elsewhere=normal.option_242, time_server=None, log_server=None, names=(), site={}
            )
            stack.enter_context(Dnsmasq(plan, stage.lab.events))
        yield


class _Parking:
    """One phone on its way."""

    def __init__(self, hand: ByHand, normal: Normal) -> None:
        self.parked = Parked(hand.phone.name)
        self._hand = hand
        self._normal = normal
        self._took = 0.0
        self._turn = threading.Lock()
        """Held while a step is taken: one that was interrupted still ends before the phone is powered."""

    def clear(self) -> None:
        """A boot that deletes what the phone holds by SCEP, by each way that some firmware has."""
        self._hand.settings(clearing(None))
        read = self._boot(EventName.FILE_SERVED, path=f"/{phone_file_name(self._hand.phone.identity)}")
        if read is None:
            return
        firmware = firmware_in(str(read.details.get("user_agent")))
        self.parked.firmware = None if firmware is None else str(firmware[1])
        self.parked.cleared = self._settled(max(self._hand.stage.times.settle, RESTART_SHOWS * self._took))

    def take(self) -> None:
        """A boot in which the phone is told what is normal."""
        if self.parked.fault is not None:
            return
        elsewhere = self._normal.option_242 is not None
        files = {} if elsewhere else {**self._normal.files, UPGRADE_FILE: upgrade_file()}  # an upgrade here has no guard
        self._hand.stage.lab.publish(self._hand.phone.name, "/", files)
        seen = self._boot(EventName.LEASE) if elsewhere else self._boot(EventName.FILE_SERVED, path=f"/{SETTINGS_FILE}")
        self.parked.taken = seen is not None and (elsewhere or self._settled(self._hand.stage.times.quiet))

    def leave_powered(self) -> None:
        """Power on, whatever happened."""
        with self._turn:
            dark = insist_on(self._hand.power, self._hand.phone.name)
        self.parked.powered = dark is None
        if dark is not None:
            self.parked.fault = self.parked.fault or str(dark)

    def _boot(self, name: EventName, **details: object) -> Event | None:
        """Cut the power and give it again; what the phone then does first of that name, None where it does not."""
        stage = self._hand.stage
        try:
            with self._turn:
                if stage.cancel.is_set():
                    return None
                since = self._hand.cycle()
            on = stage.bench.clock_of(self._hand.phone.name).now()
            seen = self._hand.wait(name, span=stage.times.boot_limit, since=since, **details)
        except LabFault as fault:
            self.parked.fault = str(fault)
            return None
        self._took = 0.0 if seen is None else (seen.at - on).total_seconds()
        return seen

    def _settled(self, span: float) -> bool:
        """Whether the phone came to rest: files that it still fetches, and a restart of its own, are waited for."""
        stage = self._hand.stage
        return (
            await_settled(
                stage.lab.events,
                self._hand.phone.name,
                span,
                limit=self._hand.stage.times.boot_limit,
                clock=stage.bench.clock_of(self._hand.phone.name),
                since=stage.lab.events.cursor,
                cancel=stage.cancel,
            )
            and not stage.cancel.is_set()
        )
