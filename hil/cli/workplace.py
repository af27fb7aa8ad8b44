"""A folder that a verb has to itself while it works there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hil.errors import Misuse


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Have `folder` to oneself, made with mode 700 if need be, and gone again if nothing was left in it.

    `Misuse` where it cannot be had, or another process has it; a process that dies lets go.
    """
    made = not folder.exists()
    with ExitStack() as undo:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if made:
                undo.callback(_remove_if_empty, folder)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undo.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Misuse("another process is at work here", file=folder, remedy="wait for it, or name another folder") from error
        except OSError as error:
            raise Misuse(f"cannot be used ({error})", file=folder, key="--out", remedy="name a folder of your own") from error
        yield


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
