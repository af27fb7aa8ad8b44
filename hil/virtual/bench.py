"""The virtual bench: real packets between network namespaces, a switch with a real management, phones that lose their power.

The process that opens it becomes the bench's PC. Everything else is started by the virtual switch, a
process of its own that ends, with all it started, when this one does.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.bench.claim import Use
from hil.bench.outlets import Outlets
from hil.bench.power import PowerPort
from hil.bench.power.journal import PortOff
from hil.bench.secrets import read_secret
from hil.bench.state import RADIUS_SECRET, make_private, standing_secret
from hil.bench.tables import Tables
from hil.bench.testbed import Phone, Testbed
from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.virtual.authenticator import RadiusConfig
from hil.virtual.clock import PhoneClock
from hil.virtual.namespaces import become_bench_pc, drop_link, init_of_fresh_pid_namespace, ip, program
from hil.virtual.offer import Offer, offer_of
from hil.virtual.port import PortConfig
from hil.virtual.switch import Misbehaviour, SwitchConfig

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_WITHIN = 60.0
_LLDP_EVERY = 30.0
"""Seconds, as IEEE 802.1AB recommends, in the time of the phones: they are switched off before real ones have passed."""

Program = Callable[[Phone, Path, float], Sequence[str]]


def phone_program(phone: Phone, flash: Path, rate: float) -> list[str]:
    """Command line of the virtual phone that plays `phone` with `flash`, in time that runs `rate` times as fast."""
    if phone.virtual is None:
        raise Misuse(f"phone {phone.name} is not a virtual one", key="virtual", remedy="say what it plays")
    virtual = phone.virtual
    # fmt: off
    command = [
        sys.executable, "-P", "-m", "hil.virtual.phone", "--model", phone.model, "--mac", phone.mac, "--serial", phone.serial,
        "--firmware", virtual.firmware, "--flash", str(flash), "--interface", "eth0", "--rate", f"{rate:g}",
        "--bench", str(flash.parent), "--boot-delay", f"{virtual.boot_delay:g}",
    ]
    # fmt: on
    for option, names in (("--variant", virtual.variants), ("--defect", virtual.defects)):
        command += [word for name in names for word in (option, name)]
    return command


class VirtualBench:
    """A `Bench` without hardware. `program` is what runs as a phone, in a network of its own where `eth0` is up.

    Whatever it is used for, it is one's own as a whole: its switch is made when it is opened. `cables` is for wrong ones:
    whose outlet a phone really hangs on, by the names of both.
    """

    def __init__(
        self,
        testbed: Testbed,
        use: Use | None = None,
        *,
        program: Program = phone_program,
        cables: Mapping[str, str] | None = None,
    ) -> None:
        self.testbed = testbed
        self.clock = ScaledClock(testbed.rate)
        self._clocks: dict[str, PhoneClock] = {}
        self._program = program
        self._cables = cables or {}
        self._outlets = Outlets(testbed, replace(use or Use(), whole=True))
        self._process: subprocess.Popen[bytes] | None = None
        self._channel = threading.Lock()

    @property
    def state(self) -> Path:
        return self._outlets.state

    @property
    def capture_interface(self) -> str:
        return self.testbed.network.interface

    def open(self) -> None:
        """Also moves this process into the bench's network; see `hil.virtual.namespaces.become_bench_pc`."""
        word_file = self.state / "community"
        offer = offer_of(self.testbed, word_file)
        for name in ("ip", "bridge", "unshare", *(["snmpd"] if offer.snmp_port else [])):
            program(name)
        self._outlets.take()
        try:
            become_bench_pc()
            word = read_secret(standing_secret(word_file), named_by="the virtual bench")
            config = self._config(offer, word_file)
            self._start_switch(config)
            network = self.testbed.network
            ip(
                f"address add {network.address}/{network.prefix} dev {network.interface}",
                f"link set {network.interface} up gso_max_segs 1",
            )
            self._outlets.connect(word=word, folder=Path(config.folder))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        process, self._process = self._process, None
        try:
            if process is not None:
                _end(process)
                drop_link(self.testbed.network.interface)
        finally:
            self._outlets.close()

    def power(self, phone: str) -> PowerPort:
        return self._outlets.port(phone)

    def tables(self) -> Tables:
        return self._outlets.tables()

    def recover(self) -> tuple[PortOff, ...]:
        for phone in self.testbed.phones:
            self._ask("guard", (phone.name, False))
        return self._outlets.recover()

    def require_8021x(self, phone: str, required: bool) -> None:
        name = self.testbed.phone(phone).name
        fault = self._ask("guard", (name, required))
        if fault is not None:
            raise LabFault("the port cannot ask for 802.1X", bench=self.testbed.name, phone=name, seen=str(fault))

    def clock_of(self, phone: str, /) -> PhoneClock:
        if phone not in self._clocks:
            folder = make_private(self.flash(phone)).parent
            self._clocks[phone] = PhoneClock(self.testbed.rate, self.clock.paces[0].real, folder)
        return self._clocks[phone]

    def flash(self, phone: str) -> Path:
        """Folder that is the flash memory of the phone of that name."""
        return self.state / "phones" / self.testbed.phone(phone).name / "flash"

    def misbehave(self, how: Misbehaviour) -> None:
        """Make the switch wrong in one way, or right again."""
        self._ask("misbehave", how.value)

    def stop_agent(self) -> None:
        """Kill what the switch is managed by; its ports keep their state."""
        self._ask("agent", "stop")

    def start_agent(self) -> None:
        """Start it again."""
        self._ask("agent", "start")

    def pids(self) -> dict[str, int | None]:
        """First process of each phone (None without power), and `snmpd` or `command-line`, as this process sees them."""
        answer = self._ask("pids", None)
        return {str(name): pid for name, pid in answer.items()}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _config(self, offer: Offer, word_file: Path) -> SwitchConfig:
        ports = []
        for phone in self.testbed.phones:
            flash = make_private(self.flash(phone.name))
            (flash.parent / "console.log").unlink(missing_ok=True)
            program = tuple(self._program(phone, flash, self.testbed.rate))
            ports.append(
                PortConfig(phone.name, *offer.ports[self._cables.get(phone.name, phone.name)], phone.mac, program, str(flash))
            )
        network = self.testbed.network
        return SwitchConfig(
            folder=str(make_private(self.state / "switch")),
            pc=os.getpid(),
            interface=network.interface,
            address=offer.address,
            prefix=network.prefix,
            snmp_port=offer.snmp_port,
            community_file=str(word_file),
            ports=tuple(ports),
            command_line=offer.command_line,
            radius=self._radius(),
            lldp_interval=max(_LLDP_EVERY / self.testbed.rate, 1.0),
        )

    def _radius(self) -> RadiusConfig | None:
        network = self.testbed.network
        if network.radius is None:
            return None
        program("hostapd")
        return RadiusConfig(str(network.address), network.radius.port, str(standing_secret(self.state / RADIUS_SECRET)))

    def _start_switch(self, config: SwitchConfig) -> None:
        drop_link(config.interface)
        file = Path(config.folder) / "config.json"
        file.write_text(config.to_json())
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        with (Path(config.folder) / "switch.log").open("wb") as log:
            self._process = subprocess.Popen(
                init_of_fresh_pid_namespace([sys.executable, "-P", "-m", "hil.virtual.switch", str(file)]),
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this process, which may still want to restore power
            )
        self._reply("ready")

    def _ask(self, name: str, value: str | tuple[str, bool] | None) -> Any:
        with self._channel:
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps({name: value}).encode() + b"\n")
            process.stdin.flush()
            return self._reply(name)

    def _reply(self, name: str) -> Any:
        """The switch's next line, which answers `name`."""
        process = self._running()
        assert process.stdout is not None
        heard = select.select([process.stdout], [], [], _ANSWER_WITHIN)[0]
        line = process.stdout.readline() if heard else b""
        if not line:
            log = (self.state / "switch" / "switch.log").read_text(errors="replace")
            seen = " ".join(log.split())[-600:] or "nothing"
            raise LabFault("the virtual switch does not answer", bench=self.testbed.name, tried=name, seen=seen)
        return json.loads(line)[name]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise Misuse(f"bench {self.testbed.name} is not open", remedy="open it first")
        return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the switch end by itself; kill it if it does not, which takes all that it started with it."""
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
