"""Firmware onto phones: offered, watched until the phone is back, and taken back where the new one does not come up.

The guard (`hil.bench.upgrading`) is set before a phone can read of the new release, and lifted once it was seen back. What
ends in between, a crash or an interruption, leaves it set.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hil.bench.claim import key_of
from hil.bench.state import state_root
from hil.bench.testbed import Phone
from hil.bench.upgrading import UpgradeBook, Upgrading
from hil.campaign.life import pass_time
from hil.campaign.render import bench_files
from hil.campaign.stage import Stage
from hil.campaign.waiting import happened
from hil.errors import LabFault, Misuse
from hil.firmware.asking import announces
from hil.firmware.images import ImageSet, Offer
from hil.firmware.keeping import Cellar
from hil.firmware.watching import Result, Watch
from hil.identity import Firmware
from hil.services.events import Event, Subscription
from hil.services.files import Content
from hil.settings.writer import UPGRADE_FILE, upgrade_file
from hil.wiring.remembering import remember

LIMIT = 1800.0
"""Phone seconds that a phone may take from power on until it is back; how long a J100 takes is not documented."""

_ASK_EVERY = 15.0
"""Real seconds between two questions to the switch and the phone itself."""

Tell = Callable[[str, str], None]
"""Called with a phone's name and what it was just seen to do."""


@dataclass(frozen=True)
class Outcome:
    """What became of one phone's upgrade; `rolled_back` is what became of the way back, where there was one."""

    phone: str
    target: Firmware
    result: Result
    before: Firmware | None
    now: Firmware | None
    rolled_back: Outcome | None = None

    @property
    def done(self) -> bool:
        """Whether the phone runs what was to be installed."""
        return self.result.done

    def __str__(self) -> str:
        text = f"{self.target}: {self.result}"
        if not self.done and self.now is not None:
            text += f" (last seen as {self.now})"
        if self.result is Result.NOT_BACK:
            text += "; it keeps its power: install the same again to wait on, or look at it and `hil firmware give-up`"
        return text if self.rolled_back is None else f"{text}; rolled back: {self.rolled_back}"


def offers_for(images: ImageSet, phones: Sequence[Phone]) -> dict[str, Offer]:
    """What each phone is offered, by name; `Misuse` for a phone that the images are not for."""
    return {phone.name: images.offer_for(phone.identity) for phone in phones}


def way_back(phone: Phone, cellar: Cellar, release: Firmware) -> Offer | None:
    """The offer of a former release to a phone, None where no image of it is kept."""
    kept = cellar.image_set(phone.identity.model4, release)
    return kept.offer_for(phone.identity) if kept else None


@dataclass(frozen=True)
class Installer:
    """Installs on phones of an opened bench what is kept; `limit` is phone seconds from power on until a phone is back."""

    stage: Stage
    cellar: Cellar
    tell: Tell
    limit: float = LIMIT

    def install(self, phones: Sequence[Phone], offers: Mapping[str, Offer]) -> dict[str, Outcome | LabFault]:
        """Install on all phones, as many at a time as the testbed says; what became of each, or the fault of the bench."""

        def one(phone: Phone) -> Outcome | LabFault:
            try:
                return self._install(phone, offers[phone.name])
            except LabFault as fault:
                return fault
            except Misuse as misuse:  # of what is kept here: of this phone's install alone, while others write their flash
                return LabFault(str(misuse), bench=self.stage.bench.testbed.name, phone=phone.name, tried="install")

        at_once = self.stage.bench.testbed.at_once or len(phones)
        with ThreadPoolExecutor(at_once, "firmware") as threads:
            try:
                return dict(zip((phone.name for phone in phones), threads.map(one, phones), strict=True))
            except BaseException:
                self.stage.cancel.set()
                raise

    def _install(self, phone: Phone, offer: Offer) -> Outcome:
        outcome = _Attempt(self, phone, offer).play()
        former = outcome.before
        if outcome.done and former is not None and former != outcome.target:
            self.cellar.note(key_of(self.stage.bench.testbed, phone), phone.name, former, outcome.target)
        if outcome.result is not Result.NOT_UP or former is None or former == outcome.now:
            return outcome
        back = way_back(phone, self.cellar, former)
        if back is None:
            self.tell(phone.name, f"no way back: no image of {former} is kept")
            return outcome
        self.tell(phone.name, f"rolling back to {former}")
        return replace(outcome, rolled_back=_Attempt(self, phone, back).play())


