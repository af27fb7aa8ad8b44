"""A switch's command line over real SSH."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from hil.virtual.command_line.session import Access, House, PoweredPorts, Session

_MUTE_FOR = 20.0
"""Real seconds for which one that says nothing keeps a connection."""


class _Door(paramiko.ServerInterface):
    """Lets in one user, by password or by one key, to a shell."""

    def __init__(self, access: Access, key: paramiko.PKey | None) -> None:
        self._access = access
        self._key = key

    def get_allowed_auths(self, _: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if self._access.allows(username, password) else AUTH_FAILED

    def check_auth_publickey(self, _: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL if key == self._key else AUTH_FAILED

    def check_channel_request(self, *_: object) -> int:
        return OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_: object) -> bool:
        return True

    def check_channel_shell_request(self, *_: object) -> bool:
        return True


class SshSwitch:
    """The switch at `port`. One without a free session says `full` before it hangs up; a `mute` one says nothing at all."""

    def __init__(
        self,
        house: House,
        ports: PoweredPorts,
        access: Access,
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        obstinate: bool = False,
        user_key: paramiko.PKey | None = None,
    ) -> None:
        self.house = house
        self.mute = False
        self.full = b""
        self.most_sessions = 1
        self.host_key: paramiko.PKey = paramiko.ECDSAKey.generate()
        self._ports = ports
        self._access = access
        self._obstinate = obstinate
        self._user_key = user_key
        self._sessions: set[paramiko.Transport] = set()
        self._idle = threading.Condition()
        self._ears = socket.create_server(address)
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    @property
    def port(self) -> int:
        return int(self._ears.getsockname()[1])

    def known_as(self, file: Path, key: paramiko.PKey | None = None) -> Path:
        """Write the line of a known_hosts file that names this switch, with its key or another."""
        shown = key or self.host_key
        host, port = self._ears.getsockname()[:2]
        name = host if port == 22 else f"[{host}]:{port}"
        file.write_text(f"{name} {shown.get_name()} {shown.get_base64()}\n")
        return file

    @contextlib.contextmanager
    def taken_up(self) -> Iterator[None]:
        """Have no session left for a while."""
        most, self.most_sessions = self.most_sessions, 0
        try:
            yield
        finally:
            self.most_sessions = most

    def is_idle(self) -> bool:
        """Whether all sessions end, soon."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._sessions, 10)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._ears.shutdown(socket.SHUT_RDWR)
        self._ears.close()
        self._end_all()
        for thread in self._threads:
            thread.join(10)

    def _end_all(self) -> None:
        with self._idle:
            sessions = list(self._sessions)
        for session in sessions:
            session.close()

    def _listen(self) -> None:
        while True:
            try:
                link, _ = self._ears.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(link,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, link: socket.socket) -> None:
        with link:
            if self.mute:
                link.settimeout(_MUTE_FOR)
                with contextlib.suppress(OSError):
                    link.recv(1)
                return
            with self._idle:
                full = len(self._sessions) >= self.most_sessions
            if full:
                link.sendall(self.full)
                return
            transport = paramiko.Transport(link)
            transport.add_server_key(self.host_key)
            with self._idle:
                self._sessions.add(transport)
            try:
                self._converse(transport)
            finally:
                transport.close()
                with contextlib.suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
                transport.join(10)
                with self._idle:
                    self._sessions.discard(transport)
                    self._idle.notify_all()

    def _converse(self, transport: paramiko.Transport) -> None:
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Door(self._access, self._user_key))
            while (channel := transport.accept(0.05)) is None:  # nor does it come once the other side has hung up
                if not transport.is_active():
                    return
            session = Session(
                self.house,
                self._ports,
                self._access,
                lambda text: channel.sendall(text.encode()),
                channel.close,
                self._end_all,
                obstinate=self._obstinate,
            )
            session.start()
            while heard := channel.recv(1024):
                session.hear(heard.decode())
