"""Every way of power on its simulator: what its testbed says, and how the simulator is told to misbehave."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest
import serial
from power_simulators.box import Box, Mischief
from power_simulators.desk import Desk
from power_simulators.relay_boxes import BOXES
from power_simulators.snmp_switch import COMMUNITY, KEY, PRIVACY, SnmpSwitch
from power_simulators.snmp_switch import USER as SNMP_USER
from power_simulators.terminals import Person, RelayBoxOnUsb

from hil.bench.power import PowerPort, PowerSwitch, Wiring
from hil.bench.power.ways import find_way
from hil.clock import Clock, ManualClock
from hil.virtual.command_line.console import ConsoleSwitch
from hil.virtual.command_line.houses import CISCO
from hil.virtual.command_line.session import Access, Rebooted, Refused
from hil.virtual.command_line.ssh import SshSwitch

ACCESS = Access(user="bench", password="w0rd-of-the-bench", enable="enable-w0rd")

SECRETS = {
    "RIG_COMMUNITY": COMMUNITY,
    "RIG_AUTHENTICATION": KEY,
    "RIG_PRIVACY": PRIVACY,
    "RIG_PASSWORD": ACCESS.password,
    "RIG_ENABLE": ACCESS.enable,
}
PHONES = ("one", "two")
AMPLE = 20.0
"""Real seconds for an answer that comes."""
SHORT = 0.6
"""Real seconds for one that does not."""


@dataclass
class Rig:
    """A way of power at work: `power` and `outlets` stand so in a testbed; `names` are the box's own for the outlets."""

    power: dict[str, Any]
    outlets: tuple[dict[str, Any], dict[str, Any]]
    box: Box
    names: tuple[str, str]
    folder: Path
    still: Callable[[bool], None] = lambda _: None
    full: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    is_idle: Callable[[], bool] = lambda: True
    clock: Clock = field(default_factory=ManualClock)
    way: str = ""

    @contextlib.contextmanager
    def wrong(self, how: Mischief) -> Iterator[None]:
        """Let the simulator be wrong for a while."""
        self.box.mischief = how
        self.still(how is Mischief.SILENT)
        try:
            with self.full() if how is Mischief.FULL else contextlib.nullcontext():
                yield
        finally:
            self.box.mischief = Mischief.NONE
            self.still(False)

    @contextlib.contextmanager
    def connected(
        self, *, off_time: float = 5.0, timeout: float = AMPLE, **more: object
    ) -> Iterator[tuple[PowerPort, PowerPort]]:
        """The outlets of both phones, over a clock that stands still unless somebody waits."""
        switch = self.switch(off_time=off_time, timeout=timeout, **more)
        try:
            one, two = (switch.port(self._outlet(at), bench="lab", phone=PHONES[at]) for at in (0, 1))
            yield one, two
        finally:
            switch.close()

    def switch(self, *, off_time: float = 5.0, timeout: float = AMPLE, **more: object) -> PowerSwitch:
        """The switch, connected to."""
        way = find_way(self.power["kind"], file=self.folder / "lab.yaml")
        patience = "patience" if self.power["kind"] == "manual" else "timeout"
        settings = way.settings.model_validate({**self.power, patience: timeout, "poll": 1.0, "limit": 3.0, **more})
        wiring = Wiring(self.clock, off_time, str(self.folder), str(self.folder / "lab.yaml"), turns=self.folder)
        return way.connect(settings, wiring)

    def _outlet(self, at: int) -> Any:
        return find_way(self.power["kind"], file=self.folder / "lab.yaml").outlet.model_validate(self.outlets[at])


