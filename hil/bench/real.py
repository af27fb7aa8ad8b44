"""A bench of real phones: the PC's own interface, a switch with PoE, a mirror port. No namespaces."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.bench.claim import Use
from hil.bench.outlets import Outlets
from hil.bench.power import PowerPort
from hil.bench.power.journal import PortOff
from hil.bench.tables import Tables
from hil.bench.testbed import Testbed
from hil.clock import ScaledClock
from hil.errors import Misuse


class RealBench:
    """A `Bench` whose phones hang on a switch; phone time is real time."""

    def __init__(self, testbed: Testbed, use: Use | None = None) -> None:
        self.testbed = testbed
        self.clock = ScaledClock()
        self._outlets = Outlets(testbed, use)

    def clock_of(self, _phone: str) -> ScaledClock:
        return self.clock

    @property
    def state(self) -> Path:
        return self._outlets.state

    @property
    def capture_interface(self) -> str:
        return self.testbed.network.interface

    def open(self) -> None:
        check_network(self.testbed)
        self._outlets.take()
        try:
            self._outlets.connect()
        except BaseException:
            self._outlets.close()
            raise

    def close(self) -> None:
        self._outlets.close()

    def power(self, phone: str) -> PowerPort:
        return self._outlets.port(phone)

    def tables(self) -> Tables:
        return self._outlets.tables()

    def recover(self) -> tuple[PortOff, ...]:
        return self._outlets.recover()

    def require_8021x(self, phone: str, required: bool) -> None:
        """A real switch asks by its own configuration, always or never."""
        if required and not self.testbed.asks_8021x(self.testbed.phone(phone)):
            problem = f"the port of {phone} asks for no 802.1X"
            raise Misuse(problem, file=self.testbed.source, key="phones.authenticates", remedy="see docs/8021x.md")

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def check_network(testbed: Testbed) -> None:
    """`Misuse` where this PC has not the interface or the address that the testbed says."""
    network, file = testbed.network, testbed.source
    names = [name for _, name in socket.if_nameindex()]
    if network.interface not in names:
        remedy = "this PC has " + ", ".join(names)
        raise Misuse(f"no interface {network.interface!r}", file=file, key="network.interface", remedy=remedy)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(network.address), 0))
        except OSError as error:
            remedy = f"ip address add {network.address}/{network.prefix} dev {network.interface}"
            raise Misuse(
                f"{network.address} is not an address of this PC", file=file, key="network.address", remedy=remedy
            ) from error
