"""A port of the virtual switch, and the phone on it.

Power on: the phone's program starts as the first process of a namespace of its own, with nothing but
its link and its flash folder. Power off: the kernel kills every process of the phone, whatever it is
doing, and the link goes; only then does the port report that it delivers nothing.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from hil.virtual.namespaces import CLONE_NEWNET, CLONE_NEWPID, drop_link, fresh, ip


class Detection(IntEnum):
    """The values of pethPsePortDetectionStatus (RFC 3621) that this switch shows."""

    DISABLED = 1
    SEARCHING = 2
    DELIVERING_POWER = 3


@dataclass(frozen=True)
class PortConfig:
    """What hangs on a port: phone's name and MAC, its program with arguments, its flash folder."""

    phone: str
    group: int
    port: int
    mac: str
    program: tuple[str, ...]
    flash: str

    @property
    def index(self) -> tuple[int, int]:
        """Group and port."""
        return self.group, self.port

    @property
    def link(self) -> str:
        """The port's interface in the switch."""
        return f"p{self.group}.{self.port}"[:15]


class Port:
    """One PSE port; `changed` is called when the admin state was set, before power follows it."""

    def __init__(self, config: PortConfig, *, admin: bool, changed: Callable[[], None]) -> None:
        self.config = config
        self.stuck = False
        self._admin = admin
        self._changed = changed
        self._process: subprocess.Popen[bytes] | None = None
        self._wake = asyncio.Event()
        self._at_rest = asyncio.Event()

    @property
    def admin(self) -> bool:
        return self._admin

    @property
    def detection(self) -> int:
        if self._process is not None:
            return Detection.DELIVERING_POWER
        return Detection.SEARCHING if self._admin else Detection.DISABLED

    @property
    def pid(self) -> int | None:
        """The phone's first process."""
        return self._process.pid if self._process else None

    def set_admin(self, on: bool) -> None:
        self._admin = on
        self._changed()
        self.wake()

    def wake(self) -> None:
        """Look again at what the port should do."""
        self._at_rest.clear()
        self._wake.set()

    async def at_rest(self) -> None:
        """Wait until the power has followed the admin state."""
        await self._at_rest.wait()

    async def follow(self) -> None:
        """Let the power follow the admin state, for ever."""
        self.wake()
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self.stuck:
                continue
            if self._admin and self._process is None:
                self._power_on()
            elif not self._admin and self._process is not None:
                await self._power_off(self._process)
            if not self._wake.is_set():
                self._at_rest.set()

    async def stop(self) -> None:
        """Take the power away for good; the admin state, being the switch's memory, stays as it is."""
        if self._process is not None:
            await self._power_off(self._process)

    def _power_on(self) -> None:
        config = self.config
        with fresh(CLONE_NEWNET) as home:
            network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            pair = f"link add eth0 address {config.mac} type veth peer name {config.link} netns /proc/self/fd/{home}"
            ip("link set lo up", pair, "link set eth0 up gso_max_segs 1", pass_fds=[home])
            with fresh(CLONE_NEWPID), (Path(config.flash).parent / "console.log").open("ab") as console:
                self._process = subprocess.Popen(
                    config.program,
                    cwd=config.flash,
                    env=_environment(config.flash),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        try:
            ip(f"link set {config.link} master br0 up gso_max_segs 1")
        finally:
            os.close(network)  # held till now, since the link would be gone with a phone that ended at once

    async def _power_off(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        await ended(process)
        drop_link(self.config.link)
        self._process = None


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait until a child of this process has ended, without the threads that asyncio would start for that."""
    if process.poll() is not None:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    watched = os.pidfd_open(process.pid)
    loop.add_reader(watched, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)
    process.wait()


def _environment(flash: str) -> dict[str, str]:
    """A phone knows nothing of who started the bench."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": flash, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
