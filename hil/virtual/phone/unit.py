"""The phone as a thing: what is printed on its label, and what it is called on the network."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Third character of the DHCP host name, by the first three octets of the MAC address.
_NAME_LETTER = {"00040d": "A", "001b4f": "B", "00096e": "E", "00601d": "L", "00073b": "T"}


@dataclass(frozen=True)
class Unit:
    """Model, Ethernet MAC address (any separators), serial number and SIP firmware (`4.1.3.0.6`) of one phone."""

    model: str
    mac: str
    serial: str
    firmware: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{12}", self.mac_digits):
            raise ValueError(f"{self.mac!r} is not a MAC address; for example c8:1f:ea:83:e8:5a")
        if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,5}", self.firmware):
            raise ValueError(f"{self.firmware!r} is not a firmware release; for example 4.1.3.0.6")
        if not re.fullmatch(r"J1\d\d\w*", self.model, re.ASCII) or not re.fullmatch(r"\w+", self.serial, re.ASCII):
            raise ValueError(f"{self.model!r} with serial number {self.serial!r} is no J100 phone")

    @property
    def mac_digits(self) -> str:
        """Twelve hexadecimal digits in lower case."""
        return re.sub(r"[:.-]", "", self.mac).lower()

    @property
    def release(self) -> tuple[int, ...]:
        """The firmware's numbers, to be compared with another release's."""
        return tuple(int(number) for number in self.firmware.split("."))

    @property
    def model4(self) -> str:
        """What `$MODEL4` stands for."""
        return self.model[:4]

    @property
    def host_name(self) -> str:
        """DHCP option 12: AV, a letter for the vendor prefix, the last three octets."""
        return f"AV{_NAME_LETTER.get(self.mac_digits[:6], 'X')}{self.mac_digits[6:].upper()}"

    @property
    def user_agent(self) -> str:
        """HTTP User-Agent of the provisioning requests."""
        return f"Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/{self.model4}-{self.firmware} (MAC:{self.mac_digits})"
