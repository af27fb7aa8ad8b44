"""Whose turn it is to speak with a switch: one at a time, over threads, processes and benches.

A managed switch has few sessions, often one, and some take two for a reason to refuse both. The lock
is the kernel's, so it cannot outlive its holder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hil.bench.power import PowerUnreachable
from hil.clock import Clock

_LOOK = 0.02
"""Real seconds between two tries."""

_MOST_PATIENCE = 20
"""How many times over a thread is patient while others of its process have one turn after the other."""


class Turn:
    """The turn at the switch called `switch`; `folder` is shared by all who may want it, `patience` in real seconds."""

    def __init__(self, folder: Path, switch: str, clock: Clock, patience: float) -> None:
        name = hashlib.sha256(switch.encode()).hexdigest()[:16]
        self._file = folder / f"{name}.turn"
        self._switch = switch
        self._clock = clock
        self._patience = patience
        self._mine = threading.Lock()
        self._had = 0
        """How many turns threads of this process have had."""

    @contextlib.contextmanager
    def taken(self, *, apart: float = 0.0) -> Iterator[int]:
        """Hold the turn; it comes at least `apart` real seconds after the last that asked for a distance.

        Yields a descriptor: whoever inherits it holds the turn on if this process is killed. `PowerUnreachable` where
        another thread holds it for longer than `patience`, or other processes do.
        """
        self._wait_for_threads()
        try:
            descriptor = self._opened()
            deadline = self._clock.now() + timedelta(seconds=self._patience)
            try:
                while not _locked(descriptor):
                    if self._clock.now() >= deadline:
                        raise self._never_mine()
                    self._clock.wait(threading.Event(), _LOOK)
                if apart > 0:
                    self._keep_distance(descriptor, apart)
                yield descriptor
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would leave it with whoever inherited it
                os.close(descriptor)
        finally:
            self._mine.release()

    def _wait_for_threads(self) -> None:
        for _ in range(_MOST_PATIENCE):
            had = self._had
            if self._mine.acquire(timeout=self._patience):
                self._had += 1
                return
            if self._had == had:
                break
        raise self._never_mine()

    def _opened(self) -> int:
        try:
            return os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            problem = f"the turn at the switch {self._switch} cannot be had"
            raise PowerUnreachable(problem, tried=f"open {self._file}", seen=error.strerror) from error

    def _keep_distance(self, descriptor: int, apart: float) -> None:
        text = os.read(descriptor, 64).decode("ascii", "replace")
        with contextlib.suppress(ValueError, TypeError):  # TypeError: an instant of no time zone
            left = apart - (self._clock.now() - datetime.fromisoformat(text)).total_seconds()
            if 0 < left <= apart:
                self._clock.wait(threading.Event(), left)
        with contextlib.suppress(OSError):  # a full disk costs the next phone its distance, and none its power
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, self._clock.now().astimezone(UTC).isoformat().encode())

    def _never_mine(self) -> PowerUnreachable:
        return PowerUnreachable(
            "others speak with the switch without an end", tried=f"wait {self._patience:g} s for it", seen=self._switch
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
