"""What the virtual switch is managed by: a program that listens, such as net-snmp's snmpd."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hil.errors import LabFault
from hil.virtual.namespaces import pid_outside, program
from hil.virtual.port import ended

USER = "hil"
"""The switch's user of SNMPv3; community and both passphrases are one word."""

_UP_WITHIN = 15.0


class Agent(ABC):
    """A program with its configuration, log and state in `folder`; one kind knows how it is told, and when it listens."""

    name: str
    """What a fault calls it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The program's process, if it was started."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the program and return once it listens; `LabFault` with the end of its log if it does not."""
        command, more = self._prepare()
        with (self._folder / f"{self.name}.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **more},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        (self._folder / f"{self.name}.pid").write_text(f"{pid_outside(self._process.pid)}\n")
        deadline = asyncio.get_running_loop().time() + _UP_WITHIN
        while not self._listens():
            if self._process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                logs = sorted(self._folder.glob(f"{self.name}.[el]*"))
                log = "".join(path.read_text(errors="replace")[-500:] for path in logs)
                raise LabFault(f"the virtual switch's {self.name} does not start", tried=f"start {self.name}", seen=log.strip())
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Kill the program; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await ended(process)

    @abstractmethod
    def _prepare(self) -> tuple[list[str], dict[str, str]]:
        """Write its files; its command line, and what is more in its environment."""

    @abstractmethod
    def _listens(self) -> bool:
        """Whether it can be spoken to."""


class SnmpAgent(Agent):
    """snmpd, which listens on `address`:`port` of this network; of the subtrees `roots` it asks the switch."""

    name = "snmpd"

    def __init__(self, folder: Path, address: str, port: int, community: str, roots: Sequence[Sequence[int]]) -> None:
        super().__init__(folder)
        self._address = address
        self._port = port
        self._community = community
        self._roots = roots

    def _prepare(self) -> tuple[list[str], dict[str, str]]:
        self._write_files()
        persistent = str(self._folder / "snmp")
        more = {"SNMP_PERSISTENT_DIR": persistent, "SNMPCONFPATH": str(self._folder), "MIBS": ""}
        return [program("snmpd"), "-f", "-C", "-c", "snmpd.conf", "-Lf", "snmpd.log"], more

    def _listens(self) -> bool:
        wanted = f":{self._port:04X}"
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(wanted) for row in rows)

    def _write_files(self) -> None:
        helper = [sys.executable, "-P", "-S", "-m", "hil.virtual.mib_agent"]
        # snmpd splits a command at blanks, so the paths, which may hold some, stand in a script named without any
        _write(self._folder / "mib_agent.sh", f"exec {shlex.join(helper)}\n")
        lines = (
            f"agentaddress udp:{self._address}:{self._port}",
            f"rwcommunity {self._community}",
            f"createUser {USER} SHA-256 {self._community} AES {self._community}",
            f"rwuser {USER} priv",
            "sysdescr Virtual PoE switch of j100-hil",
            "sysname virtual-switch",
            # before snmpd's own answers, which would tell of this kernel's interfaces and not of the switch's ports
            *(f"pass_persist -p 50 .{'.'.join(map(str, root))} /bin/sh mib_agent.sh" for root in self._roots),
        )
        _write(self._folder / "snmpd.conf", "\n".join(lines) + "\n")


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
