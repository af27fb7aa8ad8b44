"""What a phone is told while it is parked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from stage_props import IDENTITY

from hil.campaign.parking import Normal, _Parking
from hil.errors import LabFault
from hil.settings.writer import SETTINGS_FILE, UPGRADE_FILE, upgrade_file


def test_a_folder_of_the_lab_with_firmware_upgrades_no_phone() -> None:
    """An upgrade by it would have no guard, and the next run could cut the phone's power while it writes."""
    told: dict[str, bytes] = {}

    def cycle() -> int:
        raise LabFault("enough was seen")

    stage = SimpleNamespace(
        lab=SimpleNamespace(publish=lambda _device, _root, files: told.update(files)),
        cancel=SimpleNamespace(is_set=lambda: False),
    )
    hand: Any = SimpleNamespace(stage=stage, phone=SimpleNamespace(name="j179-1", identity=IDENTITY), cycle=cycle)
    lab = {SETTINGS_FILE: b"SET GROUP 7\n", UPGRADE_FILE: b"SET APPNAME FW_S_J179_R4_1_12_0_1.bin\nGET 46xxsettings.txt\n"}
    _Parking(hand, Normal(lab)).take()
    assert told == {SETTINGS_FILE: lab[SETTINGS_FILE], UPGRADE_FILE: upgrade_file()}


def test_a_phone_that_stays_dark_is_told_of_whatever_the_reason() -> None:
    def on() -> None:
        raise OSError(5, "Input/output error")

    hand: Any = SimpleNamespace(phone=SimpleNamespace(name="j179-1"), power=SimpleNamespace(on=on, label="switch p1"))
    parking = _Parking(hand, Normal({}))
    parking.leave_powered()
    assert not parking.parked.powered
    assert parking.parked.fault is not None
    assert all(word in parking.parked.fault for word in ("j179-1", "switch p1", "Input/output error"))
