"""A switch's command line: levels, prompts, a pager, and each house's way to show power. It knows no wire."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

WATTS = 3.4
"""What each port that delivers power is shown to deliver."""

PAGE = 4
"""Lines of a page."""

Action = Callable[["Session", "re.Match[str]"], str]


class Refused(Exception):
    """The switch will not: it has no such port, or may not do this."""


class Rebooted(Exception):
    """The switch started anew before the command was carried out."""


class PoweredPorts(Protocol):
    """The ports that a command line switches, by the names that it shows."""

    def order(self, name: str, on: bool) -> None:
        """Set a port; raises `Refused` or `Rebooted`."""

    def look(self, name: str) -> tuple[bool, bool]:
        """What a port is set to, and whether it delivers; raises `Refused`."""


@dataclass(frozen=True)
class Access:
    """Whom a switch lets in: one user, by password; `enable` is the password of the privileged level."""

    user: str
    password: str
    enable: str

    def allows(self, user: str, password: str) -> bool:
        """Whether this is the user; what stands behind a plus sign asks for a kind of terminal."""
        return (user.partition("+")[0], password) == (self.user, self.password)


@dataclass(frozen=True)
class House:
    """How the switches of one house talk; rules are (levels, pattern of a command, what it does)."""

    prompts: dict[str, str]
    first: str
    rules: Sequence[tuple[str, str, Action]]
    show: Callable[[str, bool, bool], str]
    refused: str
    unknown: str
    pager: str
    port: str
    other_port: str
    banner: str = ""
    log_line: str = ""
    rub_out: Callable[[str], str] = field(default=lambda pager: "\r" + " " * len(pager) + "\r")


class Session:
    """One session. `send` takes what the switch says; `hang_up` ends the session, `reboot` ends all."""

    def __init__(
        self,
        house: House,
        ports: PoweredPorts,
        access: Access,
        send: Callable[[str], None],
        hang_up: Callable[[], None],
        reboot: Callable[[], None],
        *,
        obstinate: bool = False,
    ) -> None:
        self.house = house
        self.access = access
        self.level = house.first
        self.port = ""
        self.paging = True
        self.hang_up = hang_up
        self._ports = ports
        self._obstinate = obstinate
        self._reboot = reboot
        self._send = send
        self._line = ""
        self._pages: list[str] = []
        self._password_for: Callable[[str], None] | None = None
        self._last = ""
        self._over = False

    def start(self) -> None:
        """Greet and show the first prompt."""
        self._say(self.house.banner)
        self._prompt()

    def hear(self, text: str) -> None:
        """Take what was typed: echo it, turn pages, carry out lines."""
        for letter in text:
            if self._over:
                return
            if letter == "\n" and self._last == "\r":
                pass
            elif self._pages:
                self._turn_page(letter)
            elif letter in "\r\n":
                self._send("\r\n")
                line, self._line = self._line.strip(), ""
                self._carry_out(line)
            else:
                self._line += letter
                if self._password_for is None:
                    self._send(letter)
            self._last = letter

    def ask_password(self, then: Callable[[str], None]) -> str:
        """Let the next line be a password for `then`."""
        self._password_for = then
        return "Password: "

    def go(self, level: str) -> None:
        """Be at another level."""
        self.level = level

    def end(self) -> None:
        """End the session."""
        self._over = True
        self.hang_up()

    def order(self, port: str, on: bool) -> str:
        """Switch a port; what the switch says to that."""
        try:
            self._ports.order(port, on)
        except Refused:
            return self.house.refused + "\n"
        except Rebooted:
            self._over = True
            self._reboot()
            return ""
        return ""

    def shown(self, port: str) -> str:
        """The page of a port."""
        try:
            return self.house.show(port, *self._ports.look(port))
        except Refused:
            return self.house.refused + "\n"

    def page_off(self) -> None:
        """Show all at once from now on, unless this switch does not care."""
        self.paging = self._obstinate

    def _carry_out(self, line: str) -> None:
        if self._password_for is not None:
            then, self._password_for = self._password_for, None
            then(line)
            self._prompt()
            return
        said = self._answer(line) if line else ""
        if self._over:
            return
        self._say(said)
        if self.house.log_line and re.search(r"power inline|poe", line) and self.level != self.house.first:
            self._say(self.house.log_line + "\n")
        if not self._pages and self._password_for is None:
            self._prompt()

    def _answer(self, line: str) -> str:
        for levels, pattern, action in self.house.rules:
            found = re.fullmatch(pattern, line)
            if found and self.level in levels.split():
                return action(self, found)
        return self.house.unknown.replace("{line}", line) + "\n"

    def _say(self, text: str) -> None:
        lines = text.splitlines(keepends=True)
        if self.paging and len(lines) > PAGE:
            self._pages = lines
            self._next_page()
        else:
            self._send(text.replace("\n", "\r\n"))

    def _next_page(self) -> None:
        page, self._pages = self._pages[:PAGE], self._pages[PAGE:]
        self._send("".join(page).replace("\n", "\r\n"))
        if self._pages:
            self._send(self.house.pager)

    def _turn_page(self, letter: str) -> None:
        self._send(self.house.rub_out(self.house.pager))
        if letter == " ":
            self._next_page()
        else:
            self._pages = []
        if not self._pages:
            self._prompt()

    def _prompt(self) -> None:
        if not self._over:
            self._send(self.house.prompts[self.level])
