"""The phone's firmware: which one it runs, how it takes another, and what is left of it when its power goes meanwhile.

The upgrade file names an image in APPNAME. One of another release is fetched, written to flash, and run after a restart of
the phone's own. Where the power goes while it writes, there is nothing left that could start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hil.virtual.phone import image, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.errors import NoAnswer
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.log import ERROR, Log
from hil.virtual.phone.unit import Unit

WRITES_FOR = 120.0  # phone seconds
_FETCH_TRIES = 5
_PAUSE = 5.0  # phone seconds


@dataclass(frozen=True)
class Running:
    """The release that starts with the power, what it does then, and whether it has not spoken with its file server yet."""

    release: str
    after: image.After = "comes-up"
    fresh: bool = False


def running(flash: Flash, shipped: str) -> Running | None:
    """What a phone runs that came with the release `shipped`; None where nothing of it starts any more."""
    held = flash.firmware()
    if flash.is_being_written():
        return None
    if held is None or held["shipped"] != shipped:  # another phone, with the same flash
        return Running(shipped)
    runs = Running(held["release"], held["after"], held["fresh"])
    return None if runs.after == "stays-dead" else runs


class Upgrade:
    """Takes another release where the upgrade file names one. `restart` does not come back."""

    def __init__(self, unit: Unit, shipped: str, flash: Flash, clock: Clock, log: Log, restart: Callable[[], None]) -> None:
        self._unit = unit
        self._shipped = shipped
        self._flash = flash
        self._clock = clock
        self._log = log
        self._restart = restart

    def take(self, name: str, folder: str) -> None:
        """Take the image `name` from the URL directory `folder`, where it is another release for this model."""
        told = image.named(name)
        if told is None or told[1] == self._unit.firmware:
            return
        file = self._fetch(f"{folder}{name}")
        if file is None:
            return
        found = image.read(file)
        if found is None or found.model != self._unit.model4:
            self._log.say("NETMGR", f"{name} is no firmware of a {self._unit.model4}", ERROR)
            return
        self._write(file, found)

    def _fetch(self, url: str) -> Path | None:
        """The image as a file; what was cut short is fetched on from there."""
        file = self._flash.folder / "image.part"
        file.unlink(missing_ok=True)
        for _ in range(_FETCH_TRIES):
            try:
                status = web.download(url, self._unit.user_agent, file)
            except NoAnswer as problem:
                self._log.say("NETMGR", str(problem), ERROR)
                self._clock.sleep(_PAUSE)
            else:
                self._log.say("NETMGR", f"firmware: HTTP {status}")
                return file if status in (200, 206) else None
        return None

    def _write(self, file: Path, found: image.Image) -> None:
        self._log.say("NETMGR", f"writing firmware {found.release}")
        self._flash.begin_writing()
        self._clock.sleep(WRITES_FOR)
        if image.is_whole(file, found):
            self._flash.keep_firmware(self._shipped, found.release, found.after)
        else:
            self._log.say("NETMGR", "the firmware in flash is damaged; the former stays", ERROR)
        self._flash.end_writing()
        self._log.say("NETMGR", "restarting after an upgrade")
        self._restart()
