"""How the tables of a testbed's switch are read: by the way that reaches it, one reader at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hil.bench.power import PowerSettings, Wiring
from hil.bench.power.cli import SerialSettings, SshSettings, dialect_of, turn_name
from hil.bench.power.readback import Trouble
from hil.bench.power.snmp import SnmpSettings
from hil.bench.power.turn import Turn
from hil.bench.tables import TableReader, Tables
from hil.bench.tables.cli import CliTables
from hil.bench.tables.snmp import SnmpTables
from hil.errors import Misuse

_PATIENCE = 120.0
"""Real seconds that others may take at the switch."""


class SwitchTables:
    """The tables of one switch, read when it is our turn; faults name bench and switch."""

    def __init__(self, reader: TableReader, name: str, wiring: Wiring, bench: str) -> None:
        self._reader = reader
        self._name = name
        self._bench = bench
        self._turn = Turn(wiring.turns, name, wiring.clock, _PATIENCE)

    def read(self, macs: Collection[str]) -> Tables:
        """The tables now; `PowerFault` where the switch cannot be asked."""
        try:
            with self._turn.taken():
                return self._reader.read(macs)
        except Trouble as trouble:
            tried = "read its LLDP neighbours and forwarding table"
            raise trouble.fault(trouble.problem, bench=self._bench, port=self._name, tried=tried, seen=str(trouble)) from trouble

    def close(self) -> None:
        """Let go of sockets and threads."""
        self._reader.close()


def can_tell(settings: PowerSettings) -> bool:
    """Whether `settings` reach a switch whose tables can be read."""
    if isinstance(settings, SshSettings | SerialSettings):
        return dialect_of(settings).listing is not None
    return isinstance(settings, SnmpSettings)


def reader_of(settings: PowerSettings, wiring: Wiring, bench: str) -> SwitchTables:
    """What reads the tables of the switch that `settings` reach; `Misuse` where they reach none."""
    make: Callable[[], TableReader]
    match settings:
        case SnmpSettings():
            name, make = settings.address, lambda: SnmpTables(settings, wiring)
        case SshSettings() | SerialSettings():
            name, make = turn_name(settings, wiring), lambda: CliTables(settings, wiring)
        case _:
            problem = f"power by {settings.kind} reaches no switch that could tell where the phones hang"
            raise Misuse(problem, file=wiring.file, key="switch", remedy="say how the switch is asked; see docs/wiring.md")
    return SwitchTables(make(), name, wiring, bench)
