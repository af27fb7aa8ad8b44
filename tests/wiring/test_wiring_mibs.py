"""Columns of LLDP-MIB, BRIDGE-MIB and IF-MIB put together, however a vendor numbers its ports and whatever it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hil.bench.tables import Neighbour, Spanning, Station, same_port
from hil.bench.tables.mibs import COLUMNS, tables

MAC, STRANGER = "c8:1f:ea:83:01:39", "02:00:00:00:00:99"
OCTETS, OTHER = tuple(bytes.fromhex(MAC.replace(":", ""))), (2, 0, 0, 0, 0, 0x99)
Rows = dict[tuple[int, ...], "int | bytes"]


def columns(**given: Rows) -> Mapping[str, Rows]:
    """Columns of which only these hold anything."""
    return {name: given.get(name, {}) for name in COLUMNS}


INTERFACES: dict[str, Rows] = {
    "interface_name": {(10101,): b"Gi1/0/1", (10102,): b"Gi1/0/2"},
    "interface_status": {(10101,): 1, (10102,): 2},
}
PHONE: dict[str, Rows] = {
    "chassis_subtype": {(77, 501, 3): 5},
    "chassis": {(77, 501, 3): b"\x01\xc0\x00\x02\x65"},
    "port_subtype": {(77, 501, 3): 3},
    "port": {(77, 501, 3): bytes(OCTETS)},
    "serial": {(77, 501, 3): b"21WZ13900001"},
    "software": {(77, 501, 3): b"FW_S_J139_R4_1_3_0_6.bin"},
}


@pytest.mark.parametrize(
    ("local", "port"),
    [
        ({"local_subtype": {(501,): 5}, "local_id": {(501,): b"Gi1/0/1"}}, "Gi1/0/1"),
        ({"local_subtype": {(501,): 7}, "local_id": {(501,): b"10101"}}, "Gi1/0/1"),
        ({"local_subtype": {(501,): 7}, "local_id": {(501,): b"0501"}, "local_description": {(501,): b"Gi1/0/2"}}, "Gi1/0/2"),
        ({"local_subtype": {(501,): 3}, "local_id": {(501,): b"\x00\x01"}, "local_description": {(501,): b"slot 1"}}, None),
        ({}, None),
        ({"fdb_port": {OCTETS: 2}, "bridge_interface": {(2,): 10102}}, "Gi1/0/2"),
        ({"interface_name": {}, "local_subtype": {(501,): 7}, "local_id": {(501,): b"slot 1"}}, "slot 1"),
        ({"interface_name": {(501,): b"Gi1/0/7"}}, "Gi1/0/7"),
    ],
    ids=["name", "ifIndex", "description", "no known name", "no name", "station", "no interfaces", "number"],
)
def test_an_lldp_port_is_named_as_people_name_it(local: dict[str, Rows], port: str | None) -> None:
    seen = tables(columns(**{**INTERFACES, **PHONE, **local}))
    assert seen.neighbours == (Neighbour(port, MAC, "192.0.2.101", serial="21WZ13900001", software="FW_S_J139_R4_1_3_0_6.bin"),)


def test_stations_go_from_bridge_port_to_interface_to_name() -> None:
    forwarding: dict[str, Rows] = {
        "bridge_interface": {(1,): 10101, (2,): 10102},
        "vlan_fdb_port": {(30, *OCTETS): 1, (30, *OTHER): 2, (30, 1, 2, 3, 4, 5, 6): 0},
        "vlan_fdb_status": {(30, *OCTETS): 3, (30, *OTHER): 3, (30, 1, 2, 3, 4, 5, 6): 3},
        "fdb_port": {OCTETS: 1, (9, 9, 9, 9, 9, 9): 2},
        "fdb_status": {OCTETS: 3, (9, 9, 9, 9, 9, 9): 4},  # the switch's own address
    }
    seen = tables(columns(**INTERFACES, **forwarding))
    assert seen.stations == (Station("Gi1/0/1", MAC), Station("Gi1/0/2", STRANGER))
    assert seen.linked == {"Gi1/0/1"}
    assert seen.ports_of(MAC) == {"Gi1/0/1"}


def test_what_a_switch_does_not_say_is_said_to_be_missing() -> None:
    empty = tables(columns())
    assert (empty.neighbours, empty.stations, empty.linked) == ((), (), None)
    assert [gap.split(" (")[0] for gap in empty.gaps] == [
        "no LLDP neighbours",
        "no forwarding table",
        "no names of interfaces",
    ]
    bare = {name: rows for name, rows in PHONE.items() if name not in ("serial", "software")}
    assert "no inventory of LLDP-MED (LLDP-EXT-MED-MIB)" in tables(columns(**bare)).gaps
    unnamed = tables(columns(fdb_port={OCTETS: 4}, bridge_interface={(4,): 12}))
    assert unnamed.stations == (Station("ifIndex 12", MAC),)
    assert tables(columns(fdb_port={OCTETS: 4})).stations == (Station("bridge port 4", MAC),)


def test_rows_of_another_shape_are_left_out() -> None:
    odd: dict[str, Rows] = {
        "chassis": {(1,): b"x", (77, 501, 3): 7},
        "port": {(77, 501, 3): b"short"},
        "port_subtype": {(77, 501, 3): 3},
        "fdb_port": {(1, 2): 3, (1, 2, 3, 4, 5, 999): 1},
    }
    seen = tables(columns(**odd))
    assert seen.neighbours == (Neighbour(None),)
    assert seen.stations == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Gi1/0/1", "GigabitEthernet1/0/1", True),
        ("Gi1/0/1", "Gi1/0/11", False),
        ("Gi1/0/1", "Te1/0/1", False),
        ("1/1", "1/1", True),
        ("ge-0/0/1", "ge-0/0/10", False),
    ],
)
def test_one_port_has_names_of_two_lengths(one: str, other: str, same: bool) -> None:
    assert same_port(one, other) is same


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"spanning_state": 5, "spanning_enabled": 1, "edge_set": 1, "edge_now": 2}, Spanning(True, True)),
        ({"spanning_state": 3, "spanning_enabled": 1, "edge_set": 2, "edge_now": 2}, Spanning(False, False)),
        ({"spanning_state": 5, "spanning_enabled": 1}, Spanning(True, None)),
        ({"spanning_state": 5, "spanning_enabled": 2, "edge_set": 2}, Spanning(True, True)),  # no spanning tree on that port
        ({"edge_set": 2, "edge_now": 1}, Spanning(None, True)),  # found out by the switch itself
    ],
)
def test_what_spanning_tree_does_is_told_by_the_ports_name(told: dict[str, int], expected: Spanning) -> None:
    rows: dict[str, Rows] = {name: {(2,): value} for name, value in told.items()}
    seen = tables(columns(**INTERFACES, **rows, bridge_interface={(2,): 10102})).spanning
    assert seen == {"Gi1/0/2": expected}
