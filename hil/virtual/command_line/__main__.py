"""The virtual switch's command line: `python -m hil.virtual.command_line CONFIG.json`, by SSH or at a serial console.

A helper of the switch, as `hil.virtual.mib_agent` is: what is typed goes to the switch's process over the same socket. Once
it can be reached, there stands in its folder what those who log in need: `known_hosts` with the key that it made at its
start, or `console`, a link to the terminal.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hil.virtual.command_agent import CONSOLE, KNOWN_HOSTS, CommandLineConfig
from hil.virtual.command_line.console import ConsoleSwitch
from hil.virtual.command_line.houses import HOUSES
from hil.virtual.command_line.session import Access, House, Rebooted, Refused
from hil.virtual.command_line.ssh import SshSwitch
from hil.virtual.mib_agent import SOCKET
from hil.virtual.poe_mib import ADMIN_ENABLE, DETECTION_STATUS, FALSE, TRUE, Oid
from hil.virtual.port import Detection

_MOST_SESSIONS = 4


class SwitchPorts:
    """The ports of the switch's process, asked in the words of its MIB; `index` is group and port by name."""

    def __init__(self, index: Mapping[str, tuple[int, int]]) -> None:
        self._index = index

    def order(self, name: str, on: bool) -> None:
        if self._ask("set", name, ADMIN_ENABLE, f"integer {TRUE if on else FALSE}") != ["DONE"]:
            raise Refused

    def look(self, name: str) -> tuple[bool, bool]:
        admin, status = (int(self._ask("get", name, column)[-1]) for column in (ADMIN_ENABLE, DETECTION_STATUS))
        return admin == TRUE, status == Detection.DELIVERING_POWER

    def _ask(self, command: str, name: str, column: Oid, *value: str) -> list[str]:
        if name not in self._index:
            raise Refused
        oid = "." + ".".join(map(str, (*column, *self._index[name])))
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(SOCKET)
            link.sendall(("\t".join((command, oid, *value)) + "\n").encode())
            with link.makefile() as answers:
                answer = answers.readline()
        if not answer:
            raise Rebooted
        return answer.rstrip("\n").split("\t")


@contextlib.contextmanager
def by_ssh(house: House, ports: SwitchPorts, access: Access, address: tuple[str, int]) -> Iterator[None]:
    """Serve the command line by SSH."""
    with SshSwitch(house, ports, access, address=address) as switch:
        switch.most_sessions = _MOST_SESSIONS
        switch.known_as(Path(f"{KNOWN_HOSTS}.new")).replace(KNOWN_HOSTS)
        yield


@contextlib.contextmanager
def at_a_console(house: House, ports: SwitchPorts, access: Access) -> Iterator[None]:
    """Serve the command line at a terminal."""
    with ConsoleSwitch(house, ports, access) as switch:
        Path(CONSOLE).symlink_to(switch.device)
        yield


def main() -> None:
    """Serve the command line that the file named by the first argument describes, until somebody ends this process."""
    config = CommandLineConfig.from_json(json.loads(Path(sys.argv[1]).read_text()))
    word = Path(config.word_file).read_text().strip()
    access = Access(config.user, password=word, enable=word)
    house, ports = HOUSES[config.dialect], SwitchPorts(config.ports)
    with by_ssh(house, ports, access, config.ssh) if config.ssh else at_a_console(house, ports, access):
        signal.pause()


if __name__ == "__main__":
    main()
