"""Where the secrets of TLS connections are written, so that a capture can be read afterwards."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


class KeyLogs:
    """Which device's secrets go to which file; any thread may read and write it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file_of: dict[str, Path] = {}

    @contextmanager
    def to(self, file: Path, devices: Collection[str]) -> Iterator[None]:
        """Append to `file` (mode 600, format of SSLKEYLOGFILE) the secrets of each handshake that `devices` begin meanwhile."""
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
        with self._lock:
            self._file_of |= dict.fromkeys(devices, file)
        try:
            yield
        finally:
            with self._lock:
                for device in devices:
                    if self._file_of.get(device) == file:
                        del self._file_of[device]

    def file_of(self, device: str | None) -> Path | None:
        """Where a handshake of `device` that begins now is logged, if at all."""
        with self._lock:
            return self._file_of.get(device) if device else None
