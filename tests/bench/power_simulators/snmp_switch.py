"""net-snmp's snmpd in front of a box, with a community, a user of SNMPv3, and a vendor's column of milliwatts."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.virtual import poe_mib
from hil.virtual.command_line.session import WATTS, Rebooted, Refused
from power_simulators.box import Box, Mischief
from power_simulators.desk import Desk

COMMUNITY, USER, KEY, PRIVACY = "c0mmunity", "bench", "authentic-w0rd", "private-w0rd"
METER = (1, 3, 6, 1, 4, 1, 9, 9, 402, 1, 2, 1, 9)

# snmpd's pass_persist protocol: `get`, `getnext` and `set`, one or two more lines, and as many lines back
HELPER = """
import os, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
desk = link.makefile("rw")
for line in sys.stdin:
    command = line.strip()
    if command == "PING":
        os.write(1, b"PONG\\n")
    elif command in ("get", "getnext", "set"):
        rest = [sys.stdin.readline().strip() for _ in range(2 if command == "set" else 1)]
        desk.write("\\t".join([command, *rest]) + "\\n")
        desk.flush()
        os.write(1, desk.readline().replace("\\t", "\\n").encode())
"""


class _Pse:
    """A port of the box as the MIB's table sees it."""

    def __init__(self, box: Box, name: str) -> None:
        self._box = box
        self._name = name

    @property
    def admin(self) -> bool:
        return self._box.ports[self._name].wanted

    @property
    def detection(self) -> int:
        wanted, power = self._box.look(self._name)
        return 3 if power else 2 if wanted else 1

    def set_admin(self, on: bool) -> None:
        self._box.order(self._name, on)


class SnmpSwitch:
    """The agent at `port` of loopback; its ports are numbered from 1.1 on, in the order of the box."""

    def __init__(self, folder: Path, box: Box) -> None:
        self.box = box
        self._folder = folder
        self._ports = {(1, number): _Pse(box, name) for number, name in enumerate(box.ports, start=1)}
        self._desk = Desk(folder / "desk", self._answer)
        self._freed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        self._desk.__enter__()
        (self._folder / "helper.py").write_text(HELPER)
        helper = shlex.join([sys.executable, "-I", "-S", str(self._folder / "helper.py"), str(self._folder / "desk")])
        (self._folder / "helper.sh").write_text(f"exec {helper}\n")
        (self._folder / "snmpd.conf").write_text(
            f"agentaddress udp:127.0.0.1:{self.port}\n"
            f"rwcommunity {COMMUNITY}\n"
            f"createUser {USER} SHA-256 {KEY} AES {PRIVACY}\nrwuser {USER} auth\n"
            "pass_persist .1.3.6.1.2.1.105 /bin/sh helper.sh\n"
            f"pass_persist .{'.'.join(map(str, METER[:-5]))} /bin/sh helper.sh\n"
        )
        program = shutil.which("snmpd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        assert program
        environment = {"SNMP_PERSISTENT_DIR": str(self._folder / "state"), "SNMPCONFPATH": str(self._folder), "MIBS": ""}
        self._process = subprocess.Popen(
            [program, "-f", "-C", "-c", "snmpd.conf", "-Lf", "snmpd.log"],
            cwd=self._folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not self._listens():
            assert self._process.poll() is None, (self._folder / "snmpd.log").read_text()
            self._freed.wait(0.01)
        return self

    def _listens(self) -> bool:
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        return any(row.split()[1].endswith(f":{self.port:04X}") for row in rows)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._freed.set()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._desk.__exit__(kind, error, trace)

    def pause(self, still: bool) -> None:
        """Let the agent say nothing for a while: it is stopped, not ended."""
        assert self._process is not None
        self._process.send_signal(19 if still else 18)

    def _answer(self, request: str) -> str:
        words = request.split("\t")
        if words[0] == "set" and self.box.mischief is Mischief.REFUSE:
            return "not-writable"
        try:
            return "\t".join(self._metered(words) or poe_mib.answer(self._ports, words))
        except Refused:
            return "not-writable"
        except Rebooted:
            assert self._process is not None
            self._process.kill()
            return "NONE"

    def _metered(self, words: list[str]) -> tuple[str, ...] | None:
        if words[0] != "get" or not words[1].startswith("." + ".".join(map(str, METER))):
            return None
        port = self._ports.get(tuple(map(int, words[1].split(".")[-2:])))
        milliwatts = round(WATTS * 1000) if port is not None and port.detection == 3 else 0
        return (words[1], "gauge", str(milliwatts)) if port is not None else ("NONE",)
