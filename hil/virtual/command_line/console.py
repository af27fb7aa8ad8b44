"""A switch's serial console: a real pseudo-terminal with its command line at the far end."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from hil.virtual.command_line.session import Access, House, PoweredPorts, Session

BOOT = "\r\n\r\nSystem Bootstrap, Version 15.2\r\nLoading flash:image.bin...\r\n\r\nPress RETURN to get started!\r\n"


class Terminal(ABC):
    """A terminal at `device`, and a thread that hears what is typed into it."""

    def __init__(self, *, raw: bool = True) -> None:
        self._ours, self._theirs = os.openpty()
        if raw:
            tty.setraw(self._theirs)
        self.device = os.ttyname(self._theirs)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @abstractmethod
    def hear(self, heard: bytes) -> None:
        """Take what was typed."""

    def say(self, words: bytes) -> None:
        """Send to whoever has the terminal open."""
        with contextlib.suppress(OSError):
            os.write(self._ours, words)

    def pull_out(self) -> None:
        """Hang up, as a box does that is unplugged."""
        ours, self._ours = self._ours, -1
        theirs, self._theirs = self._theirs, -1
        for end in (theirs, ours):
            if end >= 0:
                os.close(end)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._stopped)
        self._thread.join(10)
        self.pull_out()
        os.close(self._stop)

    def _listen(self) -> None:
        while self._ours >= 0:
            if self._stop in select.select([self._ours, self._stop], [], [])[0]:
                return
            try:
                heard = os.read(self._ours, 1024)
            except OSError:
                return
            self.hear(heard)


class ConsoleSwitch(Terminal):
    """A switch's console, where one logs in; it stays as the last user left it. A `mute` one says nothing at all."""

    def __init__(self, house: House, ports: PoweredPorts, access: Access, *, obstinate: bool = False) -> None:
        super().__init__()
        self.house = house
        self.mute = False
        self._ports = ports
        self._access = access
        self._obstinate = obstinate
        self._session: Session | None = None
        self._typed = ""
        self._user: str | None = None
        self._started = False
        self._out = threading.Condition()

    def is_idle(self) -> bool:
        """Whether whoever is logged in logs out, soon."""
        with self._out:
            return self._out.wait_for(lambda: self._session is None, 10)

    def leave_open(self, level: str) -> None:
        """Let somebody have gone away from a session at this level."""
        self._session = self._new_session()
        self._session.go(level)
        self._started = True

    def hear(self, heard: bytes) -> None:
        if self.mute:
            return
        if self._session is not None:
            self._session.hear(heard.decode())
            return
        for letter in heard.decode():
            if letter == "\r":
                self._log_in(self._typed)
                self._typed = ""
            elif letter != "\n":
                self._typed += letter

    def _log_in(self, line: str) -> None:
        if not self._started:
            self._started = True
            self.say(b"\r\nUser Access Verification\r\n\r\nUsername: ")
        elif self._user is None:
            self._user = line or None
            self.say(f"{line}\r\n".encode() + (b"Password: " if line else b"Username: "))
        elif self._access.allows(self._user, line):
            self._user = None
            self._session = self._new_session()
            self._session.start()
        else:
            self._user = None
            self.say(b"\r\n% Login invalid\r\n\r\nUsername: ")

    def _new_session(self) -> Session:
        return Session(
            self.house,
            self._ports,
            self._access,
            lambda text: self.say(text.encode()),
            self._log_out,
            self._reboot,
            obstinate=self._obstinate,
        )

    def _log_out(self) -> None:
        with self._out:
            self._session, self._started = None, False
            self._out.notify_all()
        self.say(b"\r\nPress RETURN to get started.\r\n")

    def _reboot(self) -> None:
        with self._out:
            self._session, self._started = None, False
            self._out.notify_all()
        self.say(BOOT.encode())
