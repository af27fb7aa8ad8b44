"""Which release a phone says that it runs while it asks for no files: by the switch's LLDP table, and by SNMP."""

from __future__ import annotations

from hil.bench.bench import Bench
from hil.bench.tables import Tables
from hil.bench.tables.reading import can_tell
from hil.bench.testbed import Phone
from hil.identity import Firmware
from hil.wiring.sayings import Way
from hil.wiring.verifying import seated


def announces(bench: Bench, phone: Phone, release: Firmware) -> Way | None:
    """How the phone tells that it runs `release`, None where it does not.

    That it runs another one is not told: a switch has what a phone announced for two minutes after its end.
    """
    testbed = bench.testbed
    tables = bench.tables() if can_tell(testbed.switch or testbed.power) else Tables()
    for said in seated(bench, phone, tables).said:
        if said.way is not Way.HTTP and said.firmware and Firmware(said.firmware) == release:
            return said.way
    return None
