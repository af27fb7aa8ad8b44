"""snmpd's helper for what the switch itself knows: carries `pass_persist` requests to the switch's process and its answers back.

snmpd starts it, in the switch's network namespace, whose abstract socket names no other network
sees. It ends with snmpd or with the switch, whichever goes first.
"""

from __future__ import annotations

import os
import socket
import sys

SOCKET = "\0j100-hil/mibs"
_LINES = {"get": 1, "getnext": 1, "set": 2}


def main() -> None:
    """Relay until snmpd or the switch closes; a request is `get`, `getnext` or `set` and one or two more lines."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(SOCKET)
    with link, link.makefile("rw", encoding="utf-8", newline="\n") as switch:
        for line in sys.stdin:
            command = line.strip()
            if not command:  # some releases of snmpd end a set with an empty line
                continue
            if command == "PING":
                _say("PONG\n")
                continue
            lines = [command, *(sys.stdin.readline().strip() for _ in range(_LINES.get(command, 0)))]
            switch.write("\t".join(lines) + "\n")
            switch.flush()
            reply = switch.readline()
            if not reply:
                return
            _say(reply.rstrip("\n").replace("\t", "\n") + "\n")


def _say(text: str) -> None:
    """One write for each answer: snmpd takes what one read gives it for the whole."""
    os.write(1, text.encode())


if __name__ == "__main__":
    main()
