"""What the phone says of itself: lines on stderr, and syslog where the settings ask for it.

Source: settings template of July 2022 (SYSLOG_ENABLED, SYSLOG_LEVEL, LOGSRVR, LOG_CATEGORY). The texts
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

Category = Literal["DHCP", "NETMGR", "CERTMGMT"]
_LOCAL4 = 20 << 3
ERROR, INFO = 3, 6


class Log:
    """Syslog goes out by UDP once `configure` has been told the settings."""

    def __init__(self, clock: Clock, host_name: str) -> None:
        self._clock = clock
        self._host_name = host_name
        self._settings: Settings | None = None

    def configure(self, settings: Settings) -> None:
        self._settings = settings

    def say(self, category: Category, text: str, severity: int = INFO) -> None:
        """One line; never with a password or a key in it."""
        sys.stderr.write(f"[{self._clock.uptime():8.2f}] {category} {text}\n")
        sys.stderr.flush()
        target = syslog_target(self._settings, category, severity) if self._settings else None
        if target:
            line = syslog_line(self._clock.now(), self._host_name, category, severity, text)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
                try:
                    port.sendto(line, target)
                except OSError as problem:
                    sys.stderr.write(f"syslog to {target[0]}: {problem}\n")


def syslog_target(settings: Settings, category: str, severity: int) -> tuple[str, int] | None:
    """Where a message of this category and severity goes, or None. Only addresses, no names."""
    wanted = {name.strip().upper() for name in settings["LOG_CATEGORY"].split(",")}
    if settings["SYSLOG_ENABLED"] != "1" or severity > int(settings["SYSLOG_LEVEL"]):
        return None
    host, _, port = settings["LOGSRVR"].partition(":")
    if not re.fullmatch(r"\d+(\.\d+){3}", host, re.ASCII) or (severity > ERROR and category not in wanted):
        return None
    return host, int(port) if port.isdecimal() and 0 < int(port) < 65536 else 514


def syslog_line(now: float, host_name: str, category: str, severity: int, text: str) -> bytes:
    """A datagram of RFC 3164, facility local4."""
    at = time.gmtime(now)
    stamp = f"{time.strftime('%b', at)} {at.tm_mday:2d} {time.strftime('%H:%M:%S', at)}"
    return f"<{_LOCAL4 + severity}>{stamp} {host_name} {category}: {text}".encode("ascii", "replace")[:1024]
