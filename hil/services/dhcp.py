"""Addresses for the phones of a bench, from a real dnsmasq that this process starts and ends."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.events import EventStream

LEASE = 42 * 86_400
"""Seconds. A J100 refuses an offer without a lease time; its guide advises six weeks (J100 guide R4.0, DHCP)."""

_PATIENCE = 10.0
_STARTED = "sockets bound exclusively to interface"
_ACK = re.compile(r"DHCPACK\(\S+\) (?P<ip>[\d.]+) (?P<mac>[0-9a-f:]{17})(?: (?P<name>\S+))?\s*$")


@dataclass(frozen=True)
class DhcpPlan:
    """What dnsmasq is to do: hosts are MAC (`c8:1f:ea:83:e8:5a`) to (IPv4 address, device name); nobody else is served."""

    interface: str
    server_address: str
    network: IPv4Network
    hosts: Mapping[str, tuple[str, str]]
    option_242: str
    lease_file: Path
    time_server: str | None = None
    lease: int = LEASE
    program: str = field(default="dnsmasq")

    def command(self) -> list[str]:
        """The command line; group and user stay as they are, so that it runs in a user namespace too."""
        reservations = [f"--dhcp-host={mac},{ip},{_host_name(name)}" for mac, (ip, name) in self.hosts.items()]
        clock = [f"--dhcp-option=42,{self.time_server}"] if self.time_server else []
        return [
            self.program,
            *("--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=", "--pid-file="),
            *("--port=0", "--no-resolv", "--no-hosts", "--no-ping", "--log-facility=-"),
            *("--bind-interfaces", f"--interface={self.interface}", "--except-interface=lo"),
            *("--dhcp-authoritative", f"--dhcp-leasefile={self.lease_file}"),
            f"--dhcp-range={self.network.network_address},static,{self.network.netmask},{self.lease}",
            f"--dhcp-option=3,{self.server_address}",
            f"--dhcp-option-force=242,{self.option_242}",
            *clock,
            *reservations,
        ]


@dataclass(frozen=True)
class Ack:
    """A lease that dnsmasq confirmed: to which MAC, which IPv4 address, under which host name."""

    mac: str
    ip: str
    name: str | None


def read_ack(line: str) -> Ack | None:
    """The DHCPACK that a line of dnsmasq's log tells of, None for every other line."""
    match = _ACK.search(line)
    return Ack(match["mac"], match["ip"], match["name"]) if match else None


class Dnsmasq:
    """The running server; a context manager. It ends with this process, whatever ends that."""

    def __init__(self, plan: DhcpPlan, events: EventStream) -> None:
        self._plan = plan
        self._events = events
        self._process: subprocess.Popen[str] | None = None
        self._keeper: threading.Thread | None = None
        self._ending = threading.Event()

    def __enter__(self) -> Dnsmasq:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Return once dnsmasq listens on its interface; raises LabFault with its last words where it does not."""
        self._ending.clear()
        outcome: queue.Queue[str | None] = queue.Queue()
        self._keeper = threading.Thread(target=self._keep, args=(outcome,), name="dnsmasq", daemon=True)
        self._keeper.start()
        try:
            failure = outcome.get(timeout=_PATIENCE)
        except queue.Empty:
            failure = f"it does not listen after {_PATIENCE:g} s"
        if failure is not None:
            self.stop()
            raise LabFault("dnsmasq does not serve", port=self._plan.interface, tried="start it", seen=failure)

    def stop(self) -> None:
        """End it and return once it is gone."""
        self._ending.set()
        process, keeper = self._process, self._keeper
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        if keeper is not None:
            keeper.join(_PATIENCE)
        self._process = self._keeper = None

    def _keep(self, outcome: queue.Queue[str | None]) -> None:
        """Start dnsmasq and read its log to the end; the kernel ends dnsmasq when this thread is gone."""
        command = ["setpriv", "--pdeathsig", "TERM", "--", *self._plan.command()]
        last_words: deque[str] = deque(maxlen=3)
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
        except OSError as error:
            outcome.put(str(error))
            return
        self._process = process
        assert process.stderr is not None
        with process.stderr as log:
            for line in log:
                last_words.append(line.strip())
                if _STARTED in line:
                    outcome.put(None)
                self._note_lease(line)
        status = process.wait()
        outcome.put(f"exit status {status}: {' | '.join(last_words)}")
        if not self._ending.is_set():
            self._events.publish(EventName.FAULT, text=f"dnsmasq ended: {' | '.join(last_words)}", status=status)

    def _note_lease(self, line: str) -> None:
        ack = read_ack(line)
        if ack is not None:
            _, device = self._plan.hosts.get(ack.mac, ("", None))
            self._events.publish(EventName.LEASE, device=device, mac=ack.mac, ip=ack.ip, name=ack.name)


def _host_name(device: str) -> str:
    """`device` as a DHCP host name: a dot in it would begin a domain."""
    return device.replace(".", "-")
