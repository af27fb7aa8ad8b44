"""The tables as LLDP-MIB, LLDP-EXT-MED-MIB, BRIDGE-MIB, Q-BRIDGE-MIB and IF-MIB hold them, put together.

Four numberings meet here and need not agree: the LLDP port (lldpLocPortNum), the bridge port
(dot1dBasePort), the interface (ifIndex), and the name that people use (ifName). No I/O: a column is what a walk of it gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hil.bench.tables import Neighbour, Spanning, Station, Tables
from hil.bench.tables.lldpdu import address_of, mac_of, plain

Index = tuple[int, ...]
Column = Mapping[Index, "int | bytes"]
Columns = Mapping[str, Column]

_LLDP = "1.0.8802.1.1.2.1"
_MED = f"{_LLDP}.5.4795.1.3.3.1"

COLUMNS = {
    "chassis_subtype": f"{_LLDP}.4.1.1.4",
    "chassis": f"{_LLDP}.4.1.1.5",
    "port_subtype": f"{_LLDP}.4.1.1.6",
    "port": f"{_LLDP}.4.1.1.7",
    "name": f"{_LLDP}.4.1.1.9",
    "description": f"{_LLDP}.4.1.1.10",
    "hardware": f"{_MED}.1",
    "firmware": f"{_MED}.2",
    "software": f"{_MED}.3",
    "serial": f"{_MED}.4",
    "maker": f"{_MED}.5",
    "model": f"{_MED}.6",
    "local_subtype": f"{_LLDP}.3.7.1.2",
    "local_id": f"{_LLDP}.3.7.1.3",
    "local_description": f"{_LLDP}.3.7.1.4",
    "fdb_port": "1.3.6.1.2.1.17.4.3.1.2",
    "fdb_status": "1.3.6.1.2.1.17.4.3.1.3",
    "vlan_fdb_port": "1.3.6.1.2.1.17.7.1.2.2.1.2",
    "vlan_fdb_status": "1.3.6.1.2.1.17.7.1.2.2.1.3",
    "spanning_state": "1.3.6.1.2.1.17.2.15.1.3",
    "spanning_enabled": "1.3.6.1.2.1.17.2.15.1.4",
    "edge_set": "1.3.6.1.2.1.17.2.19.1.2",
    "edge_now": "1.3.6.1.2.1.17.2.19.1.3",
    "bridge_interface": "1.3.6.1.2.1.17.1.4.1.2",
    "interface_name": "1.3.6.1.2.1.31.1.1.1.1",
    "interface_description": "1.3.6.1.2.1.2.2.1.2",
    "interface_status": "1.3.6.1.2.1.2.2.1.8",
}
"""lldpRemTable and lldpLocPortTable (IEEE 802.1AB-2005, clause 12), lldpXMedRemInventoryTable (ANSI/TIA-1057, 13.3),
dot1dTpFdbTable, dot1dBasePortTable and dot1dStpPortTable (RFC 4188), dot1dStpExtPortTable (RFC 4318), dot1qTpFdbTable
(RFC 4363), ifXTable and ifTable (RFC 2863)."""

_TOLD = ("name", "description", "hardware", "firmware", "software", "serial", "maker", "model")
_INTERFACE_NAME, _LOCAL = 5, 7
_LEARNED = 3
_UP = 1
_FORWARDING, _ENABLED, _TRUE = 5, 1, 1


def tables(columns: Columns) -> Tables:
    """What the columns say; `gaps` names the tables that are empty."""
    names = interface_names(columns)
    stations = tuple(_stations(columns, names))
    neighbours = tuple(_placed(each, stations) for each in _neighbours(columns, names))
    status = columns["interface_status"]
    linked = frozenset(names.get(index, _unnamed(index)) for index, value in status.items() if value == _UP) if status else None
    return Tables(neighbours, stations, linked, tuple(_gaps(columns, neighbours, stations)), dict(_spanning(columns, names)))


def interface_names(columns: Columns) -> dict[Index, str]:
    """ifName, or ifDescr where a switch has none, by ifIndex."""
    known = {**columns["interface_description"], **{i: v for i, v in columns["interface_name"].items() if v}}
    texts = {index: plain(value) for index, value in known.items() if isinstance(value, bytes)}
    return {index: text for index, text in texts.items() if text}


def _neighbours(columns: Columns, names: Mapping[Index, str]) -> Iterator[Neighbour]:
    """A row's index is (time mark, LLDP port, remote index)."""
    for index in sorted({*columns["chassis"], *columns["port"]}):
        if len(index) != 3:
            continue
        chassis, port = (_identifier(columns, name, index) for name in ("chassis", "port"))
        told = {name: plain(value) for name in _TOLD if isinstance(value := columns[name].get(index), bytes)}
        yield Neighbour(_lldp_port(columns, names, index[1]), mac_of(chassis, port), address_of(chassis), **told)


