"""Asking the time servers, at boot and again where none answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hil.virtual.phone import sntp
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import Trouble
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.log import ERROR, Log


@dataclass
class TimeService:
    """The servers of SNTPSRVR; `told` is whether one of them told the time in this boot."""

    servers: Sequence[str]
    clock: Clock
    flash: Flash
    habits: Habits
    log: Log
    told: bool = False
    _asked: float = 0.0

    @property
    def asks_again_in(self) -> float | None:
        """Phone seconds until the next question, None where there is nothing to ask."""
        if self.told or not self.servers:
            return None
        return self._asked + self.habits.asks_time_again_after - self.clock.uptime()

    def _heeds(self, told: float) -> bool:
        return self.habits.heeds_time_told and (self.habits.sets_clock_back or told >= self.clock.now())

    def ask(self) -> None:
        """Asks one server after another; where one answers, the clock has its time."""
        for server in self.servers:
            try:
                now = sntp.ask(server)
            except Trouble as trouble:
                self.log.say("NETMGR", str(trouble), ERROR)
                continue
            if self.flash.time() is None or self._heeds(now):
                self.clock.set(now)
            self.flash.remember_time(self.clock.now())
            self.log.say("NETMGR", f"time told by {server}")
            self.told = True
            return
        self._asked = self.clock.uptime()
