"""The virtual switch: `python -m hil.virtual.switch CONFIG.json`, a process in a network of its own.

A bridge that learns nothing floods each frame to every port, so the PC's port sees all that the
phones say, as a mirror port would. Between it and each phone stands a bridge of that port alone, which
learns: what the kernel knows there is the switch's forwarding table. It is managed by net-snmp's snmpd
or by a command line. What was set on each port is in `nvram.json` and outlives the process. It is the
init of a pid namespace, so that nothing it started can outlive it. Commands come as JSON lines on standard
input, replies go to standard output; when standard input ends, so does the switch, and all with it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hil.errors import LabFault
from hil.virtual import poe_mib, tables_mib
from hil.virtual.agent import Agent, SnmpAgent
from hil.virtual.authenticator import Authenticator, RadiusConfig
from hil.virtual.command_agent import CommandAgent, CommandLineConfig
from hil.virtual.lldp import LldpPort
from hil.virtual.mib_agent import SOCKET
from hil.virtual.namespaces import enter_fresh_network, ip, pid_outside, program
from hil.virtual.port import Port, PortConfig

_CHASSIS = bytes.fromhex("024a31303000")
_AGEING = 300
"""Seconds for which an address stays learned, as IEEE 802.1D recommends."""
_FIRST_INTERFACE, _FIRST_LLDP_PORT = 10_100, 500
_HELD_FOR = 400
"""Hundredths of a second that a port listens, and again learns: the least that IEEE 802.1D allows."""
_LOOKED_UP_FOR = 0.2
"""Real seconds."""


class Misbehaviour(StrEnum):
    """How the switch can be wrong, for tests of those who rely on it."""

    NONE = "none"
    REFUSE = "refuse"  # every SET is answered notWritable
    IGNORE = "ignore"  # SETs are answered well and not applied
    STUCK = "stuck"  # the setting changes, the power does not follow
    SILENT = "silent"  # requests are read and never answered
    MUTE = "mute"  # it announces itself to nobody, so phones stay silent too; from the next power on
    HALF = "half"  # it tells nothing of LLDP-MED, and keeps its forwarding table to itself
    HOLD = "hold"  # spanning tree listens and learns before a port forwards, and nothing tells how it is set
    OBSCURE = "obscure"  # its LLDP ports have numbers of the vendor's own, and only their description names them


@dataclass(frozen=True)
class SwitchConfig:
    """What the process is told; `pc` is the process in whose network the PC's end of the cable belongs.

    It has an `address` where it is managed over the network or asks a RADIUS server. It is managed by SNMP or by a command line.
    """

    folder: str
    pc: int
    interface: str
    address: str | None
    prefix: int
    snmp_port: int | None
    community_file: str
    ports: tuple[PortConfig, ...]
    command_line: CommandLineConfig | None = None
    radius: RadiusConfig | None = None
    lldp_interval: float = 30.0
    """Real seconds."""

    def to_json(self) -> str:
        """The text of CONFIG.json."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> SwitchConfig:
        """The configuration that `to_json` wrote."""
        raw = json.loads(text)
        ports = tuple(PortConfig(**{**port, "program": tuple(port["program"])}) for port in raw.pop("ports"))
        command_line, radius = raw.pop("command_line"), raw.pop("radius")
        return cls(
            **raw,
            ports=ports,
            command_line=command_line and CommandLineConfig.from_json(command_line),
            radius=radius and RadiusConfig(**radius),
        )


