"""A phone that asks for nothing any more, and is heard all the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.bench.tables import Neighbour, Tables
from hil.bench.testbed import load
from hil.firmware.asking import announces
from hil.identity import Firmware
from hil.wiring.sayings import Way

TESTBED = load(Path(__file__).resolve().parents[2] / "testbeds" / "virtual.yaml")
PHONE = TESTBED.phone("j179-1")


def heard(tmp_path: Path, *neighbours: Neighbour) -> Way | None:
    """How j179-1 tells that it runs 4.1.5.0.6, to a switch with these neighbours."""
    outlet = SimpleNamespace(label="192.0.2.2 1.2")
    bench: Any = SimpleNamespace(
        testbed=TESTBED.model_copy(update={"phone_snmp": None}),
        state=tmp_path,
        power=lambda _: outlet,
        tables=lambda: Tables(neighbours=neighbours),
    )
    return announces(bench, PHONE, Firmware("4.1.5.0.6"))


@pytest.mark.parametrize(
    ("mac", "software", "way"),
    [
        (PHONE.mac, "FW_S_J179_R4_1_5_0_6.bin", Way.LLDP),
        (PHONE.mac, "4.1.3.0.6", None),
        (PHONE.mac, None, None),
        ("c8:1f:ea:83:01:39", "4.1.5.0.6", None),
    ],
)
def test_only_the_new_release_shows_that_it_is_back(mac: str, software: str | None, way: Way | None, tmp_path: Path) -> None:
    assert heard(tmp_path, Neighbour("2", mac, software=software)) is way


def test_a_switch_that_tells_nothing_shows_nothing(tmp_path: Path) -> None:
    assert heard(tmp_path) is None
