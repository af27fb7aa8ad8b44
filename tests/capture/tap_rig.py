"""A tap with a real SSH server, OpenSSH's, for scripts in a network of their own; needs root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hil.capture.tap import Access

SSHD = "/usr/sbin/sshd"
CONFIG = """
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
"""


class Sshd:
    """An SSH server at `address`; keys and configuration lie in `folder`."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", port: int = 2222) -> None:
        self.folder, self.address, self.port = folder, address, port
        folder.mkdir(exist_ok=True)
        for name in ("host_key", "user_key"):
            if not (folder / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True, timeout=20)
        (folder / "authorized").write_bytes((folder / "user_key.pub").read_bytes())
        (folder / "config").write_text(CONFIG.format(folder=folder, address=address, port=port))
        self.known_hosts = self.known_as(folder / "host_key.pub")

    def start(self, within: Sequence[str] = ()) -> None:
        """Start it `within` a prefix such as nsenter's, and wait until it listens."""
        folder = self.folder
        serve = f"mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec {SSHD} -D -e -f {folder}/config"
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*within, "unshare", "-m", "sh", "-c", serve], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        self._await_ready()

    def known_as(self, public_key: Path, name: str = "known_hosts") -> Path:
        """A file of known hosts that has this server with a key."""
        kind, key = public_key.read_text().split()[:2]
        file = self.folder / name
        file.write_text(f"[{self.address}]:{self.port} {kind} {key}\n")
        return file

    def access(self, **changes: object) -> Access:
        """How to reach it as root, by key."""
        told: dict[str, object] = {"known_hosts": self.known_hosts, "key_file": self.folder / "user_key", "timeout": 10.0}
        return Access(self.address, self.port, "root", **(told | changes))  # type: ignore[arg-type]

    def sessions(self) -> list[int]:
        """The server's processes that serve a connection."""
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in tasks.split()]

    def _await_ready(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.address, self.port), 1).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError("no SSH server came up: " + (self.folder / "log").read_text())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the server and each session."""
        for pid in self.sessions() if self.process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        self.process.terminate()
        self.process.wait(10)


def running(word: str) -> list[int]:
    """Processes whose command line holds `word`, as those that record on an interface of that name do."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # gone meanwhile
            continue
        if word.encode() in words and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def gone(word: str, seconds: float = 20) -> bool:
    """Whether those processes end, soon."""
    deadline = time.monotonic() + seconds
    while running(word) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not running(word)
