"""A serial port that is ours alone while it is open."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import serial

from hil.bench.power.readback import NoAnswer, NoSession, Trouble

_LOOK = 0.05
"""Real seconds that one read waits at most."""


@contextlib.contextmanager
def open_serial(device: str, *, baud: int, timeout: float) -> Iterator[serial.Serial]:
    """The port, with `timeout` for writes; `NoSession` where another program has it, `NoAnswer` where it is not there."""
    try:
        port = serial.Serial(device, baud, timeout=_LOOK, write_timeout=timeout, exclusive=True)
    except (OSError, serial.SerialException) as error:
        raise not_opened(device, error) from error
    try:
        yield port
    finally:
        with contextlib.suppress(OSError, serial.SerialException):
            port.close()


def not_opened(device: str, error: OSError) -> Trouble:
    """What it means that `device` could not be opened."""
    if error.errno in (errno.EAGAIN, errno.EBUSY):
        return NoSession(f"another program has {device}")
    return NoAnswer(f"{device} cannot be opened: {error.strerror or error}")
