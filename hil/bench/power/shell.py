"""The only module that knows netmiko: a login at a switch, and commands one after the other.

netmiko and paramiko take half a second to load, so they are loaded when a login is first made.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.bench.power.dialects import Dialect
from hil.bench.power.readback import Interruption, NoAnswer, NoSession, NotLetIn, Refusal, Stranger, Trouble
from hil.bench.power.serial_port import not_opened
from hil.secret import Secret

if TYPE_CHECKING:
    from netmiko import BaseConnection

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it has to say of a fault is in the fault

_LOOK = 0.02
"""Real seconds between two looks for an answer."""

_OUT_WITHIN = 1.0
"""Real seconds in which a console shows that nobody is logged in any more."""

_SETTLED = 0.1
"""Real seconds of silence that make a prompt at a console one that waits for us."""

_PAGER = r"-+ ?\(?more\)?\b[^\n]*"
_LOGIN = r"(?:user ?name|login|password) ?:"
_GET_STARTED = r"press (?:any key|return|enter)[^\n]*"
LONGEST_ANSWER = 1 << 20
_LONGEST_LINE, _LONGEST_GREETING = 255, 8192
_MOST_QUESTIONS = 12


@dataclass(frozen=True)
class Ssh:
    """A switch by SSH: its key must be in `known_hosts`; `key_file` is ours, where it lets us in by key."""

    address: str
    port: int
    known_hosts: Path
    key_file: Path | None = None


@dataclass(frozen=True)
class Console:
    """A switch at its serial console."""

    device: str
    baud: int


@dataclass(frozen=True)
class Login:
    """Who we are; `key` is the passphrase of the key file, `enable` the password of the privileged level."""

    user: str
    password: Secret | None = None
    key: Secret | None = None
    enable: Secret | None = None


class Shell:
    """A login; `timeout` is how long one command may take, in real seconds."""

    def __init__(self, connection: BaseConnection, dialect: Dialect, timeout: float) -> None:
        self._connection = connection
        self._dialect = dialect
        self._timeout = timeout
        prompt = dialect.prompt.replace("{name}", re.escape(connection.base_prompt))
        self._prompt = re.compile(rf"(?m)^{prompt}\s*$")

    def run(self, command: str) -> str:
        """What the switch says to `command`, all pages of it; raises `Refusal`, `NoSession`, `Interruption` or `NoAnswer`."""
        said = self._say_and_hear(command)
        if busy := re.search(self._dialect.busy, said):
            raise NoSession(busy[0].strip())
        if refusal := re.search(self._dialect.refusal, said):
            raise Refusal(f"{refusal[0].strip()} (to {command!r})")
        return said

    def _say_and_hear(self, command: str) -> str:
        deadline = time.monotonic() + self._timeout
        said = ""
        try:
            self._connection.write_channel(self._connection.normalize_cmd(command))
            # Prompts from before the command may still come in: the one that ends its answer stands behind its echo.
            while (echo := said.find(command)) < 0 or not self._prompt.search(said, echo + len(command)):
                if re.search(rf"(?i){_PAGER}\s*\Z", said):
                    said = said[: said.rfind("\n") + 1]
                    self._connection.write_channel(" ")
                if re.search(rf"(?im:^(?:{_LOGIN}|{_GET_STARTED})\s*\Z)", said):
                    raise Interruption(f"it asks for a login after {command!r}: it started anew, or logged us out")
                if _is_over(self._connection):
                    raise Interruption(f"the session ended after {command!r}")
                if time.monotonic() > deadline or len(said) > LONGEST_ANSWER:
                    raise NoAnswer(f"no prompt within {self._timeout:g} s after {command!r}")
                time.sleep(_LOOK)
                said += self._connection.read_channel().replace("\b", "")  # with which pagers take themselves away
        except (OSError, EOFError) as error:
            raise Interruption(f"the session ended at {command!r}: {error}") from error
        return said


@contextlib.contextmanager
def open_shell(wire: Ssh | Console, login: Login, dialect: Dialect, timeout: float) -> Iterator[Shell]:
    """Log in at the first prompt, privileged where the dialect says so, and log out at the end, whatever happened.

    Raises `NoAnswer`, `Stranger`, `NotLetIn` or `NoSession`.
    """
    with contextlib.ExitStack() as cleanup:
        if isinstance(wire, Ssh):
            connection = _by_ssh(wire, cleanup.enter_context(_knock(wire, timeout)), login, dialect, timeout)
        else:
            connection = _by_console(wire, login, dialect, timeout)
        cleanup.callback(connection.disconnect)
        _log_in(connection, wire, dialect, timeout)
        yield Shell(connection, dialect, timeout)


@contextlib.contextmanager
def _knock(wire: Ssh, timeout: float) -> Iterator[socket.socket]:
    """A connection on which the switch has begun to speak SSH: one that is full hangs up, or says so, instead."""
    where = f"{wire.address}:{wire.port}"
    try:
        link = socket.create_connection((wire.address, wire.port), timeout)
    except OSError as error:
        raise NoAnswer(f"{where}: {error.strerror or error}") from error
    with link:
        said = b""
        try:
            while not (line := link.recv(_LONGEST_LINE, socket.MSG_PEEK)).startswith(b"SSH-"):
                if not line or len(said) > _LONGEST_GREETING:
                    words = " ".join(said.decode("ascii", "replace").split())
                    raise NoSession(f"{where} says {words!r} and hangs up" if words else f"{where} hangs up before a login")
                said += link.recv(line.find(b"\n") + 1 or len(line))  # other lines may come before, RFC 4253 section 4.2
        except TimeoutError:
            raise NoAnswer(f"{where} takes the connection and does not speak SSH within {timeout:g} s") from None
        except OSError as error:
            raise NoSession(f"{where}: {error.strerror}") from error
        yield link


def _by_ssh(wire: Ssh, link: socket.socket, login: Login, dialect: Dialect, timeout: float) -> BaseConnection:
    key: dict[str, Any] = {}
    if wire.key_file is not None:
        key = {"use_keys": True, "key_file": str(wire.key_file), "passphrase": login.key.reveal() if login.key else None}
    connection: BaseConnection = _kind(dialect)(
        device_type=dialect.device_type,
        host=wire.address,
        port=wire.port,
        sock=link,
        ssh_strict=True,
        alt_host_keys=True,
        alt_key_file=str(wire.known_hosts),
        conn_timeout=timeout,
        auth_timeout=timeout,
        banner_timeout=timeout,
        auto_connect=False,
        **key,
        **_credentials(login, dialect),
    )
    return connection


def _by_console(wire: Console, login: Login, dialect: Dialect, timeout: float) -> BaseConnection:
    connection: BaseConnection = _kind(dialect, serial_login=_serial_login(dialect, timeout))(
        device_type=dialect.device_type,
        host=wire.device,
        default_enter="\r",
        auto_connect=False,
        **_credentials(login, dialect),
    )
    connection.protocol = "serial"  # said here, since netmiko takes only ports that it finds itself, and no links to them
    connection.serial_settings |= {"port": wire.device, "baudrate": wire.baud, "exclusive": True}
    return connection


def _kind(dialect: Dialect, **methods: object) -> Callable[..., BaseConnection]:
    """netmiko's class for a platform, with methods of our own."""
    from netmiko import ReadTimeout, ssh_dispatcher

    def log_out(connection: BaseConnection, *_: object) -> None:
        for words in dialect.log_out:
            connection.write_channel(connection.normalize_cmd(words))
        if connection.protocol == "serial":  # which stays open for whoever comes next, and must not be told what was meant for us
            with contextlib.suppress(ReadTimeout):
                connection.read_until_pattern(rf"(?i:{_GET_STARTED}|{_LOGIN})", read_timeout=_OUT_WITHIN)

    kind: Callable[..., BaseConnection] = type("Login", (ssh_dispatcher(dialect.device_type),), {"cleanup": log_out, **methods})
    return kind