class _Attempt:
    """One offer to one phone."""

    def __init__(self, installer: Installer, phone: Phone, offer: Offer) -> None:
        self._stage = installer.stage
        self._cellar = installer.cellar
        self._tell = installer.tell
        self._limit = installer.limit
        self._phone = phone
        self._offer = offer
        self._clock = self._stage.bench.clock_of(phone.name)
        self._power = self._stage.bench.power(phone.name)
        self._book = UpgradeBook(state_root())
        self._ask_at = 0.0
        self._key = key_of(self._stage.bench.testbed, phone)

    def play(self) -> Outcome:
        """Offer, watch, withdraw; the guard is lifted where the phone is known not to write its flash."""
        target, under_way = self._offer.release, self._book.of(self._key)
        if under_way is not None and not self._await_back(under_way):
            return Outcome(self._phone.name, target, Result.NOT_BACK, None, None)
        watch = self._watch(self._offer)
        reader = self._begin()
        self._follow(watch, reader)
        self._withdraw(self._offer)
        self._see(watch, reader.drain())  # the phone reads no offer from here on
        result = watch.result(target)
        if result is not Result.NOT_BACK and not self._lift_guard(watch, reader):
            result = Result.NOT_BACK
        if watch.agent is not None:
            remember(self._stage.bench.state, self._phone, watch.agent, datetime.now(UTC))
        if watch.stranger is not None:
            model = self._phone.identity.model4
            raise self._fault(f"the testbed says {model} and the phone calls itself {watch.stranger}")
        before = watch.first
        if result is Result.ALREADY and under_way is not None and under_way.former is not None:
            before = Firmware(under_way.former)
            result = Result.INSTALLED if before != target else result
        return Outcome(self._phone.name, target, result, before, watch.now)

    def _await_back(self, under_way: Upgrading) -> bool:
        """Wait for a phone that was offered a release by a process that did not see the end of it; whether it was seen back.

        It keeps its power, may fetch the rest of its image, and reads of no other release. One that came back while nobody
        served may ask for nothing any more, but is heard to announce the new release.
        """
        self._say(f"is being upgraded to {under_way.target} since {under_way.at}, and keeps its power")
        target = Firmware(under_way.target)
        offered = way_back(self._phone, self._cellar, target)
        watch = self._watch(offered)
        reader = self._stage.lab.events.subscribe(0, self._clock)
        self._withdraw(offered)
        self._power.on()
        limit = self._clock.now() + timedelta(seconds=self._limit)
        while not (back := watch.now is not None or self._is_heard(target)) and self._clock.now() < limit:
            self._check_cancelled()
            self._see(watch, happened(reader, limit, self._clock, self._stage.cancel))
        return back and self._lift_guard(watch, reader)

    def _is_heard(self, release: Firmware) -> bool:
        """Whether the phone announces that it runs `release`; nobody is asked more often than every so many seconds."""
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + _ASK_EVERY
        way = announces(self._stage.bench, self._phone, release)
        if way is not None:
            self._say(f"runs {release}, it says by {way}")
        return way is not None

    def _lift_guard(self, watch: Watch, reader: Subscription) -> bool:
        """The phone shall come to rest before its power may go; whether it did, and asked for no image after all."""
        pass_time(self._stage.times.settle, self._stage, self._phone.name)
        self._check_cancelled()
        self._see(watch, reader.drain())
        if watch.writes:
            return False
        self._book.end(self._key)
        return True

    def _begin(self) -> Subscription:
        """Offer the release, and give the phone its power in which it reads of it; power comes whatever fails before."""
        events = self._stage.lab.events
        try:
            self._power.off()
            self._clock.power_is_off()
            bench, name = self._stage.bench.testbed.name, self._phone.name
            self._book.begin(self._key, bench=bench, phone=name, target=str(self._offer.release))
            reader = events.subscribe(events.cursor, self._clock)
            self._serve(self._offer.upgrade_file, self._offer)
        finally:
            self._power.on()
        return reader

    def _follow(self, watch: Watch, reader: Subscription) -> None:
        """Watch until what became of the offer is settled, or nothing more can be waited for."""
        target = self._offer.release
        limit = self._clock.now() + timedelta(seconds=self._limit)
        while not watch.settled(target) and self._clock.now() < (until := self._until(watch, limit)):
            self._check_cancelled()
            known, fetched = watch.first, watch.fetched
            self._see(watch, happened(reader, until, self._clock, self._stage.cancel))
            if known is None and watch.first is not None:
                self._book.learn(self._key, str(watch.first))
            if watch.fetched and not fetched:
                self._withdraw(self._offer)  # one that does not take what it fetched would fetch it again and again

    def _until(self, watch: Watch, limit: datetime) -> datetime:
        """How long to wait as things stand: for all of it, for a new release to come up, for the rest of an ordinary boot."""
        times = self._stage.times
        if watch.back is not None:
            return watch.back + timedelta(seconds=times.boot_limit)
        if watch.up and watch.last is not None and not watch.asked:
            return min(limit, watch.last + timedelta(seconds=times.quiet))
        return limit

    def _watch(self, offer: Offer | None) -> Watch:
        return Watch(self._phone.name, self._phone.identity, {path.name for path in offer.images} if offer else ())

    def _see(self, watch: Watch, events: tuple[Event, ...]) -> None:
        for event in events:
            if (told := watch.see(event)) is not None:
                self._say(told)

    def _withdraw(self, offer: Offer | None) -> None:
        """From now on the phone reads of no other firmware; an image of which it has a part it may fetch to its end."""
        self._serve(upgrade_file(), offer)

    def _serve(self, upgrade: bytes, offer: Offer | None) -> None:
        """Serve this upgrade file, the images, and the bench's settings."""
        files: dict[str, Content] = dict(bench_files({}, self._phone.identity, self._stage.server_of_phones))
        files |= {UPGRADE_FILE: upgrade, **{path.name: path for path in (offer.images if offer else ())}}
        self._stage.lab.publish(self._phone.name, "/", files)

    def _check_cancelled(self) -> None:
        if self._stage.cancel.is_set():
            raise self._fault("the install was interrupted; the phone keeps its power until it was seen back")

    def _say(self, text: str) -> None:
        self._tell(self._phone.name, text)

    def _fault(self, problem: str) -> LabFault:
        return LabFault(problem, bench=self._stage.bench.testbed.name, phone=self._phone.name)
