"""The lines of one boot: to each service that the settings name, with what is spoken there and how often."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hil.virtual.phone.clock import Clock
from hil.virtual.phone.dialler import Dialler
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.lines import Line
from hil.virtual.phone.log import ERROR, Log
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.services import Service
from hil.virtual.phone.speeches import LogLines, Lookup, Registration, Speech, Web
from hil.virtual.phone.unit import Unit


class StandingLines:
    """All lines, in the order in which the phone turns to its services."""

    def __init__(
        self,
        told: Sequence[Service],
        settings: Settings,
        unit: Unit,
        habits: Habits,
        clock: Clock,
        log: Log,
        flash: Flash,
        trusted: str,
    ) -> None:
        self._settings = settings
        self._unit = unit
        self._habits = habits
        self._log = log
        dialler = Dialler(settings, habits, flash, clock, trusted)
        self.lines = [self._line(service, dialler, clock) for service in told]

    def connect(self) -> None:
        """Turns to every service at once."""
        for line in self.lines:
            line.act()

    def redial(self) -> None:
        """Ends every connection, to make it anew."""
        for line in self.lines:
            line.redial()

    def _line(self, service: Service, dialler: Dialler, clock: Clock) -> Line:
        speech, period = self._speech(service)
        line = Line(service, dialler.connect, speech, period, clock, self._said, self._complained)
        if isinstance(speech, LogLines):
            speech.wake = line.nudge
        return line

    def _speech(self, service: Service) -> tuple[Speech, float]:
        """What is spoken there, and every how many phone seconds."""
        settings, habits = self._settings, self._habits
        match service.name:
            case "SYSLOG":
                return self._log.lines, math.inf
            case "SIP":
                every = habits.registers_every or float(settings["REGISTERWAIT"])
                return Registration(service, self._unit, settings["FORCE_SIP_EXTENSION"], settings["SIPDOMAIN"], every), every
            case "LDAP":
                return Lookup(settings["DIRTOPDN"], habits.keeps_directory), habits.web_every
            case name:
                method = "POST" if name in ("PUSH", "PPM") else "GET"
                return Web(service, self._unit, name != "PROVISIONING", method), habits.web_every

    def _said(self, text: str) -> None:
        self._log.say("NETMGR", text)

    def _complained(self, text: str) -> None:
        self._log.say("NETMGR", text, ERROR)