def _identifier(columns: Columns, name: str, index: Index) -> bytes:
    subtype, value = columns[f"{name}_subtype"].get(index), columns[name].get(index)
    return bytes((subtype,)) + value if isinstance(subtype, int) and 0 <= subtype < 256 and isinstance(value, bytes) else b""


def _placed(neighbour: Neighbour, stations: tuple[Station, ...]) -> Neighbour:
    """A neighbour whose port has no name is where alone its frames were seen."""
    seen = {station.port for station in stations if station.mac == neighbour.mac}
    return replace(neighbour, port=seen.pop()) if neighbour.port is None and len(seen) == 1 else neighbour


def _lldp_port(columns: Columns, names: Mapping[Index, str], number: int) -> str | None:
    """The interface's name behind an LLDP port: by that port's ID or description, by its number only where both are silent.

    None where the switch names its interfaces and none of them can be told to be this one.
    """
    index = (number,)
    subtype = columns["local_subtype"].get(index)
    identifier, description = (
        plain(value) if isinstance(value := columns[name].get(index), bytes) else None
        for name in ("local_id", "local_description")
    )
    known = set(names.values())
    if identifier and (identifier in known or subtype == _INTERFACE_NAME):
        return identifier
    if description in known and description:
        return description
    if subtype == _LOCAL and identifier and identifier.isdecimal() and (int(identifier),) in names:
        return names[int(identifier),]
    if identifier is None and description is None and index in names:
        return names[index]
    return None if names else description or identifier


def _stations(columns: Columns, names: Mapping[Index, str]) -> Iterator[Station]:
    """Rows are indexed by the six octets of the address, those of Q-BRIDGE-MIB by VLAN or filtering database before."""
    seen = set()
    for name, before in (("fdb", 0), ("vlan_fdb", 1)):
        for index, bridge_port in columns[f"{name}_port"].items():
            octets = index[before:]
            status = columns[f"{name}_status"].get(index, _LEARNED)
            if len(octets) != 6 or max(octets) > 255 or status != _LEARNED or not bridge_port:  # port 0: not known where
                continue
            assert isinstance(bridge_port, int)
            interface = columns["bridge_interface"].get((bridge_port,))
            port = names.get((interface,), _unnamed((interface,))) if isinstance(interface, int) else f"bridge port {bridge_port}"
            seen.add(Station(port, bytes(octets).hex(":")))
    yield from sorted(seen, key=lambda each: (each.port, each.mac))


def _spanning(columns: Columns, names: Mapping[Index, str]) -> Iterator[tuple[str, Spanning]]:
    """By bridge port. A port without spanning tree forwards at once, whatever it is set to."""
    for bridge_port in sorted({*columns["spanning_state"], *columns["edge_set"], *columns["edge_now"]}):
        interface = columns["bridge_interface"].get(bridge_port)
        state, enabled = (columns[name].get(bridge_port) for name in ("spanning_state", "spanning_enabled"))
        edges = [value == _TRUE for name in ("edge_set", "edge_now") if (value := columns[name].get(bridge_port)) is not None]
        idle = enabled is not None and enabled != _ENABLED
        if isinstance(interface, int):
            forwards = None if state is None else state == _FORWARDING
            edge = True if idle else (any(edges) if edges else None)
            yield names.get((interface,), _unnamed((interface,))), Spanning(forwards, edge)


def _unnamed(index: Index) -> str:
    return f"ifIndex {index[0]}"


def _gaps(columns: Columns, neighbours: tuple[Neighbour, ...], stations: tuple[Station, ...]) -> Iterator[str]:
    if not neighbours:
        yield "no LLDP neighbours (LLDP-MIB)"
    elif not any(columns[name] for name in ("serial", "model", "software", "firmware")):
        yield "no inventory of LLDP-MED (LLDP-EXT-MED-MIB)"
    if any(each.port is None for each in neighbours):
        yield "no names of LLDP ports (lldpLocPortTable)"
    if not stations:
        yield "no forwarding table (BRIDGE-MIB, Q-BRIDGE-MIB)"
    if not columns["interface_name"] and not columns["interface_description"]:
        yield "no names of interfaces (IF-MIB)"