def _credentials(login: Login, dialect: Dialect) -> dict[str, Any]:
    return {
        "username": login.user + dialect.user_suffix,
        "password": login.password.reveal() if login.password else "",
        "secret": login.enable.reveal() if login.enable else "",
    }


def _log_in(connection: BaseConnection, wire: Ssh | Console, dialect: Dialect, timeout: float) -> None:
    from netmiko.exceptions import NetmikoAuthenticationException, NetmikoTimeoutException, ReadException, ReadTimeout
    from paramiko import SSHException
    from paramiko.hostkeys import InvalidHostKey

    try:
        connection.establish_connection()
        connection.session_preparation()
        if dialect.privileged:
            connection.enable()
    except NetmikoAuthenticationException as error:
        raise NotLetIn(f"user {connection.username}: {_last_line(error)}") from error
    except ReadTimeout as error:
        raise _closed_or(NoAnswer(f"no prompt after the login ({_first_line(error)})"), connection) from error
    except NetmikoTimeoutException as error:  # netmiko's word for all that paramiko says before the first prompt
        raise _not_greeted(error, wire, timeout) from error
    except (InvalidHostKey, UnicodeDecodeError) as error:
        known_hosts = wire.known_hosts if isinstance(wire, Ssh) else None
        raise Stranger(f"{known_hosts} is damaged ({error}); write it anew by ssh-keyscan") from error
    except (SSHException, ReadException, EOFError) as error:
        raise NoSession(f"it let us in and gave us no session: {_last_line(error) or 'it hung up'}") from error
    except OSError as error:
        raise not_opened(wire.device, error) if isinstance(wire, Console) else NoSession(str(error)) from error
    except ValueError as error:
        refused = NotLetIn(f"user {connection.username} may not enable, or its password (enable_env, enable_file) is another")
        trouble = refused if "enable" in str(error) else NoAnswer(_first_line(error))
        raise _closed_or(trouble, connection) from error


