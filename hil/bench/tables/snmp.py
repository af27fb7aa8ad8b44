"""The tables of a switch by SNMP: one walk for each column."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from hil.bench.power import Wiring
from hil.bench.power.readback import Refusal
from hil.bench.power.snmp import SnmpSettings, snmp_session
from hil.bench.tables import Tables
from hil.bench.tables.mibs import COLUMNS, tables

_SLOWEST = 3.0
"""Real seconds at least for one answer: rows of a table take a switch longer than the state of one port."""


class SnmpTables:
    """A `TableReader` over SNMP; what it meets on the wire is a `Trouble`."""

    def __init__(self, settings: SnmpSettings, wiring: Wiring) -> None:
        self._session = snmp_session(settings, wiring, timeout=max(settings.timeout, _SLOWEST))

    def read(self, _macs: Collection[str]) -> Tables:
        columns, refused = {}, []
        for name, oid in COLUMNS.items():
            try:
                columns[name] = self._session.walk(oid)
            except Refusal as refusal:  # a view that ends before this table: the others may still tell enough
                columns[name] = {}
                refused.append(f"{oid} refused: {refusal}")
        found = tables(columns)
        return replace(found, gaps=(*found.gaps, *refused))

    def close(self) -> None:
        self._session.close()
