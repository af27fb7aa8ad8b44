"""The phone's standing connections to its services: made, kept, made anew, each in its own time."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
from collections.abc import Callable

from hil.virtual.phone.clock import Clock
from hil.virtual.phone.dialler import PATIENCE
from hil.virtual.phone.errors import NoAnswer, Refused
from hil.virtual.phone.services import Service
from hil.virtual.phone.speeches import Speech

FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
"""Phone seconds until a lost connection is made anew; they double while it fails."""

_GOODBYE = 1.0  # real seconds

Say = Callable[[str], None]


class Line:
    """One service: connected when `act` is due, spoken on every `period` phone seconds, reconnected when lost.

    The instants are multiples of the period in uptime, so that lines of one period wake the phone together.
    """

    def __init__(
        self,
        service: Service,
        dial: Callable[[Service], ssl.SSLSocket],
        speech: Speech,
        period: float,
        clock: Clock,
        say: Say,
        complain: Say,
    ) -> None:
        self._service = service
        self._dial = dial
        self._speech = speech
        self._period = period
        self._clock = clock
        self._say = say
        self._complain = complain
        self._connection: ssl.SSLSocket | None = None
        self._wait = FIRST_WAIT
        self._due = 0.0
        self._speaking = False

    def due(self) -> float:
        """Uptime at which the line next does anything by itself."""
        return self._due

    def port(self) -> socket.socket | None:
        """What wakes the phone before that: the open connection."""
        return self._connection

    def act(self) -> None:
        """Speaks, on a new connection where there is none."""
        self._speaking = True
        try:
            self._speak()
        except Refused as problem:
            self._lose(f"{problem}, given up")
            self._due = math.inf
        except (NoAnswer, OSError, ValueError) as problem:
            self._lose(str(problem))
        else:
            self._wait = FIRST_WAIT
            self._due = (math.floor(self._clock.uptime() / self._period + 1e-6) + 1) * self._period
            if not self._speech.keeps:
                self.hang_up()
        finally:
            self._speaking = False

    def nudge(self) -> None:
        """Speaks at once where it can."""
        if self._connection is not None and not self._speaking:
            self.act()

    def _speak(self) -> None:
        if self._connection is None:
            self._connection = self._dial(self._service)
            self._say(f"{self._service.name}: connected, {self._connection.version()}")
            self._speech.open(self._connection)
        else:
            self._speech.on(self._connection)

    def heard(self) -> None:
        """Something came that nobody asked for: the end of the connection, or what is passed over."""
        connection = self._connection
        if connection is None:
            return
        connection.setblocking(False)
        try:
            while connection.recv(65536):
                pass
            self._lose("the server ended the connection")
        except ssl.SSLWantReadError:
            connection.settimeout(PATIENCE)
        except OSError as problem:
            self._lose(str(problem))

    def hang_up(self) -> None:
        """Ends the connection, with a goodbye."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.settimeout(_GOODBYE)
            with contextlib.suppress(OSError):  # who does not answer a goodbye is gone all the same
                connection.unwrap()
            connection.close()

    def redial(self) -> None:
        """Ends the connection and makes it anew at once."""
        self.hang_up()
        self._due = self._clock.uptime()

    def _lose(self, problem: str) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._due = self._clock.uptime() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._complain(f"{self._service.name}: {problem}")
