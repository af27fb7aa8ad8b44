"""How long a certificate takes to be stored, measured on a stage without a bench: the phone's flash takes what it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stage_props import OWN_FILE, Props

from hil.campaign import storing
from hil.campaign.by_hand import ByHand
from hil.campaign.storing import DELAYS, Storing, measure_storing
from hil.errors import LabFault
from hil.evidence import EventName
from hil.identity import Firmware


@dataclass
class Flashing(Props):
    """A phone that stores a certificate `flash` phone seconds after it came, if it still has power then."""

    flash: float = 5.3
    grants: bool = True
    slow_key_in: int = 0
    """The boot in which a key takes long to make."""
    held: bool = False
    boots_of_grants: set[int] = field(default_factory=set)

    def _read_settings(self) -> None:
        if "DELETE_SCEP_CERT 1" in self.published[self.phone.name][OWN_FILE[1:]].decode():
            self.held = False
            self.served()
        elif self.held:
            self.served()
        else:
            super()._read_settings()
            self.events.publish(EventName.SCEP_REQUEST, device=self.phone.name, slot=1, operation="GetCACert")

    def _answer_if_powered(self, slot: int) -> None:
        boot = self.boots
        if boot == self.slow_key_in:
            self.clock.after(200.0, lambda: self._grant(slot, boot))
        else:
            self._grant(slot, boot)

    def _grant(self, slot: int, boot: int) -> None:
        if self.powered and self.grants and self.boots == boot:
            self.answered(slot)
            self.boots_of_grants.add(boot)
            self.clock.after(self.flash, lambda: self._store(boot))

    def _store(self, boot: int) -> None:
        self.held = self.held or (self.powered and self.boots == boot)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def measure(**how: Any) -> tuple[Storing, Flashing]:
        props = Flashing(tmp_path, **how)
        props.stage.lab.script = lambda *_: None  # type: ignore[method-assign]

        def shown(capture: Path) -> Any:
            asked = int(capture.stem.removeprefix("boot-")) in props.boots_of_grants
            exchanges = [SimpleNamespace(operation="PKIOperation", reply_frame=7)] if asked else []
            return SimpleNamespace(exchanges=exchanges)

        monkeypatch.setattr(storing, "read_capture", shown)
        by_hand: Any = ByHand(props.stage, props.phone, props, Firmware("4.1.11.0.9"))  # type: ignore[arg-type]
        return measure_storing(by_hand, tmp_path / "storing"), props

    return measure


def delays(found: Storing) -> tuple[float | None, float | None]:
    """The longest delay that lost a certificate and the least that kept one."""
    return found.lost.delay if found.lost else None, found.kept.delay if found.kept else None


@pytest.mark.parametrize("flash", [0.5, 1.5, 5.3, 20.0, 70.0, 127.0])
def test_the_span_lies_between_a_cut_that_lost_and_one_that_kept(measured: Any, flash: float) -> None:
    lost, kept = delays(measured(flash=flash)[0])
    assert lost is not None
    assert kept is not None
    assert lost < flash <= kept
    assert kept - lost <= max(1.0, 0.3 * kept)


def test_what_is_stored_at_once_was_never_lost(measured: Any) -> None:
    found, props = measured(flash=0.0)
    assert delays(found) == (None, 0.0)
    assert props.boots == 3


def test_what_takes_longer_than_the_last_cut_is_never_kept(measured: Any) -> None:
    found, props = measured(flash=1000.0)
    assert delays(found) == (DELAYS[-1], None)
    assert not props.powered


def test_a_lost_certificate_costs_one_boot_and_a_kept_one_three(measured: Any) -> None:
    found, props = measured(flash=5.3)
    assert [(cut.wanted, cut.kept) for cut in found.cuts] == [
        (0.0, False),
        (1.0, False),
        (2.0, False),
        (4.0, False),
        (8.0, True),
        (6.0, True),
        (5.0, False),
    ]
    assert props.boots == 1 + 6 + 3 + 3


def test_a_key_that_takes_long_is_not_taken_for_a_kept_certificate(measured: Any) -> None:
    found, props = measured(flash=5.3, slow_key_in=4)
    assert delays(found)[0] == pytest.approx(5.0)
    assert [cut.kept for cut in found.cuts] == [False, False, False, False, True, True, False]
    assert 4 in props.boots_of_grants


def test_each_cut_names_the_capture_of_its_answer(measured: Any) -> None:
    found, _ = measured(flash=5.3)
    assert [int(cut.capture.stem.removeprefix("boot-")) for cut in found.cuts][:3] == [2, 3, 4]
    assert {cut.frame for cut in found.cuts} == {7}


def test_who_is_granted_nothing_is_a_fault_of_the_bench(measured: Any) -> None:
    with pytest.raises(LabFault, match="no certificate was granted"):
        measured(grants=False)


def test_a_recorder_that_loses_something_ends_the_measurement(measured: Any) -> None:
    with pytest.raises(LabFault, match="the recorder lost something"):
        measured(problems=[("dropped 3 packets",)])
