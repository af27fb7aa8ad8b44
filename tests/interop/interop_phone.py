"""The virtual phone as a client: a process in a network of its own, which boots and enrols up to three profiles at once."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from interop_peers import Ran
from interop_seats import GATEWAY, PYTHON, Seat, Servers, must

from hil.services.dhcp import DhcpPlan, Dnsmasq
from hil.settings.catalog import for_slot
from hil.settings.writer import settings_file, upgrade_file

NAME = "virtual phone"
MAC, SERIAL, ADDRESS = "c8:1f:ea:83:e8:5a", "19WZ1234567A", "10.66.0.50"
CABLE = "rig0"
_FIRMWARE = "4.1.3.0.6"
_PHONE_SECONDS = "60"  # in one real second
_BOOT_WITHIN = 60.0


class PhoneRig:
    """A phone on the cable, with DHCP; its settings come from the lab. A context manager."""

    def __init__(self, servers: Servers, folder: Path, network: int) -> None:
        folder.mkdir(exist_ok=True)
        self._servers = servers
        self._folder = folder
        self._enter = ["nsenter", f"--net=/proc/{network}/ns/net"]
        plan = DhcpPlan(
            interface=CABLE,
            server_address=GATEWAY,
            network=IPv4Network("10.66.0.0/24"),
            hosts={MAC: (ADDRESS, "phone")},
            http_port=servers.lab.http_port,
            lease_file=folder / "leases",
        )
        self._dhcp = Dnsmasq(plan, servers.lab.events)

    def __enter__(self) -> PhoneRig:
        self._dhcp.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._dhcp.stop()

    def boot(self, profiles: Sequence[tuple[Seat, str]], name: str) -> list[Ran]:
        """How each profile fared that has this seat and this password; `name` tells the boots apart."""
        values: dict[str, str] = {"SNTPSRVR": GATEWAY}
        for slot, (seat, password) in enumerate(profiles, 1):
            wanted = {"MYCERTURL": seat.url, "MYCERTDN": "/C=US/O=Lab", "SCEPPASSWORD": password, "SCEPENCALG": "1"}
            values |= {for_slot(base, slot): value for base, value in wanted.items()}
        files = {"J100Supgrade.txt": upgrade_file(), "46xxsettings.txt": settings_file(values)}
        self._servers.lab.publish("phone", "/", files)
        flash = self._folder / name
        said = self._power_cycle(flash)
        return [_fared(slot, said, flash) for slot in range(1, len(profiles) + 1)]

    def _power_cycle(self, flash: Path) -> list[str]:
        label = ["--model", "J179", "--mac", MAC, "--serial", SERIAL, "--firmware", _FIRMWARE]
        pace = ["--rate", _PHONE_SECONDS, "--boot-delay", "1", "--interface", "eth0"]
        command = [*self._enter, PYTHON, "-m", "hil.virtual.phone", *label, *pace, "--flash", str(flash)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as phone:
            watch = threading.Timer(_BOOT_WITHIN, phone.kill)
            watch.start()
            assert phone.stderr is not None
            lines = []
            for line in phone.stderr:
                lines.append(line)
                if "boot finished" in line:
                    break
            watch.cancel()
            phone.kill()
        return lines


@contextlib.contextmanager
def cable() -> Iterator[int]:
    """A cable from this network, where `GATEWAY` is its address, to a phone's; the pid of a process in the phone's network."""
    with _keeper_of_a_network() as keeper:
        must("ip", "link", "add", CABLE, "type", "veth", "peer", "name", "eth0", "address", MAC)
        must("ip", "addr", "add", f"{GATEWAY}/24", "dev", CABLE)
        must("ip", "link", "set", CABLE, "up")
        must("ip", "link", "set", "eth0", "netns", str(keeper))
        must("nsenter", f"--net=/proc/{keeper}/ns/net", "ip", "link", "set", "eth0", "up")
        yield keeper


@contextlib.contextmanager
def _keeper_of_a_network() -> Iterator[int]:
    """The pid of a process that does nothing but live in a network of its own."""
    keeper = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo there; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        assert keeper.stdout.readline() == b"there\n"
        yield keeper.pid
    finally:
        keeper.stdin.close()
        keeper.wait(10)
        keeper.stdout.close()


def _fared(slot: int, said: Sequence[str], flash: Path) -> Ran:
    own = [line for line in said if f"profile {slot}:" in line]
    held = flash / f"profile-{slot}.json"
    certificate, key = flash / f"profile-{slot}.pem", flash / f"profile-{slot}.key"
    if held.exists():
        stored: Mapping[str, str] = json.loads(held.read_text())
        certificate.write_text(stored["certificate"])
        key.write_text(stored["key"])
    return Ran(0 if held.exists() else 1, "".join(own), certificate, key)
