"""The virtual bench: real packets between network namespaces, a real SNMP agent, phones that lose their power.

The process that opens it becomes the bench's PC. Everything else is started by the virtual switch, a
process of its own that ends, with all it started, when this one does.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.bench.outlets import Outlets
from hil.bench.power import PowerPort
from hil.bench.power.journal import PortOff
from hil.bench.power.snmp import SnmpOutlet, SnmpSettings, read_secret
from hil.bench.state import make_private
from hil.bench.testbed import Phone, Testbed
from hil.clock import ScaledClock
from hil.errors import LabFault, Misuse
from hil.virtual.clock import PhoneClock
from hil.virtual.namespaces import become_bench_pc, drop_link, init_of_fresh_pid_namespace, ip, program
from hil.virtual.port import PortConfig
from hil.virtual.switch import Misbehaviour, SwitchConfig

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_WITHIN = 60.0

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
    """A `Bench` without hardware. `program` is what runs as a phone, in a network of its own where `eth0` is up."""

    def __init__(self, testbed: Testbed, *, program: Program = phone_program) -> None:
        self.testbed = testbed
        self.clock = ScaledClock(testbed.rate)
        self._clocks: dict[str, PhoneClock] = {}
        self._program = program
        self._outlets = Outlets(testbed)
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
        settings = self._settings()
        for name in ("ip", "unshare", "snmpd"):
            program(name)
        self._outlets.take()
        try:
            become_bench_pc()
            community_file = self._community_file()
            self._start_switch(self._config(settings, community_file))
            network = self.testbed.network
            ip(
                f"address add {network.address}/{network.prefix} dev {network.interface}",
                f"link set {network.interface} up gso_max_segs 1",
            )
            self._outlets.connect(read_secret(community_file, named_by="the virtual bench"))
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

    def recover(self) -> tuple[PortOff, ...]:
        return self._outlets.recover()

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
        """Kill the switch's snmpd; its ports keep their state."""
        self._ask("agent", "stop")

    def start_agent(self) -> None:
        """Start the switch's snmpd again."""
        self._ask("agent", "start")

    def pids(self) -> dict[str, int | None]:
        """First process of each phone by its name (None without power), and `snmpd`, as this process sees them."""
        answer = self._ask("pids", None)
        return {str(name): pid for name, pid in answer.items()}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _settings(self) -> SnmpSettings:
        power = self.testbed.power
        if not isinstance(power, SnmpSettings):
            file = self.testbed.file
            raise Misuse(f"a virtual switch is not switched by {power.kind}", file=file, key="power.kind", remedy="use snmp")
        return power

    def _community_file(self) -> Path:
        """A community that exists on this machine only, made the first time."""
        file = self.state / "community"
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(16) + "\n")
        return file

    def _config(self, settings: SnmpSettings, community_file: Path) -> SwitchConfig:
        ports = []
        for phone in self.testbed.phones:
            if not isinstance(phone.power, SnmpOutlet):
                raise TypeError(f"not an outlet of an SNMP switch: {phone.power!r}")
            flash = make_private(self.flash(phone.name))
            (flash.parent / "console.log").unlink(missing_ok=True)
            program = tuple(self._program(phone, flash, self.testbed.rate))
            ports.append(PortConfig(phone.name, phone.power.group, phone.power.port, phone.mac, program, str(flash)))
        network = self.testbed.network
        return SwitchConfig(
            folder=str(make_private(self.state / "switch")),
            pc=os.getpid(),
            interface=network.interface,
            address=settings.address,
            prefix=network.prefix,
            snmp_port=settings.port,
            community_file=str(community_file),
            ports=tuple(ports),
        )

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

    def _ask(self, name: str, value: str | None) -> Any:
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
