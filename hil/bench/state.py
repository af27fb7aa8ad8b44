"""Where a bench keeps what must outlive a run: journal, lease, and the virtual bench's flash."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from hil.errors import LabFault, Misuse

RADIUS_SECRET = "radius-secret"
"""File in the state folder with the secret that RADIUS server and switch share."""

_LOOK = 0.01
"""Real seconds between two tries at a lock."""


def state_root() -> Path:
    """Where all benches of this user keep their states side by side: `$HIL_STATE`, else `$XDG_STATE_HOME/j100-hil`, else
    `~/.local/state/j100-hil`; nothing is made yet."""
    own = os.environ.get("HIL_STATE")
    home = os.environ.get("XDG_STATE_HOME")
    root = Path(own) if own else (Path(home) if home else Path.home() / ".local" / "state") / "j100-hil"
    return root.absolute()


def state_folder(bench: str) -> Path:
    """Where the bench called `bench` keeps its state, a folder in `state_root`; nothing is made yet."""
    return state_root() / bench


def make_private(folder: Path) -> Path:
    """`folder`, made if missing, readable by its owner only; `Misuse` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        remedy = "choose another by the environment variable HIL_STATE"
        raise Misuse(f"cannot be made: {error.strerror}", file=folder, remedy=remedy) from error
    return folder


@contextlib.contextmanager
def locked(file: Path, patience: float = 10.0) -> Iterator[None]:
    """Have what `file` stands for to oneself, over threads and processes; `LabFault` after `patience` real seconds of waiting.

    The lock is the kernel's, so it cannot outlive its holder.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabFault("a lock cannot be had", tried=f"open {file}", seen=str(error)) from error
    try:
        deadline = time.monotonic() + patience
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LabFault(
                    "a process does not let go of a lock", tried=f"lock {file} for {patience:g} s", seen="still locked"
                )
            time.sleep(_LOOK)
        yield
    finally:
        os.close(descriptor)


def user() -> str:
    """Who is behind this process, by name, or by number where the name is unknown; with sudo, who called it."""
    if os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return str(os.getuid())


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file, if that can be had at once; whether it could."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_whole(file: Path, text: str) -> None:
    """Make `text` the content of `file`, in one step and on disk: whoever dies, the file is the former or the new one."""
    draft = file.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def standing_secret(file: Path) -> Path:
    """`file`, which holds a secret that exists on this machine only, made the first time; its owner alone may read it."""
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_hex(16) + "\n")
    return file
