"""The virtual switch: `python -m hil.virtual.switch CONFIG.json`, a process in a network of its own.

A bridge that learns nothing floods each frame to every port, so the PC's port sees all that the
phones say, as a mirror port would. Its management address is served by net-snmp's snmpd. The admin
state of each port is in `nvram.json` and outlives the process. It is the init of a pid namespace, so
that nothing it started can outlive it. Commands come as JSON lines on standard
input, replies go to standard output; when standard input ends, so does the switch, and all with it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hil.errors import LabFault
from hil.virtual import poe_mib
from hil.virtual.agent import Agent
from hil.virtual.namespaces import enter_fresh_network, ip, pid_outside
from hil.virtual.poe_agent import SOCKET
from hil.virtual.port import Port, PortConfig


class Misbehaviour(StrEnum):
    """How the switch can be wrong, for tests of those who rely on it."""

    NONE = "none"
    REFUSE = "refuse"  # every SET is answered notWritable
    IGNORE = "ignore"  # SETs are answered well and not applied
    STUCK = "stuck"  # the setting changes, the power does not follow
    SILENT = "silent"  # requests are read and never answered


@dataclass(frozen=True)
class SwitchConfig:
    """What the process is told; `pc` is the process in whose network the PC's end of the cable belongs."""

    folder: str
    pc: int
    interface: str
    address: str
    prefix: int
    snmp_port: int
    community_file: str
    ports: tuple[PortConfig, ...]

    def to_json(self) -> str:
        """The text of CONFIG.json."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> SwitchConfig:
        """The configuration that `to_json` wrote."""
        raw = json.loads(text)
        ports = tuple(PortConfig(**{**port, "program": tuple(port["program"])}) for port in raw.pop("ports"))
        return cls(**raw, ports=ports)


class Switch:
    """Ports, bridge and agent; everything runs on one thread, since namespaces belong to threads."""

    def __init__(self, config: SwitchConfig) -> None:
        self._config = config
        self._nvram = Path(config.folder) / "nvram.json"
        community = Path(config.community_file).read_text().strip()
        self._agent = Agent(Path(config.folder), config.address, config.snmp_port, community)
        self._misbehaviour = Misbehaviour.NONE
        off = self._ports_off()
        self._ports = {
            port.index: Port(port, admin=f"{port.group}.{port.port}" not in off, changed=self._remember) for port in config.ports
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
        ip(
            # an address of its own: else the bridge takes one of its ports' and changes it as phones come and go
            "link add br0 address 02:4a:31:30:30:00 type bridge ageing_time 0 mcast_snooping 0",
            f"address add {config.address}/{config.prefix} dev br0",
            "link set br0 up",
            f"link add pc type veth peer name {config.interface} netns /proc/{config.pc}/ns/net",
            "link set pc master br0 up gso_max_segs 1",
        )

    async def _obey(self, ended: asyncio.Event) -> None:
        """Carry out the commands of the process that opened the bench."""
        commands: Mapping[str, Callable[[Any], Awaitable[object]]] = {
            "misbehave": self._misbehave,
            "agent": self._start_or_stop_agent,
            "pids": self._pids,
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
        for port in self._ports.values():
            port.stuck = self._misbehaviour is Misbehaviour.STUCK
            port.wake()
        return self._misbehaviour.value

    async def _start_or_stop_agent(self, value: str) -> None:
        await self._agent.stop()
        if value == "start":
            await self._agent.start()
        return

    async def _pids(self, _: object) -> dict[str, int | None]:
        pids = {port.config.phone: port.pid for port in self._ports.values()} | {"snmpd": self._agent.pid}
        return {name: pid and pid_outside(pid) for name, pid in pids.items()}

    async def _serve_agent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one `poe_agent`; fields of a request and lines of an answer are separated by tabs."""
        while line := (await reader.readline()).decode().rstrip("\n"):
            if self._misbehaviour is Misbehaviour.SILENT:
                continue
            writer.write(("\t".join(self._answer(line.split("\t"))) + "\n").encode())
            await writer.drain()
        writer.close()

    def _answer(self, request: list[str]) -> tuple[str, ...]:
        if request[0] == "set" and self._misbehaviour is Misbehaviour.REFUSE:
            return ("not-writable",)
        if request[0] == "set" and self._misbehaviour is Misbehaviour.IGNORE:
            return ("DONE",)
        return poe_mib.answer(self._ports, request)

    def _ports_off(self) -> frozenset[str]:
        return frozenset(json.loads(self._nvram.read_text())["off"]) if self._nvram.exists() else frozenset()

    def _remember(self) -> None:
        off = [f"{group}.{port}" for (group, port), state in self._ports.items() if not state.admin]
        draft = self._nvram.with_suffix(".new")
        draft.write_text(json.dumps({"off": off}))
        draft.replace(self._nvram)


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
