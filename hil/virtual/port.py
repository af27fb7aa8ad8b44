"""A port of the virtual switch, and the phone on it.

Power on: the phone's program starts as the first process of a namespace of its own, with nothing but
its link and its flash folder. Power off: the kernel kills every process of the phone, whatever it is
doing, and the link goes; only then does the port report that it delivers nothing.

A guarded port asks for 802.1X: it is no part of the bridge, and answers nothing itself, until the
authenticator on it lets the phone pass.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from hil.bench.tables import Neighbour
from hil.virtual.authenticator import Authenticator
from hil.virtual.lldp import LldpPort
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
        """The port's interface in the switch, which is there while the phone has power."""
        return self._named("p")

    @property
    def bridge(self) -> str:
        """The port's own bridge, which learns who is on it."""
        return self._named("b")

    @property
    def uplink(self) -> tuple[str, str]:
        """What joins that bridge and the switch's: its end there, and the switch's."""
        return self._named("u"), self._named("d")

    def _named(self, kind: str) -> str:
        return f"{kind}{self.group}.{self.port}"[:15]


Listen = Callable[[str], LldpPort]
"""Puts LLDP on a link."""

Post = Callable[[str, Callable[[bool], None], Callable[[str], None]], Authenticator]
"""Puts an authenticator on a link, given whom to tell what it decides and why it failed."""


class Port:
    """One PSE port; `changed` is called when its admin state or its guard was set, before power or bridge follow.

    `post` puts the authenticator on its link; a switch that knows no RADIUS server has none. `listen` lets it speak LLDP.
    """

    def __init__(
        self,
        config: PortConfig,
        *,
        admin: bool,
        guarded: bool,
        changed: Callable[[], None],
        listen: Listen,
        post: Post | None = None,
    ) -> None:
        self.config = config
        self.stuck = False
        self._admin = admin
        self._guarded = guarded
        self._changed = changed
        self._listen = listen
        self._lldp: LldpPort | None = None
        self._post = post
        self._authenticator: Authenticator | None = None
        self._guard_fault: str | None = None
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

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """Who announces itself on the port."""
        return self._lldp.neighbours if self._lldp else ()

    def set_admin(self, on: bool) -> None:
        self._admin = on
        self._changed()
        self.wake()

    @property
    def guarded(self) -> bool:
        """Whether the port asks for 802.1X."""
        return self._guarded

    def guard(self, on: bool) -> str | None:
        """Ask for 802.1X from now on, or no more; why the port could not ask since it was last told, None where it could."""
        if on and self._post is None:
            return "the switch knows no RADIUS server"
        fault, self._guard_fault = self._guard_fault, None
        if on != self._guarded:
            self._guarded = on
            self._changed()
            if self._process is not None:
                self._connect()
        return fault

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
            ip(f"link set {config.link} up gso_max_segs 1")
            self._lldp = self._listen(config.link)
            self._connect()
        finally:
            os.close(network)  # held till now, since the link would be gone with a phone that ended at once

    def _connect(self) -> None:
        """Join the phone's link to the bridge, or set the guard before it."""
        self._dismiss()
        self._open(not self._guarded)
        if self._guarded and self._post is not None:
            self._authenticator = self._post(self.config.link, self._open, self._lose_guard)

    def _open(self, opened: bool) -> None:
        ip(f"link set {self.config.link} {f'master {self.config.bridge} arp on' if opened else 'nomaster arp off'}")

    def _lose_guard(self, reason: str) -> None:
        self._guard_fault = reason
        self._open(False)

    def _dismiss(self) -> None:
        authenticator, self._authenticator = self._authenticator, None
        if authenticator is not None:
            authenticator.stop()

    async def _power_off(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        await ended(process)
        self._dismiss()
        lldp, self._lldp = self._lldp, None
        if lldp is not None:
            lldp.stop()
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
