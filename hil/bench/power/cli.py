"""Power by the command line of a switch, over SSH or at its serial console, with read-back.

Each turn at the switch is a login of its own and ends with a logout, since many switches have one session to give.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hil.bench.power import Outlet, PowerSettings, PowerWay, Wiring
from hil.bench.power.dialects import DIALECTS, Dialect
from hil.bench.power.readback import Gibberish, Line, LineSwitch, NoSession, Reading
from hil.bench.power.shell import Console, Login, Shell, Ssh, open_shell
from hil.bench.secrets import given_secret
from hil.bench.strict import Asked
from hil.errors import Misuse
from hil.secret import Secret

_ASK_AGAIN = 0.2
"""Real seconds between two tries for a session."""

_ENABLED = tuple(name for name, dialect in DIALECTS.items() if dialect.privileged)
_MOST_SAID = 300
"""Characters of a switch's words that a fault repeats."""


class CliSettings(PowerSettings):
    """A switch that is told by commands."""

    dialect: Literal["cisco-ios", "arubaos-switch", "aruba-cx", "junos", "extreme-ers", "mikrotik"] | Dialect = Field(
        description="whose commands the switch takes: one of these, or a description of your own"
    )
    user: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="name of a user who may set the ports")
    password_env: Annotated[str | None, Asked()] = Field(
        default=None, description="environment variable that holds the user's password"
    )
    password_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    enable_env: Annotated[str | None, Asked("dialect", _ENABLED)] = Field(
        default=None, description="environment variable that holds the password of `enable`"
    )
    enable_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    timeout: Annotated[float, Field(gt=0, le=300)] = Field(default=30.0, description="longest wait for one prompt [real s]")
    busy_wait: Annotated[float, Field(ge=0, le=300)] = Field(
        default=5.0,
        description="a switch without a free session, such as one that still ends our last, is asked again so long [real s]",
    )


class SshSettings(CliSettings):
    """A switch by SSH. Its key must be known already: none is taken on trust."""

    kind: Literal["ssh"] = Field(description="a PoE switch by its command line, over SSH")
    address: str = Field(description="name or address of the switch's management")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=22, description="TCP port of its SSH server")
    known_hosts: str = Field(description="file with the switch's key, as ssh-keyscan writes it, relative to this one")
    key_file: Annotated[str | None, Asked()] = Field(
        default=None, description="our private key, mode 600, relative to this one; null: by password"
    )
    key_env: str | None = Field(default=None, description="environment variable that holds the key's passphrase")


class SerialSettings(CliSettings):
    """A switch at its serial console."""

    kind: Literal["serial"] = Field(description="a PoE switch by its command line, at the serial console")
    device: str = Field(description="serial port; one of /dev/serial/by-id stays the same over restarts")
    baud: Annotated[int, Field(ge=300, le=1_000_000), Asked()] = Field(default=9600, description="speed of the console [bit/s]")


class CliOutlet(Outlet):
    """The port as the switch itself shows it, such as `Gi1/0/1`."""

    port: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9/.:_-]{0,39}$")] = Field(
        description="the port as the switch shows it, such as Gi1/0/1"
    )


