"""Who a phone is, and how its identity is written where a setting names a macro.

The letter case of one macro differs by the place that uses it (facts of the J100 template of July
2022 and of the enhanced enrolment page; see docs/sources.md).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from enum import Enum

from hil.errors import Misuse

_MAC = re.compile(r"[0-9a-f]{12}")
_SERIAL = re.compile(r"[0-9A-Za-z]{1,32}")
_MODEL = re.compile(r"J1[0-9]{2}[0-9A-Z]{0,4}")


@dataclass(frozen=True)
class Identity:
    """Model (`J179` or `J179D02A`), Ethernet MAC (`c8:1f:ea:83:e8:5a`) and serial number of a phone."""

    model: str
    mac: str
    serial: str

    def __post_init__(self) -> None:
        if not _MODEL.fullmatch(self.model):
            raise Misuse(f"{self.model!r} is not a J100 model", key="model", remedy="for example J179")
        digits = re.sub(r"[:.-]", "", self.mac).lower()
        if not _MAC.fullmatch(digits):
            raise Misuse(f"{self.mac!r} is not a MAC address", key="mac", remedy="for example c8:1f:ea:83:e8:5a")
        if not _SERIAL.fullmatch(self.serial):
            raise Misuse(f"{self.serial!r} is not a serial number", key="serial", remedy="letters and digits only")
        object.__setattr__(self, "mac", ":".join(digits[i : i + 2] for i in range(0, 12, 2)))

    @property
    def model4(self) -> str:
        """First four characters of the model, what `$MODEL4` stands for."""
        return self.model[:4]

    @property
    def mac_digits(self) -> str:
        """MAC address in lower case without separators."""
        return self.mac.replace(":", "")


class MacroPlace(Enum):
    """A place whose settings expand macros, each with letter cases of its own."""

    CERTIFICATE = "MYCERTCN, SCEPPASSWORD"
    PKCS12URL = "PKCS12URL"
    DIRECTORY = "HTTPDIR, TLSDIR"
    DOT1X = "FORCE_DOT1XID, FORCE_DOT1XPSWD, FORCE_DOT1XID_TLS"
    FILE = "GET"


def macros(identity: Identity, place: MacroPlace) -> dict[str, str]:
    """Macros that `place` knows, with what each stands for on the phone `identity`."""
    mac, upper, serial = identity.mac_digits, identity.mac_digits.upper(), identity.serial
    match place:
        case MacroPlace.CERTIFICATE:
            return {"$MACADDR_UPPER": upper, "$MACADDR": mac, "$SERIALNO": serial.upper()}
        case MacroPlace.PKCS12URL:
            return {"$MACADDR": upper, "$SERIALNO": serial}
        case MacroPlace.DIRECTORY:
            return {"$MACADDR": upper, "$SERIALNO": serial.upper(), "$MODEL4": identity.model4}
        case MacroPlace.DOT1X:
            return {"$MACADDR": mac, "$SERIALNO_UPPER": serial.upper(), "$SERIALNO": serial.lower()}
        case MacroPlace.FILE:
            return {"$MACADDR": mac, "$MODEL4": identity.model4, "$MODEL": identity.model}


def expand(text: str, identity: Identity, place: MacroPlace) -> str:
    """`text` with every macro that `place` knows replaced, the longest name first; others stay as they are."""
    known = macros(identity, place)
    longest_first = sorted(known, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda match: known[match[0]], text)


@functools.total_ordering
@dataclass(frozen=True, eq=False)
class Firmware:
    """A SIP firmware release such as `4.1.3.0.6`, ordered by its numbers; missing ones count as zero."""

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,5}", self.text):
            raise Misuse(f"{self.text!r} is not a firmware release", key="firmware", remedy="for example 4.1.3.0.6")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The release's numbers, padded with zeros to six."""
        parts = [int(part) for part in self.text.split(".")]
        return tuple(parts + [0] * (6 - len(parts)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Firmware) and self.numbers == other.numbers

    def __lt__(self, other: Firmware) -> bool:
        return self.numbers < other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)

    def __str__(self) -> str:
        return self.text
