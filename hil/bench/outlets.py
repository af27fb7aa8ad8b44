"""What every kind of bench has alike: a state folder, a lease, and journalled outlets."""

from __future__ import annotations

from hil.bench.lease import Lease
from hil.bench.power import PowerPort, PowerSwitch, Wiring
from hil.bench.power.journal import Journal, JournaledPort, PortOff, recover
from hil.bench.power.ways import find_way
from hil.bench.state import make_private, state_folder
from hil.bench.testbed import Testbed
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.secret import Secret


class Outlets:
    """The outlets of a testbed's phones, held by one process at a time."""

    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self.state = state_folder(testbed.name)
        self._lease = Lease(self.state, testbed.name)
        self._journal = Journal(self.state / "power-journal.json", testbed.name)
        self._switch: PowerSwitch | None = None
        self._ports: dict[str, JournaledPort] = {}

    def take(self) -> None:
        """Take the lease; `LabFault` naming the holder if somebody has it."""
        make_private(self.state)
        self._lease.take()

    def connect(self, community: Secret | None = None) -> None:
        """Connect to the switch; `community` is what a bench brings that has a switch of its own."""
        testbed = self._testbed
        wiring = Wiring(ScaledClock(), testbed.times.off_time, str(testbed.file.parent), str(testbed.file), community)
        self._switch = find_way(testbed.power.kind, file=testbed.file).connect(testbed.power, wiring)
        for phone in testbed.phones:
            port = self._switch.port(phone.power, bench=testbed.name, phone=phone.name)
            self._ports[phone.name] = JournaledPort(port, self._journal, phone.name)

    def close(self) -> None:
        """Let go of the switch, then of the lease."""
        switch, self._switch = self._switch, None
        self._ports.clear()
        try:
            if switch is not None:
                switch.close()
        finally:
            self._lease.release()

    def port(self, phone: str) -> PowerPort:
        """Outlet of the phone of that name."""
        if self._switch is None:
            raise Misuse(f"bench {self._testbed.name} is not open", key="power", remedy="open it first")
        return self._ports[self._testbed.phone(phone).name]

    def recover(self) -> tuple[PortOff, ...]:
        """Power on what the journal names."""
        return recover(self._journal, self.port)