class CliSwitch:
    """The switch, with the login of this turn."""

    def __init__(self, wire: Ssh | Console, login: Login, dialect: Dialect, *, timeout: float, busy_wait: float) -> None:
        self._wire = wire
        self._login = login
        self._timeout = timeout
        self._busy_wait = busy_wait
        self._shell: Shell | None = None
        self.dialect = dialect

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Log in; log out at the end."""
        with self._free_session() as self._shell:
            try:
                yield
            finally:
                self._shell = None

    @contextlib.contextmanager
    def _free_session(self) -> Iterator[Shell]:
        deadline = time.monotonic() + self._busy_wait
        with contextlib.ExitStack() as logout:
            while True:
                try:
                    shell = logout.enter_context(open_shell(self._wire, self._login, self.dialect, self._timeout))
                    break
                except NoSession:
                    if time.monotonic() >= deadline:
                        raise
                time.sleep(_ASK_AGAIN)
            yield shell

    def run(self, command: str) -> str:
        """What the switch says to `command`, in a session."""
        if self._shell is None:
            raise RuntimeError("the switch is told something outside a session")
        return self._shell.run(command)


class CliLine(Line):
    """A port of the switch."""

    def __init__(self, switch: CliSwitch, name: str, port: str) -> None:
        self._switch = switch
        self._name = name
        self._port = port

    @property
    def label(self) -> str:
        return f"{self._name} {self._port}"

    def asking(self, on: bool) -> str:
        return "; ".join(self._commands(on))

    def set(self, on: bool) -> None:
        for command in self._commands(on):
            self._switch.run(command)

    def read(self) -> Reading:
        dialect = self._switch.dialect
        said = self._switch.run(dialect.status.replace("{port}", self._port))
        found = re.search(dialect.reading.replace("{port}", re.escape(self._port)), said)
        wanted = found["set"].lower() if found else ""
        if found is None or wanted not in dialect.means_on | dialect.means_off:
            raise Gibberish(f"nothing of port {self._port} that this dialect reads: {_cut(said)!r}")
        shown = found["power"] or "not shown"
        watts = found.groupdict().get("watts")
        words = f"set {found['set']}, power {shown}"
        return Reading(wanted in dialect.means_on, shown.lower() in dialect.delivers, words, float(watts) if watts else None)

    def session(self) -> AbstractContextManager[None]:
        return self._switch.session()

    def _commands(self, on: bool) -> list[str]:
        dialect = self._switch.dialect
        return [command.replace("{port}", self._port) for command in (dialect.turn_on if on else dialect.turn_off)]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SAID else line[:_MOST_SAID] + "..."


def connect(settings: PowerSettings, wiring: Wiring) -> LineSwitch:
    """A switch that is told by commands; logs in nowhere yet. `Misuse` where a secret or a file is missing."""
    if not isinstance(settings, SshSettings | SerialSettings):
        raise TypeError(f"not the settings of a switch's command line: {settings!r}")
    name = settings.address if isinstance(settings, SshSettings) else settings.device
    switch = cli_switch(settings, wiring)

    def line_of(outlet: Outlet) -> CliLine:
        if not isinstance(outlet, CliOutlet):
            raise TypeError(f"not a port of a switch's command line: {outlet!r}")
        return CliLine(switch, name, outlet.port)

    return LineSwitch(turn_name(settings, wiring), settings, wiring, line_of, patience=3 * settings.timeout + settings.busy_wait)


def cli_switch(settings: SshSettings | SerialSettings, wiring: Wiring) -> CliSwitch:
    """The switch that is told by commands; logs in nowhere yet. `Misuse` where a secret or a file is missing."""
    wire: Ssh | Console
    if isinstance(settings, SshSettings):
        wire, login = _ssh(settings, wiring), _login(settings, wiring, settings.key_env)
    else:
        wire, login = Console(str(Path(wiring.folder) / settings.device), settings.baud), _login(settings, wiring, None)
    return CliSwitch(wire, login, dialect_of(settings), timeout=settings.timeout, busy_wait=settings.busy_wait)


def dialect_of(settings: CliSettings) -> Dialect:
    """The dialect that the settings name or describe."""
    return DIALECTS[settings.dialect] if isinstance(settings.dialect, str) else settings.dialect


def turn_name(settings: SshSettings | SerialSettings, wiring: Wiring) -> str:
    """The name by which all benches take turns at this switch."""
    return settings.address if isinstance(settings, SshSettings) else str((Path(wiring.folder) / settings.device).resolve())


def _ssh(settings: SshSettings, wiring: Wiring) -> Ssh:
    known_hosts = Path(wiring.folder) / settings.known_hosts
    if not known_hosts.is_file():
        remedy = f"compare the key's fingerprint at its console, then: ssh-keyscan {settings.address} > {known_hosts}"
        raise Misuse(f"there is no {known_hosts}", file=wiring.file, key=f"{wiring.key}.known_hosts", remedy=remedy)
    key = Path(wiring.folder) / settings.key_file if settings.key_file else None
    if key is not None:
        _check_private(key, wiring)
    return Ssh(settings.address, settings.port, known_hosts, key)


def _check_private(key: Path, wiring: Wiring) -> None:
    if not key.is_file():
        raise Misuse(f"there is no {key}", file=wiring.file, key=f"{wiring.key}.key_file", remedy="make one with ssh-keygen")
    if key.stat().st_mode & 0o077:
        raise Misuse(f"others may read {key}", file=wiring.file, key=f"{wiring.key}.key_file", remedy=f"chmod 600 {key}")


def _login(settings: CliSettings, wiring: Wiring, key_env: str | None) -> Login:
    def secret(what: str, env: str | None, file: str | None) -> Secret | None:
        return given_secret(what, env=env, file=file, folder=wiring.folder, testbed=wiring.file, key=wiring.key)

    password = secret("password", settings.password_env, settings.password_file) or wiring.word
    by_key = isinstance(settings, SshSettings) and settings.key_file is not None
    if password is None and not by_key:
        remedy = "add password_env or password_file; it must not stand here"
        raise Misuse("no password", file=wiring.file, key=wiring.key, remedy=remedy)
    enable = secret("enable", settings.enable_env, settings.enable_file) or wiring.word
    return Login(settings.user, password, secret("key", key_env, None), enable)


SSH = PowerWay(settings=SshSettings, outlet=CliOutlet, connect=connect)
SERIAL = PowerWay(settings=SerialSettings, outlet=CliOutlet, connect=connect)
