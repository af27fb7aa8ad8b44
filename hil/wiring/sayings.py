"""What a phone says of itself, by each way in which it says so: LLDP, HTTP User-Agent, SNMP.

Nothing here asks anybody: the words come from readers and servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hil.bench.tables import Neighbour

_AGENT = re.compile(r"AVAYA/(?P<model>J1\d\d)\w*-(?P<firmware>\d{1,4}(?:\.\d{1,4}){1,5})(?:.*?\(MAC:(?P<mac>[0-9A-Fa-f]{12})\))?")
_RELEASE = re.compile(r"\d{1,4}(?:[._]\d{1,4}){2,5}")


class Way(StrEnum):
    """How a phone said something of itself."""

    LLDP = "LLDP"
    HTTP = "HTTP"
    SNMP = "SNMP"


@dataclass(frozen=True)
class Said:
    """What a phone said by one way; `where` says through what, such as a port of the switch. None: not said.

    `mac` has lower case and colons; `firmware` is a release such as `4.1.3.0.6`.
    """

    way: Way
    where: str
    mac: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None


def by_lldp(neighbour: Neighbour, where: str | None = None) -> Said:
    """What the inventory of LLDP-MED says: hardware revision is the whole model, software revision a release or a file's name."""
    model = neighbour.hardware or neighbour.model
    firmware = release(neighbour.software) or release(neighbour.firmware)
    return Said(
        Way.LLDP,
        where or (f"port {neighbour.port}" if neighbour.port else "the switch"),
        neighbour.mac,
        model,
        neighbour.serial,
        firmware,
    )


def by_http(user_agent: str, where: str) -> Said | None:
    """What the User-Agent of a phone's file requests says, None where it is no J100's.

    Its form is known from public servers alone (docs/sources.md).
    """
    found = _AGENT.search(user_agent)
    if found is None:
        return None
    mac = bytes.fromhex(found["mac"]).hex(":") if found["mac"] else None
    return Said(Way.HTTP, where, mac, found["model"], None, found["firmware"])


def release(text: str | None) -> str | None:
    """The release in a version or in the name of a firmware file, such as `4.1.11.0.9` in `FW_S_J179_R4_1_11_0_9.bin`."""
    found = _RELEASE.search(text or "")
    return found[0].replace("_", ".") if found else None