def _closed_or(trouble: Trouble, connection: BaseConnection) -> Trouble:
    return NoSession("it let us in and ended the session before its first prompt") if _is_over(connection) else trouble


def _not_greeted(error: Exception, wire: Ssh | Console, timeout: float) -> Trouble:
    """What went wrong between the first bytes of SSH and a session, out of what paramiko said of it."""
    from paramiko import BadHostKeyException

    cause, said = error.__context__, _last_line(error)
    if isinstance(wire, Ssh):
        name = wire.address if wire.port == 22 else f"[{wire.address}]:{wire.port}"
        learn = (
            f"compare the key's fingerprint at its console, then: ssh-keyscan -p {wire.port} {wire.address} >> {wire.known_hosts}"
        )
        if isinstance(cause, BadHostKeyException):
            forget = f"ssh-keygen -R '{name}' -f {wire.known_hosts}"
            return Stranger(
                f"{name} shows another key than the one in {wire.known_hosts}; if it was replaced, {forget}, and {learn}"
            )
        if "not found in known_hosts" in str(cause):
            return Stranger(f"{name} is not in {wire.known_hosts}; {learn}")
    if isinstance(cause, EOFError) or "EOF" in said:
        return NoSession("it hung up before a login")
    return NoAnswer(f"{said} within {timeout:g} s" if "imed out" in said else said)


def _serial_login(dialect: Dialect, timeout: float) -> Callable[..., str]:
    """What takes the place of netmiko's login at a console: it answers what it is asked, and leaves what others left open."""
    asks = rf"(?i:(?:{_LOGIN}|{_GET_STARTED}|[>#%]) *)\Z"

    def log_in(connection: BaseConnection, *_: object, **__: object) -> str:
        answer, tried = "", False
        for _step in range(_MOST_QUESTIONS):
            connection.write_channel(answer + connection.RETURN)
            asked = connection.read_until_pattern(asks, read_timeout=timeout)
            if re.search(r"(?i)password ?: *\Z", asked):
                answer, tried = connection.password or "", True
            elif re.search(rf"(?i){_LOGIN} *\Z", asked):
                if tried:
                    raise NotLetIn(f"user {connection.username}: {' '.join(asked.split())!r}")
                answer = connection.username
            elif re.search(rf"(?i){_GET_STARTED}\Z", asked):
                answer = ""
            elif dialect.leave and re.search(r"\(config[^\n]*\)# *\Z|\[edit[^#>]*# *\Z", asked):
                answer = dialect.leave
            elif _says_more(connection):
                answer = ""
            else:
                connection.write_channel(connection.RETURN)  # what comes next looks for a prompt of its own
                return asked
        raise NotLetIn(f"{_MOST_QUESTIONS} questions at the console, and no prompt")

    return log_in


def _says_more(connection: BaseConnection) -> bool:
    """Whether anything comes behind a prompt: the console then still carries out what others left it to do."""
    time.sleep(_SETTLED)
    return bool(connection.read_channel())


def _is_over(connection: BaseConnection) -> bool:
    wire = connection.remote_conn
    return wire is None or bool(getattr(wire, "closed", False)) or bool(getattr(wire, "eof_received", False))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2].strip()