@contextlib.contextmanager
def _snmp(folder: Path, access: dict[str, Any]) -> Iterator[Rig]:
    if shutil.which("snmpd", path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
        pytest.skip("the program snmpd is not installed")
    box = Box(("1.1", "1.2"))
    with SnmpSwitch(folder, box) as switch:
        power = {"kind": "snmp", "address": "127.0.0.1", "port": switch.port, "retries": 1, **access}
        yield Rig(power, ({"port": 1}, {"port": 2}), box, ("1.1", "1.2"), folder, still=switch.pause)


@contextlib.contextmanager
def snmp_v2c(folder: Path) -> Iterator[Rig]:
    """SNMPv2c, with a column that measures."""
    with _snmp(folder, {"version": "v2c", "community_env": "RIG_COMMUNITY", "meter": "cisco"}) as rig:
        yield rig


@contextlib.contextmanager
def snmp_v3(folder: Path) -> Iterator[Rig]:
    """SNMPv3, authenticated and private."""
    access = {"version": "v3", "user": SNMP_USER, "authentication_env": "RIG_AUTHENTICATION", "privacy_env": "RIG_PRIVACY"}
    with _snmp(folder, access) as rig:
        yield rig


COMMAND_LINE = {
    "dialect": "cisco-ios",
    "user": ACCESS.user,
    "password_env": "RIG_PASSWORD",
    "enable_env": "RIG_ENABLE",
    "busy_wait": 1.0,
}


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[Rig]:
    """A Cisco switch with one session to give, by SSH."""
    names = (CISCO.port, CISCO.other_port)
    box = Box(names)
    with SshSwitch(CISCO, box, ACCESS) as switch:
        switch.known_as(folder / "known_hosts")
        power = {"kind": "ssh", "address": "127.0.0.1", "port": switch.port, "known_hosts": "known_hosts", **COMMAND_LINE}
        outlets = ({"port": names[0]}, {"port": names[1]})
        be_still = functools.partial(setattr, switch, "mute")
        yield Rig(power, outlets, box, names, folder, be_still, switch.taken_up, switch.is_idle)


@contextlib.contextmanager
def serial_console(folder: Path) -> Iterator[Rig]:
    """The same switch at its console."""
    names = (CISCO.port, CISCO.other_port)
    box = Box(names)
    with ConsoleSwitch(CISCO, box, ACCESS) as switch:
        power = {"kind": "serial", "device": switch.device, **COMMAND_LINE}
        outlets = ({"port": names[0]}, {"port": names[1]})
        be_still = functools.partial(setattr, switch, "mute")
        yield Rig(power, outlets, box, names, folder, be_still, held(switch.device), switch.is_idle)


@contextlib.contextmanager
def usb_relay(folder: Path) -> Iterator[Rig]:
    """A box of relays."""
    box = Box(("0", "1"))
    with RelayBoxOnUsb(box, BOXES["numato"]) as relays:
        power = {"kind": "relay", "device": relays.device, "protocol": "numato"}
        yield Rig(power, ({"relay": 0}, {"relay": 1}), box, ("0", "1"), folder, full=held(relays.device))


def held(device: str) -> Callable[[], AbstractContextManager[object]]:
    """Another program that has a serial port."""
    return lambda: serial.Serial(device, exclusive=True)


@contextlib.contextmanager
def command(folder: Path) -> Iterator[Rig]:
    """A program of the site."""
    box = Box(("desk-1", "desk-2"))

    def answer(words: str) -> str:
        what, outlet = words.split()
        if box.mischief is Mischief.SILENT:
            return "silent"
        try:
            if what != "status":
                box.order(outlet, what == "on")
            return f"{outlet} is {'on' if box.look(outlet)[1] else 'off'}"
        except Refused:
            return "error: the socket is locked"
        except Rebooted:
            return "killed"

    with Desk(folder / "site", answer) as desk:
        keys = {"turn_on": "on", "turn_off": "off", "status": "status"}
        words = {key: [*desk.command, what, "{outlet}"] for key, what in keys.items()}
        outlets = ({"outlet": "desk-1"}, {"outlet": "desk-2"})
        yield Rig({"kind": "command", **words}, outlets, box, ("desk-1", "desk-2"), folder)


@contextlib.contextmanager
def person(folder: Path) -> Iterator[Rig]:
    """Somebody at the bench."""
    names = ("adapter under desk 1", "adapter under desk 2")
    box = Box(names)
    with Person(box) as somebody:
        yield Rig({"kind": "manual", "terminal": somebody.device}, ({"where": names[0]}, {"where": names[1]}), box, names, folder)


RIGS: dict[str, Callable[[Path], AbstractContextManager[Rig]]] = {
    "SNMP v2c": snmp_v2c,
    "SNMP v3": snmp_v3,
    "SSH": ssh,
    "serial": serial_console,
    "relay": usb_relay,
    "command": command,
    "person": person,
}


def new_key(file: Path) -> paramiko.PKey:
    """A private key of a user, in a file of mode 600."""
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(file))
    return key
