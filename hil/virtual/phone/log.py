"""What the phone says of itself: lines on stderr, and syslog where the settings ask for it.

Source: settings template of July 2022 (SYSLOG_ENABLED, SYSLOG_LEVEL, LOGSRVR, LOGSRVR_SECURE, LOG_CATEGORY). The texts
are this phone's own; no document gives Avaya's.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from typing import Literal

from hil.virtual.phone.clock import Clock
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.speeches import LogLines

Category = Literal["DHCP", "DOT1X", "NETMGR", "CERTMGMT"]
_LOCAL4 = 20 << 3
ERROR, INFO = 3, 6


class Log:
    """Syslog goes out once `configure` has been told the settings: by UDP, or over TLS by `lines`."""

    def __init__(self, clock: Clock, host_name: str) -> None:
        self._clock = clock
        self._host_name = host_name
        self._settings: Settings | None = None
        self.lines = LogLines()

    def configure(self, settings: Settings) -> None:
        self._settings = settings

    def say(self, category: Category, text: str, severity: int = INFO) -> None:
        """One line; never with a password or a key in it."""
        sys.stderr.write(f"[{self._clock.uptime():8.2f}] {category} {text}\n")
        sys.stderr.flush()
        if self._settings is None or not worth_sending(self._settings, category, severity):
            return
        line = syslog_line(self._clock.now(), self._host_name, category, severity, text)
        if self._settings["LOGSRVR_SECURE"] == "1":
            self.lines.take(line)
        elif target := syslog_target(self._settings):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
                try:
                    port.sendto(line, target)
                except OSError as problem:
                    sys.stderr.write(f"syslog to {target[0]}: {problem}\n")


def worth_sending(settings: Settings, category: str, severity: int) -> bool:
    """Whether a message of this category and severity goes to the syslog server."""
    wanted = {name.strip().upper() for name in settings["LOG_CATEGORY"].split(",")}
    enabled = settings["SYSLOG_ENABLED"] == "1" and severity <= int(settings["SYSLOG_LEVEL"])
    return enabled and (severity <= ERROR or category in wanted)


def syslog_target(settings: Settings) -> tuple[str, int] | None:
    """Where datagrams go, or None. Only addresses, no names."""
    host, _, port = settings["LOGSRVR"].partition(":")
    if not re.fullmatch(r"\d+(\.\d+){3}", host, re.ASCII):
        return None
    return host, int(port) if port.isdecimal() and 0 < int(port) < 65536 else 514


def syslog_line(now: float, host_name: str, category: str, severity: int, text: str) -> bytes:
    """A datagram of RFC 3164, facility local4."""
    at = time.gmtime(now)
    stamp = f"{time.strftime('%b', at)} {at.tm_mday:2d} {time.strftime('%H:%M:%S', at)}"
    return f"<{_LOCAL4 + severity}>{stamp} {host_name} {category}: {text}".encode("ascii", "replace")[:1024]
