"""The time of one virtual phone: what it and the bench tell each other of it, by two files and a pipe."""

from __future__ import annotations

import errno
import os
import time
from datetime import datetime, timedelta
from pathlib import Path

from hil.clock import ScaledClock


class PhoneClock(ScaledClock):
    """Phone time that leaps over what neither the phone nor anybody in this process has plans for.

    The bench appends a line to `leaps` for each: the monotonic instant, which all processes share,
    and the phone seconds, and then a byte to the pipe `leapt`, which wakes the phone. The phone keeps in
    `wakes` when it last fell asleep, monotonic, and for how many phone seconds, `inf` for ever; there is
    no such file while it is awake.
    """

    def __init__(self, rate: float, epoch: datetime, folder: Path) -> None:
        super().__init__(rate, epoch)
        self._leaps, self._leapt, self._phone = folder / "leaps", folder / "leapt", folder / "wakes"
        for file in (self._leaps, self._leapt, self._phone):
            file.unlink(missing_ok=True)

    def idle_until(self) -> datetime | None:
        phone, here = self._phone_wakes(), self._sharers_wake
        return None if phone is None or here is None else min(phone, here)

    def power_is_off(self) -> None:
        self._phone.unlink(missing_ok=True)

    def _phone_wakes(self) -> datetime | None:
        try:
            since, span = map(float, self._phone.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        if time.monotonic() - since < _STILL_HEARD:
            return None
        return self._at(since) + timedelta(seconds=min(span, _FOR_EVER))

    def _leap(self, span: float) -> float:
        since = super()._leap(span)
        with self._leaps.open("a") as file:
            file.write(f"{since!r} {span!r}\n")
        self._wake_phone()
        return since

    def _wake_phone(self) -> None:
        try:
            with os.fdopen(os.open(self._leapt, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0) as leapt:
                leapt.write(b"\n")
        except OSError as error:
            if error.errno not in _NOBODY_THERE:
                raise


_FOR_EVER = 3e9
_NOBODY_THERE = (errno.ENOENT, errno.ENXIO, errno.EPIPE)
"""What writing to the pipe of a phone without power comes to."""

_STILL_HEARD = 0.03
"""Real seconds for which what the phone said before it fell asleep may be on its way."""
