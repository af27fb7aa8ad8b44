"""LLDP data units: read as scapy writes them and as the virtual phone does, whose code knows nothing of the reader's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib import lldp
from scapy.layers.l2 import Ether

from hil.bench.tables import Neighbour
from hil.bench.tables.lldpdu import CHASSIS_MAC, MED, NAME, ORGANISATION, PORT_NAME, read_unit, tlv, unit
from hil.virtual.phone.lldp import announcement
from hil.virtual.phone.unit import Unit

MAC = "c8:1f:ea:83:01:79"
PHONE = Unit("J179D02A", MAC, "19WZ17900002", "4.1.3.0.6")
INVENTORY = ((5, b"J179D02A"), (6, b"4.1.3.0.6"), (7, b"4.1.3.0.6"), (8, b"19WZ17900002"), (9, b"Avaya"), (10, b"J179"))


def by_scapy(**chassis: object) -> bytes:
    """The data unit of a phone with an inventory, as scapy builds it."""
    layers = (
        Ether(dst=lldp.LLDP_NEAREST_BRIDGE_MAC)
        / lldp.LLDPDUChassisID(**(chassis or {"subtype": 5, "family": 1, "id": "192.0.2.102"}))
        / lldp.LLDPDUPortID(subtype=3, id=MAC)
        / lldp.LLDPDUTimeToLive(ttl=120)
        / lldp.LLDPDUSystemName(system_name=b"AVX830179")
        / lldp.LLDPDUSystemDescription(description=b"a desk phone")
    )
    for subtype, value in INVENTORY:
        layers /= lldp.LLDPDUGenericOrganisationSpecific(org_code=0x0012BB, subtype=subtype, data=value)
    return bytes(layers / lldp.LLDPDUEndOfLLDPDU())[14:]


EXPECTED = Neighbour(
    port="Gi1/0/2",
    mac=MAC,
    address="192.0.2.102",
    name="AVX830179",
    description="a desk phone",
    hardware="J179D02A",
    firmware="4.1.3.0.6",
    software="4.1.3.0.6",
    serial="19WZ17900002",
    maker="Avaya",
    model="J179",
)


def test_a_unit_of_scapys_is_read() -> None:
    assert read_unit(by_scapy(), "Gi1/0/2") == (EXPECTED, 120)


def test_a_chassis_may_be_named_by_its_mac_address() -> None:
    seen = read_unit(by_scapy(subtype=4, id="02:00:00:00:00:01"), "1")
    assert seen is not None
    assert (seen[0].mac, seen[0].address) == ("02:00:00:00:00:01", None)


def test_what_the_virtual_phone_announces_is_read() -> None:
    seen = read_unit(announcement(PHONE, bytes((192, 0, 2, 102))), "p1.2")
    assert seen is not None
    neighbour, ttl = seen
    assert ttl == 120
    assert (neighbour.mac, neighbour.address, neighbour.name) == (MAC, "192.0.2.102", "AVX830179")
    told = (neighbour.hardware, neighbour.software, neighbour.serial, neighbour.maker, neighbour.model)
    assert told == ("J179D02A", "4.1.3.0.6", "19WZ17900002", "Avaya", "J179")


def test_what_the_switch_announces_is_read_by_scapy() -> None:
    data = unit(bytes((CHASSIS_MAC,)) + bytes(6), bytes((PORT_NAME,)) + b"p1.2", tlv(NAME, b"virtual-switch"))
    read = lldp.LLDPDU(data)
    assert read[lldp.LLDPDUPortID].id == b"p1.2"
    assert read[lldp.LLDPDUSystemName].system_name == b"virtual-switch"
    assert read[lldp.LLDPDUTimeToLive].ttl == 120


@pytest.mark.parametrize("cut", range(len(by_scapy())))
def test_a_unit_that_is_cut_is_never_an_error(cut: int) -> None:
    seen = read_unit(by_scapy()[:cut], "1")
    if seen is not None:
        for name in ("name", "serial", "model", "software"):
            assert getattr(seen[0], name) in (None, getattr(EXPECTED, name))


@given(st.binary(max_size=600))
def test_whatever_strangers_send_is_never_an_error(data: bytes) -> None:
    seen = read_unit(data, "1")
    assert seen is None or seen[0].port == "1"


@given(st.lists(st.tuples(st.integers(4, 127), st.binary(max_size=511)), max_size=200))
def test_any_tlvs_behind_the_first_three_are_borne(others: list[tuple[int, bytes]]) -> None:
    data = unit(b"\x07x", b"\x07y", *(tlv(*other) for other in others))
    seen = read_unit(data, "1")
    assert seen is not None
    assert all(letter.isprintable() for letter in str(seen[0].name))


def test_what_would_disturb_a_terminal_is_left_out() -> None:
    serial = tlv(ORGANISATION, MED + b"\x08" + b"19\x1b[2JWZ\r\n1")
    seen = read_unit(unit(b"\x07x", b"\x07y", serial), "1")
    assert seen is not None
    assert seen[0].serial == "19[2JWZ1"