class Switch:
    """Ports, bridge and agent; everything runs on one thread, since namespaces belong to threads."""

    def __init__(self, config: SwitchConfig) -> None:
        self._config = config
        self._nvram = Path(config.folder) / "nvram.json"
        self._agent = _agent(config)
        self._misbehaviour = Misbehaviour.NONE
        self._told: tuple[float, Mapping[tables_mib.Oid, tables_mib.Typed], Sequence[tables_mib.Oid]] | None = None
        off, guarded = (self._remembered(what) for what in ("off", "guarded"))
        self._ports = {
            port.index: Port(
                port,
                admin=_mark(port) not in off,
                guarded=_mark(port) in guarded,
                changed=self._remember,
                listen=self._listen,
                post=self._post if config.radius else None,
            )
            for port in config.ports
        }

    async def run(self) -> None:
        """Work until standard input ends or SIGTERM comes."""
        self._build()
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        relay = await asyncio.start_unix_server(self._serve_agent, path=SOCKET)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(port.follow()) for port in self._ports.values()]
            await self._agent.start()
            for port in self._ports.values():
                await port.at_rest()
            running.append(tasks.create_task(self._obey(ended)))
            await ended.wait()
            relay.close()
            await self._agent.stop()
            for task in running:
                task.cancel()
        for port in self._ports.values():
            await port.stop()

    def _build(self) -> None:
        config = self._config
        enter_fresh_network()
        own = [f"address add {config.address}/{config.prefix} dev br0"] if config.address else []
        ip(
            # an address of its own: else the bridge takes one of its ports' and changes it as phones come and go
            "link add br0 address 02:4a:31:30:30:00 type bridge ageing_time 0 mcast_snooping 0",
            *own,
            "link set br0 up",
            f"link add pc type veth peer name {config.interface} netns /proc/{config.pc}/ns/net",
            "link set pc master br0 up gso_max_segs 1",
            *(command for port in config.ports for command in _bridge_of(port)),
        )

    async def _obey(self, ended: asyncio.Event) -> None:
        """Carry out the commands of the process that opened the bench."""
        commands: Mapping[str, Callable[[Any], Awaitable[object]]] = {
            "misbehave": self._misbehave,
            "agent": self._start_or_stop_agent,
            "pids": self._pids,
            "guard": self._guard,
        }
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        _say({"ready": True})
        while line := await reader.readline():
            ((name, value),) = json.loads(line).items()
            _say({name: await commands[name](value)})
        ended.set()

    async def _misbehave(self, value: str) -> str:
        self._misbehaviour = Misbehaviour(value)
        self._told = None
        held = self._misbehaviour is Misbehaviour.HOLD
        ip(
            *(
                f"link set {port.config.bridge} type bridge stp_state {held:d} forward_delay {_HELD_FOR}"
                for port in self._ports.values()
            )
        )
        for port in self._ports.values():
            port.stuck = self._misbehaviour is Misbehaviour.STUCK
            port.wake()
        return self._misbehaviour.value

    async def _guard(self, value: tuple[str, bool]) -> str | None:
        phone, on = value
        return next(port for port in self._ports.values() if port.config.phone == phone).guard(on)

    def _listen(self, link: str) -> LldpPort:
        lldp = LldpPort(link, link, _CHASSIS, interval=self._config.lldp_interval)
        if self._misbehaviour is not Misbehaviour.MUTE:
            lldp.announce()
        return lldp

    def _post(self, link: str, decided: Callable[[bool], None], failed: Callable[[str], None]) -> Authenticator:
        config = self._config
        assert config.radius is not None
        assert config.address is not None
        return Authenticator(link, config.radius, config.address, Path(config.folder), decided=decided, failed=failed)

    async def _start_or_stop_agent(self, value: str) -> None:
        await self._agent.stop()
        if value == "start":
            await self._agent.start()
        return

    async def _pids(self, _: object) -> dict[str, int | None]:
        pids = {port.config.phone: port.pid for port in self._ports.values()} | {self._agent.name: self._agent.pid}
        return {name: pid and pid_outside(pid) for name, pid in pids.items()}

    async def _serve_agent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one `mib_agent`; fields of a request and lines of an answer are separated by tabs."""
        while line := (await reader.readline()).decode().rstrip("\n"):
            if self._misbehaviour is Misbehaviour.SILENT:
                continue
            writer.write(("\t".join(self._answer(line.split("\t"))) + "\n").encode())
            await writer.drain()
        writer.close()

    def _answer(self, request: list[str]) -> tuple[str, ...]:
        if not request[1].startswith("." + ".".join(map(str, poe_mib.ROOT))):
            return tables_mib.answer(*self._tables(), request)
        if request[0] == "set" and self._misbehaviour is Misbehaviour.REFUSE:
            return ("not-writable",)
        if request[0] == "set" and self._misbehaviour is Misbehaviour.IGNORE:
            return ("DONE",)
        return poe_mib.answer(self._ports, request)

    def _tables(self) -> tuple[Mapping[tables_mib.Oid, tables_mib.Typed], Sequence[tables_mib.Oid]]:
        """What management is told of the ports, looked up anew some times in a second."""
        now = time.monotonic()
        if self._told is None or now > self._told[0]:
            half, obscure = self._misbehaviour is Misbehaviour.HALF, self._misbehaviour is Misbehaviour.OBSCURE
            hold = self._misbehaviour is Misbehaviour.HOLD
            learned, spanning = _learned(), _spanning()
            ports = [
                tables_mib.SwitchPort(
                    name=port.config.link,
                    interface=_FIRST_INTERFACE + number,
                    bridge=number,
                    lldp=_FIRST_LLDP_PORT + number,
                    up=port.pid is not None,
                    neighbours=port.neighbours,
                    stations=tuple(learned.get(port.config.link, ())),
                    spanning=spanning.get(port.config.link, "disabled"),
                    edge=None if hold else True,
                )
                for number, port in enumerate(self._ports.values(), 1)
            ]
            told = tables_mib.values(ports, inventory=not half, forwarding=not half, described=obscure)
            self._told = now + _LOOKED_UP_FOR, told, sorted(told)
        return self._told[1:]

    def _remembered(self, what: str) -> frozenset[str]:
        return frozenset(json.loads(self._nvram.read_text()).get(what, ())) if self._nvram.exists() else frozenset()

    def _remember(self) -> None:
        ports = self._ports.values()
        off = [_mark(port.config) for port in ports if not port.admin]
        guarded = [_mark(port.config) for port in ports if port.guarded]
        draft = self._nvram.with_suffix(".new")
        draft.write_text(json.dumps({"off": off, "guarded": guarded}))
        draft.replace(self._nvram)


def _agent(config: SwitchConfig) -> Agent:
    folder = Path(config.folder)
    if config.command_line is not None:
        return CommandAgent(folder, config.command_line)
    assert config.address is not None
    assert config.snmp_port is not None
    community = Path(config.community_file).read_text().strip()
    return SnmpAgent(folder, config.address, config.snmp_port, community, (poe_mib.ROOT, *tables_mib.ROOTS))


def _bridge_of(port: PortConfig) -> tuple[str, ...]:
    """Commands that make the port's own bridge and join it to the switch's."""
    here, there = port.uplink
    return (
        f"link add {port.bridge} type bridge ageing_time {_AGEING * 100} mcast_snooping 0",
        f"link add {here} type veth peer name {there}",
        f"link set {here} master {port.bridge} up gso_max_segs 1",
        f"link set {there} master br0 up gso_max_segs 1",
        f"link set {port.bridge} up",
    )


def _spanning() -> Mapping[str, str]:
    """What spanning tree does with each port of the kernel's bridges."""
    shown = subprocess.run([program("bridge"), "-json", "link", "show"], capture_output=True, timeout=10, check=True).stdout
    return {entry["ifname"]: entry["state"] for entry in json.loads(shown or b"[]")}


def _learned() -> Mapping[str, list[str]]:
    """MAC addresses that the kernel's bridges have learned, by the interface they are behind."""
    shown = subprocess.run([program("bridge"), "-json", "fdb", "show"], capture_output=True, timeout=10, check=True).stdout
    found: dict[str, list[str]] = {}
    for entry in json.loads(shown or b"[]"):
        if entry.get("state") != "permanent":  # those are the bridge's own
            found.setdefault(entry["ifname"], []).append(entry["mac"])
    return found


def _mark(port: PortConfig) -> str:
    """By what the switch remembers a port."""
    return f"{port.group}.{port.port}"


def _say(reply: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the switch that the file named by the first argument describes."""
    config = SwitchConfig.from_json(Path(sys.argv[1]).read_text())
    try:
        asyncio.run(Switch(config).run())
    except* LabFault as faults:
        sys.exit("; ".join(str(fault) for fault in faults.exceptions))


if __name__ == "__main__":
    main()
