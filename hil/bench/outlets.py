"""What every kind of bench has alike: a state folder, a lease, and journalled outlets."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hil.bench.claim import Claim, Use, key_of
from hil.bench.power import PowerPort, PowerSwitch, Wiring
from hil.bench.power.journal import Journal, JournaledPort, PortOff, recover
from hil.bench.power.ways import find_way
from hil.bench.state import make_private, state_folder, state_root
from hil.bench.tables import Tables
from hil.bench.tables.reading import SwitchTables, reader_of
from hil.bench.testbed import Testbed
from hil.bench.upgrading import GuardedPort, UpgradeBook
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.secret import Secret


class Outlets:
    """The outlets of a testbed's phones; those that `use` (None: all) names are held, by one process at a time."""

    def __init__(self, testbed: Testbed, use: Use | None = None) -> None:
        self._testbed = testbed
        self.state = state_folder(testbed.name)
        self._claim = Claim(testbed, use or Use())
        self._journal = Journal(self.state / "power-journal.json", testbed.name)
        self._switch: PowerSwitch | None = None
        self._wiring: Wiring | None = None
        self._reader: SwitchTables | None = None
        self._reading = threading.Lock()
        self._ports: dict[str, HeldPort] = {}

    def take(self) -> None:
        """Take what is used; `LabFault` naming the holder if somebody has a part of it."""
        make_private(self.state)
        self._claim.take()

    def connect(self, *, word: Secret | None = None, folder: Path | None = None) -> None:
        """Connect to the switch.

        A bench with a switch of its own brings its `word`, and the `folder` of what else is needed to reach it. Starts a thread.
        """
        self._claim.beat()
        testbed = self._testbed
        wiring = self._wiring = Wiring(
            clock=ScaledClock(),
            off_time=testbed.times.off_time,
            folder=str(folder or testbed.file.parent),
            file=testbed.source,
            turns=make_private(state_root() / "turns"),
            word=word,
        )
        self._switch = find_way(testbed.power.kind, file=testbed.source).connect(testbed.power, wiring)
        for phone in testbed.phones:
            port = self._switch.port(phone.power, bench=testbed.name, phone=phone.name)
            journaled = JournaledPort(port, self._journal, phone.name)
            guarded = GuardedPort(journaled, UpgradeBook(state_root()), key_of(testbed, phone))
            self._ports[phone.name] = HeldPort(guarded, functools.partial(self._claim.check, phone, port.label))

    def close(self) -> None:
        """Let go of the switch, then of the claim."""
        switch, self._switch = self._switch, None
        reader, self._reader = self._reader, None
        self._ports.clear()
        try:
            for each in (reader, switch):
                if each is not None:
                    each.close()
        finally:
            self._claim.release()

    def port(self, phone: str) -> PowerPort:
        """Outlet of the phone of that name."""
        if self._switch is None:
            raise Misuse(f"bench {self._testbed.name} is not open", key="power", remedy="open it first")
        return self._ports[self._testbed.phone(phone).name]

    def tables(self) -> Tables:
        """What the switch says of its ports; `PowerFault` where it cannot be asked, `Misuse` where no switch is named."""
        testbed = self._testbed
        if self._switch is None or self._wiring is None:
            raise Misuse(f"bench {testbed.name} is not open", key="switch", remedy="open it first")
        with self._reading:
            if self._reader is None:
                wiring = replace(self._wiring, key="switch" if testbed.switch else "power")
                self._reader = reader_of(testbed.switch or testbed.power, wiring, testbed.name)
        return self._reader.read([phone.mac for phone in testbed.phones])

    def recover(self) -> tuple[PortOff, ...]:
        """Power on what the journal names, but for phones that others hold: those see to them."""
        with self._claim.borrowing() as free:
            return recover(self._journal, self.port, free=free)


class HeldPort:
    """A `PowerPort` that asks `check` before each power action whether it is ours to switch."""

    def __init__(self, port: PowerPort, check: Callable[[], None]) -> None:
        self._port = port
        self._check = check

    @property
    def label(self) -> str:
        return self._port.label

    def on(self) -> None:
        self._check()
        self._port.on()

    def off(self) -> None:
        self._check()
        self._port.off()

    def delivering(self) -> bool:
        return self._port.delivering()

    def watts(self) -> float | None:
        return self._port.watts()
