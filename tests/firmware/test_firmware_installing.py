"""Installs that go wrong on this side: no phone is left dark, or without its guard, for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench.power import PowerInterrupted
from hil.bench.testbed import Times
from hil.bench.upgrading import UpgradeBook
from hil.campaign.render import Server
from hil.clock import ManualClock
from hil.errors import LabFault, Misuse
from hil.evidence import EventName
from hil.firmware.images import ImageSet
from hil.firmware.installing import Installer, Outcome, offers_for
from hil.firmware.keeping import Cellar
from hil.firmware.watching import Result
from hil.identity import Identity
from hil.services.events import EventStream
from hil.settings.writer import UPGRADE_FILE

IMAGE = "FW_S_J179_R4_1_12_0_1.bin"
LIMIT = 600.0
OWN_FILE = "/c81fea83e85a.txt"
AGENT = "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.11.0.9 (MAC:c81fea83e85a)"


class PlannedClock(ManualClock):
    """Time that passes only while something waits, and in which actions happen at their instants."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda: list[tuple[float, Callable[[], object]]] = []

    def idle_until(self) -> None:
        """Nobody tells."""

    def power_is_off(self) -> None:
        """Nobody has told of plans."""

    def advance(self, span: float) -> None:
        super().advance(span)
        due = [action for left, action in self.agenda if left <= span]
        self.agenda = [(left - span, action) for left, action in self.agenda if left > span]
        for action in due:
            action()


class Rig:
    """Two phones on one outlet; `boots` is what happens once there is power, and `fails` what goes wrong before that."""

    label = "192.0.2.2 1.1"

    def __init__(self, folder: Path) -> None:
        self.clock = PlannedClock()
        self.events = EventStream(self.clock)
        self.powered = True
        self.boots: Callable[[], None] = lambda: None
        self.fails: dict[str, Exception] = {}
        self.phones = [self._phone("j179-1", "c8:1f:ea:83:e8:5a"), self._phone("j179-2", "c8:1f:ea:83:e8:5b")]
        bench = SimpleNamespace(
            testbed=SimpleNamespace(name="lab-2", at_once=1), state=folder, clock_of=lambda _: self.clock, power=lambda _: self
        )
        parts: dict[str, Any] = {
            "bench": bench,
            "lab": SimpleNamespace(events=self.events, publish=self._publish),
            "times": Times(settle=30, quiet=30, boot_limit=120),
            "server_of_phones": Server("192.0.2.1", 80),
            "cancel": SimpleNamespace(is_set=lambda: False, set=lambda: None),
        }
        self.stage: Any = SimpleNamespace(**parts)
        (folder / IMAGE).write_bytes(b"an image")
        self._offers = offers_for(ImageSet.read([folder / IMAGE]), self.phones)
        self._cellar = Cellar(folder)

    def install(self, *names: str) -> dict[str, Outcome | LabFault]:
        phones = [phone for phone in self.phones if phone.name in names]
        return Installer(self.stage, self._cellar, lambda *_: None, LIMIT).install(phones, self._offers)

    def asks(self, span: float, path: str, agent: str = AGENT) -> None:
        """A request so many phone seconds from now, answered whole."""
        told = {"path": path, "user_agent": agent, "sent": True}
        self.clock.agenda.append((span, lambda: self.events.publish(EventName.FILE_SERVED, device="j179-1", **told)))

    def on(self) -> None:
        self.powered = True
        self.boots()

    def off(self) -> None:
        self.powered = False
        self._may_fail("off")

    def delivering(self) -> bool:
        return self.powered

    def _phone(self, name: str, mac: str) -> Any:
        return SimpleNamespace(name=name, mac=mac, virtual=None, identity=Identity("J179", mac, "19WZ1234567A"))

    def _publish(self, device: str, _root: str, files: Mapping[str, object]) -> None:
        if device == "j179-1" and IMAGE in files:
            self._may_fail("publish")

    def _may_fail(self, what: str) -> None:
        if what in self.fails:
            raise self.fails[what]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("HIL_STATE", str(tmp_path))
    return Rig(tmp_path)


def guarded(rig: Rig, tmp_path: Path) -> bool:
    return UpgradeBook(tmp_path).of(rig.phones[0].mac) is not None


def test_a_switch_that_hangs_up_leaves_no_phone_dark(rig: Rig) -> None:
    rig.fails["off"] = PowerInterrupted("the switch ended the session in mid-command")
    assert isinstance(rig.install("j179-1")["j179-1"], PowerInterrupted)
    assert rig.powered


def test_a_book_of_upgrades_that_cannot_be_written_leaves_no_phone_dark(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "upgrading.new").symlink_to("/dev/full")
    assert "the book of upgrades cannot be written" in str(rig.install("j179-1")["j179-1"])
    assert rig.powered


def test_an_image_that_cannot_be_served_is_one_phone_s_fault_alone(rig: Rig) -> None:
    rig.fails["publish"] = Misuse("cannot be read", file=IMAGE)
    done = rig.install("j179-1", "j179-2")
    assert str(done["j179-1"]) == f"{IMAGE}: cannot be read (bench lab-2, phone j179-1, tried install)"
    assert isinstance(done["j179-2"], Outcome), "others are watched on"
    assert rig.powered


def test_a_phone_that_asks_for_its_image_when_it_seemed_at_rest_keeps_its_guard(rig: Rig, tmp_path: Path) -> None:
    def boots() -> None:
        rig.asks(5, f"/{UPGRADE_FILE}")
        rig.asks(8, OWN_FILE)
        rig.asks(50, f"/{IMAGE}")

    rig.boots = boots
    outcome = rig.install("j179-1")["j179-1"]
    assert isinstance(outcome, Outcome)
    assert outcome.result is Result.NOT_BACK
    assert guarded(rig, tmp_path)


def test_a_phone_that_takes_nothing_is_free_once_it_came_to_rest(rig: Rig, tmp_path: Path) -> None:
    def boots() -> None:
        rig.asks(5, f"/{UPGRADE_FILE}")
        rig.asks(8, OWN_FILE)

    rig.boots = boots
    outcome = rig.install("j179-1")["j179-1"]
    assert isinstance(outcome, Outcome)
    assert outcome.result is Result.NOT_TAKEN
    assert not guarded(rig, tmp_path)


def test_a_phone_that_does_not_say_what_it_is_keeps_its_guard(rig: Rig, tmp_path: Path) -> None:
    def boots() -> None:
        rig.asks(5, f"/{UPGRADE_FILE}", "Phone")
        rig.asks(8, f"/{IMAGE}", "Phone")

    rig.boots = boots
    outcome = rig.install("j179-1")["j179-1"]
    assert isinstance(outcome, Outcome)
    assert outcome.result is Result.NOT_BACK
    assert guarded(rig, tmp_path)
