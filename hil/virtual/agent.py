"""net-snmp's snmpd as the management agent of the virtual switch."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from pathlib import Path

from hil.errors import LabFault
from hil.virtual.namespaces import pid_outside, program
from hil.virtual.port import ended

_UP_WITHIN = 15.0


class Agent:
    """snmpd with its generated configuration, log and state in `folder`; listens on `address`:`port` of this network."""

    def __init__(self, folder: Path, address: str, port: int, community: str) -> None:
        self._folder = folder
        self._address = address
        self._port = port
        self._community = community
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """snmpd's process, if it was started."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start snmpd and return once it listens; `LabFault` with the end of its log if it does not."""
        self._write_files()
        with (self._folder / "snmpd.err").open("wb") as errors:
            self._process = subprocess.Popen(
                [program("snmpd"), "-f", "-C", "-c", "snmpd.conf", "-Lf", "snmpd.log"],
                cwd=self._folder,
                env={
                    **os.environ,
                    "SNMP_PERSISTENT_DIR": str(self._folder / "snmp"),
                    "SNMPCONFPATH": str(self._folder),
                    "MIBS": "",
                },
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        (self._folder / "snmpd.pid").write_text(f"{pid_outside(self._process.pid)}\n")
        deadline = asyncio.get_running_loop().time() + _UP_WITHIN
        while not self._listens():
            if self._process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                log = "".join(path.read_text(errors="replace")[-500:] for path in sorted(self._folder.glob("snmpd.[el]*")))
                raise LabFault("the virtual switch's snmpd does not start", tried="start snmpd", seen=log.strip())
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Kill snmpd; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await ended(process)

    def _listens(self) -> bool:
        wanted = f":{self._port:04X}"
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(wanted) for row in rows)

    def _write_files(self) -> None:
        helper = [sys.executable, "-P", "-S", "-m", "hil.virtual.poe_agent"]
        # snmpd splits a command at blanks, so the paths, which may hold some, stand in a script named without any
        _write(self._folder / "poe_agent.sh", f"exec {shlex.join(helper)}\n")
        lines = (
            f"agentaddress udp:{self._address}:{self._port}",
            f"rwcommunity {self._community}",
            "sysdescr Virtual PoE switch of j100-hil",
            "sysname virtual-switch",
            "pass_persist .1.3.6.1.2.1.105 /bin/sh poe_agent.sh",
        )
        _write(self._folder / "snmpd.conf", "\n".join(lines) + "\n")


def _write(file: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
