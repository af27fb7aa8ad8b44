"""Every kind of relay box, with phones on its open and on its closed contacts."""

from __future__ import annotations

from pathlib import Path

import pytest
from power_rigs import Rig
from power_simulators.box import Box
from power_simulators.relay_boxes import BOXES, Understand
from power_simulators.terminals import RelayBoxOnUsb
from power_testbeds import around

from hil.bench.power import PowerUnreadable
from hil.bench.power.relays import RELAYS
from hil.errors import Misuse

SIZES = {"numato": 16, "kmtronic": 2, "kmtronic-4": 4, "kmtronic-8": 8, "lcus": 4, "devantech": 8}


def rig_of(protocol: str, folder: Path, relays: RelayBoxOnUsb, **more: object) -> Rig:
    first = RELAYS[protocol].first
    last = first + SIZES[protocol] - 1
    power = {"kind": "relay", "device": relays.device, "protocol": protocol, **more}
    return Rig(power, ({"relay": first}, {"relay": last}), relays.box, (str(first), str(last)), folder)


def box_of(protocol: str) -> Box:
    first = RELAYS[protocol].first
    return Box(str(relay) for relay in range(first, first + SIZES[protocol]))


@pytest.mark.parametrize("inverted", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("protocol", RELAYS)
def test_a_relay_is_drawn_released_and_read(protocol: str, inverted: bool, tmp_path: Path) -> None:
    box = box_of(protocol)
    with RelayBoxOnUsb(box, BOXES[protocol]) as relays:
        rig = rig_of(protocol, tmp_path, relays, inverted=inverted)
        for name in rig.names:
            box.ports[name].power = not inverted
        with rig.connected() as ports:
            for port, name in zip(ports, rig.names, strict=True):
                assert port.delivering()
                port.off()
                assert not port.delivering()
                assert box.ports[name].power is inverted
                port.on()
                assert port.delivering()
                assert port.watts() is None
    assert {name for name, _ in box.orders} == set(rig.names)


def test_a_relay_that_the_box_cannot_have_is_refused(tmp_path: Path) -> None:
    with RelayBoxOnUsb(box_of("lcus"), BOXES["lcus"]) as relays:
        rig = rig_of("lcus", tmp_path, relays)
        rig.outlets[1]["relay"] = 0
        with pytest.raises(
            Misuse, match=r":\d+: phones\[1\]\.power\.relay: a box that speaks lcus has no relay 0; it has 1 to 8"
        ):
            around(rig)


@pytest.mark.parametrize("protocol", RELAYS)
def test_a_box_that_speaks_otherwise_is_not_read(protocol: str, tmp_path: Path) -> None:
    def babble(said: bytes, _: Box) -> tuple[bytes, bytes]:
        return b"", b"?" * len(said)

    strange: Understand = babble
    if protocol == "devantech":
        pytest.skip("every byte is an answer there")
    with RelayBoxOnUsb(box_of(protocol), strange) as relays:
        rig = rig_of(protocol, tmp_path, relays)
        with rig.connected(timeout=0.3) as (port, _), pytest.raises(PowerUnreadable):
            port.delivering()
