"""How a virtual switch lets its power be switched: in the way that the testbed's `power` names, and in no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.bench.power.cli import CliOutlet, CliSettings, SshSettings
from hil.bench.power.snmp import SnmpOutlet, SnmpSettings
from hil.bench.testbed import Testbed
from hil.errors import Misuse
from hil.virtual.command_agent import CommandLineConfig


@dataclass(frozen=True)
class Offer:
    """How the switch is managed, by SNMP or by a command line, and each phone's group and port; a console has no `address`."""

    address: str | None
    snmp_port: int | None
    command_line: CommandLineConfig | None
    ports: Mapping[str, tuple[int, int]]


def offer_of(testbed: Testbed, word_file: Path) -> Offer:
    """What the switch of this testbed offers; who has the word in `word_file` is let in.

    `Misuse` where a switch that exists only here cannot be switched in the way that is named.
    """
    power = testbed.power
    if isinstance(power, SnmpSettings):
        outlets = {phone.name: phone.power for phone in testbed.phones if isinstance(phone.power, SnmpOutlet)}
        ports = {name: (outlet.group, outlet.port) for name, outlet in outlets.items()}
        return Offer(power.address, power.port, None, ports)
    if not isinstance(power, CliSettings):
        problem = f"a virtual switch is not switched by {power.kind}"
        raise Misuse(problem, file=testbed.source, key="power.kind", remedy="use snmp, ssh or serial")
    if not isinstance(power.dialect, str):
        problem = "a virtual switch takes the commands of a house, not those of a description"
        raise Misuse(problem, file=testbed.source, key="power.dialect", remedy="name a dialect")
    ports = {phone.name: (1, number) for number, phone in enumerate(testbed.phones, start=1)}
    shown = {phone.power.port: ports[phone.name] for phone in testbed.phones if isinstance(phone.power, CliOutlet)}
    ssh = (power.address, power.port) if isinstance(power, SshSettings) else None
    command_line = CommandLineConfig(power.dialect, power.user, str(word_file), ssh, shown)
    return Offer(ssh[0] if ssh else _asking_radius(testbed), None, command_line, ports)


def _asking_radius(testbed: Testbed) -> str | None:
    """The address by which the RADIUS server knows a switch that is reached at its console alone."""
    radius = testbed.network.radius
    return str(radius.clients[0]) if radius else None
