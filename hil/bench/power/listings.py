"""How switches of each house list their LLDP neighbours and the stations that they have seen, as data.

A listing is two commands and patterns for what they say. Where a house does not show the inventory of LLDP-MED there is no
pattern for it: model and serial number then come from elsewhere. docs/wiring.md shows how to write one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hil.bench.strict import Strict

Told = Literal["mac", "address", "name", "description", "hardware", "firmware", "software", "serial", "maker", "model"]


class Listing(Strict):
    """What a kind of switch is asked where its neighbours and stations are."""

    neighbours: str = Field(
        description="command that shows LLDP neighbours and what they tell; {port} stands for each port our phones are seen on"
    )
    neighbour: str = Field(description="pattern of the line that begins a neighbour: group `port`")
    told: Annotated[Mapping[Told, str], Field(min_length=1)] = Field(
        description="what it shows of a neighbour: patterns with one group; of `mac`, the one of the port ID or the chassis ID"
    )
    stations: str = Field(description="command that shows the forwarding table")
    station: str = Field(description="pattern of a row of it: groups `mac` and `port`")

    @field_validator("neighbour", "station")
    @classmethod
    def _groups(cls, value: str) -> str:
        if "port" not in _compiled(value).groupindex:
            raise ValueError("has no group port")
        return value

    @field_validator("told")
    @classmethod
    def _one_group(cls, value: Mapping[Told, str]) -> Mapping[Told, str]:
        for name, pattern in value.items():
            if _compiled(pattern).groups != 1:
                raise ValueError(f"the pattern of {name} has not one group")
        return value


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no pattern: {error}") from None


def _after(label: str) -> str:
    """What stands behind a label and its colon, to the end of the line."""
    return rf"(?mi)^[ \t]*{label}[ \t]*:[ \t]*(\S.*?)[ \t]*$"


CISCO_IOS = Listing(
    neighbours="show lldp neighbors detail",
    neighbour=r"(?m)^Local Intf: *(?P<port>\S+)",
    told={
        "mac": r"(?mi)^(?:Port|Chassis) id: *((?:[0-9a-f]{4}\.){2}[0-9a-f]{4})",
        "address": r"(?mi)^Chassis id: *((?:\d+\.){3}\d+)",
        "name": _after("System Name"),
        "hardware": _after("H/W revision"),
        "firmware": _after("F/W revision"),
        "software": _after("S/W revision"),
        "serial": _after("Serial number"),
        "maker": _after("Manufacturer"),
        "model": _after("Model"),
    },
    stations="show mac address-table",
    station=r"(?m)^[ *]*\d+ +(?P<mac>(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}) +DYNAMIC +.*?(?P<port>[A-Z][A-Za-z]+[\d/.]+) *$",
)
"""Output as recorded of Catalyst switches with a telephone beside them (samples of ntc-templates, which netmiko brings)."""

ARUBAOS_SWITCH = Listing(
    neighbours="show lldp info remote-device {port}",
    neighbour=r"(?m)^ *Local Port *: *(?P<port>\S+)",
    told={
        "mac": r"(?mi)^ *(?:PortId|ChassisId) *: *((?:[0-9a-f]{2}[ :-]?){5}[0-9a-f]{2})",
        "address": r"(?mi)^ *ChassisId *: *((?:\d+\.){3}\d+)",
        "name": _after("SysName"),
        "description": _after("System Descr"),
    },
    stations="show mac-address",
    station=r"(?mi)^ *(?P<mac>[0-9a-f]{6}-[0-9a-f]{6}) +(?P<port>\S+)",
)
"""Output as recorded (samples of ntc-templates). Of LLDP-MED it shows class and power, and no inventory."""

ARUBA_CX = Listing(
    neighbours="show lldp neighbor-info detail",
    neighbour=r"(?m)^Port *: *(?P<port>\S+)",
    told={
        "mac": r"(?mi)^Neighbor (?:Port|Chassis)-ID *: *((?:[0-9a-f]{2}:){5}[0-9a-f]{2})",
        "address": r"(?mi)^Neighbor Chassis-ID *: *((?:\d+\.){3}\d+)",
        "name": _after("Neighbor (?:Chassis|System)-Name"),
        "description": _after("Neighbor (?:Chassis|System)-Description"),
    },
    stations="show mac-address-table",
    station=r"(?mi)^ *(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) +\d+ +\S+ +(?P<port>\S+)",
)
"""Output as recorded (samples of ntc-templates); no inventory is known to be shown."""

JUNOS = Listing(
    neighbours="show lldp neighbors interface {port}",
    neighbour=r"(?m)^Local Interface *: *(?P<port>[^\s.]+)",
    told={
        "mac": r"(?mi)^(?:Port|Chassis) ID *: *((?:[0-9a-f]{2}:){5}[0-9a-f]{2})",
        "address": r"(?mi)^Chassis ID *: *((?:\d+\.){3}\d+)",
        "name": _after("System name"),
        "hardware": _after("MED Hardware revision"),
        "firmware": _after("MED Firmware revision"),
        "software": _after("MED Software revision"),
        "serial": _after("MED Serial number"),
        "maker": _after("MED Manufacturer name"),
        "model": _after("MED Model name"),
    },
    stations="show ethernet-switching table",
    station=r"(?mi)(?P<mac>(?:[0-9a-f]{2}:){5}[0-9a-f]{2}) +\S+ +\S+ +(?P<port>[a-z]{2}-\d+/\d+/\d+)",
)
"""The forwarding table as recorded (samples of ntc-templates); the words for the inventory from experience."""

EXTREME_ERS = Listing(
    neighbours="show lldp neighbor detail",
    neighbour=r"(?m)^ *Port: *(?P<port>\d+(?:/\d+)?)",
    told={
        "mac": r"(?mi)^\s*(?:PortId|ChassisId):[^\n]*?((?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2})",
        "address": r"(?mi)^\s*ChassisId:[^\n]*?((?:\d+\.){3}\d+)",
        "name": _after("SysName"),
        "hardware": _after("HWRev"),
        "firmware": _after("FWRev"),
        "software": _after("SWRev"),
        "serial": _after("SerialNumber"),
        "maker": _after("ManufName"),
        "model": _after("ModelName"),
    },
    stations="show mac-address-table",
    station=r"(?mi)^ *(?P<mac>(?:[0-9a-f]{2}-){5}[0-9a-f]{2}) +\d+ +\S+ +(?:Port: *)?(?P<port>\d+(?:/\d+)?)",
)
"""The forwarding table as recorded (samples of ntc-templates); the neighbours from experience."""

MIKROTIK = Listing(
    neighbours="/ip neighbor print detail",
    neighbour=r"(?m)^ *\d+ +interface=(?P<port>[^\s,]+)",
    told={
        "mac": r"mac-address=((?:[0-9A-F]{2}:){5}[0-9A-F]{2})",
        "address": r"address4?=((?:\d+\.){3}\d+)",
        "name": r'identity="([^"]+)"',
        "description": r'system-description="([^"]+)"',
    },
    stations="/interface bridge host print terse",
    station=r"(?m)^ *\d+ +(?!\S*L)\S* *mac-address=(?P<mac>(?:[0-9A-F]{2}:){5}[0-9A-F]{2})\b.*?\b(?:on-)?interface=(?P<port>\S+)",
)
"""Output as recorded (samples of ntc-templates); RouterOS shows no inventory of LLDP-MED."""
