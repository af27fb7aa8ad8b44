"""A bench's network in a namespace of its own: a bridge, and behind it labs with real dnsmasq, each in another namespace.

    python addressing_scenario.py FOLDER CASE...

prints for each case what was offered, what is wrong with it, and what `hil dhcp` says, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from hil.bench.bench import bench_for
from hil.bench.testbed import Testbed, load
from hil.campaign.addressing import ask, check, problems
from hil.campaign.opening import opened
from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.services.dhcp import DhcpPlan, Dnsmasq
from hil.services.events import EventStream
from hil.virtual.phone.dhcp import obtain
from hil.virtual.phone.unit import Unit

BENCH, MAC, ADDRESS = "10.9.0.1", "c8:1f:ea:00:00:01", "10.9.0.11"
PATIENCE = 2.0
"""Real seconds: dnsmasq is told not to try whether an address is free, and answers at once."""

_OWN = f"--dhcp-host={MAC},{ADDRESS}"
_RIGHT = f"--dhcp-option-force=242,HTTPSRVR={BENCH},HTTPPORT=8080"
_VENDOR = "43,01:04:00:00:1a:e9:02:08:31:30:2e:39:2e:30:2e:31:04:04:38:30:38:30"  # 6889, HTTPSRVR 10.9.0.1, HTTPPORT 8080

CASES: dict[str, tuple[bool, Sequence[Sequence[str]]]] = {
    "right": (False, [[_OWN, _RIGHT]]),
    "by option 43": (False, [[_OWN, f"--dhcp-option-force={_VENDOR}"]]),
    "nobody": (False, []),
    "two": (False, [[_OWN, _RIGHT], [_OWN, _RIGHT]]),
    "without option 242": (False, [[_OWN]]),
    "elsewhere": (False, [[_RIGHT.replace(BENCH, "10.9.0.77")]]),
    "another port": (False, [[_OWN, _RIGHT.replace(",HTTPPORT=8080", "")]]),
    "over TLS": (False, [[_OWN, f"{_RIGHT},TLSSRVR=10.9.0.77"]]),
    "alone": (True, []),
    "rival": (True, [[]]),
}
"""For each case whether the bench serves, and the options of each other server."""

OPENED = ("opened", "opened beside a rival")
"""Cases of a whole run's beginning: whether the bench is opened, and what a phone is then given."""


def testbed(folder: Path, *, serves: bool) -> Testbed:
    """A real bench of one phone on the bridge, whose power is always on."""
    network = {"interface": "bench", "address": BENCH, "http_port": 8080, "dhcp": serves}
    power = {"kind": "command", "turn_on": ["true", "{outlet}"], "turn_off": ["true", "{outlet}"]}
    power |= {"status": ["echo", "{outlet} on"], "shows_on": "on", "shows_off": "off"}
    phone = {"name": "j179-1", "model": "J179", "mac": MAC, "serial": "1", "address": ADDRESS, "reference": "127.77.1.1"}
    phone |= {"power": {"outlet": "1"}, "option_242": {"VLANTEST": "0"}}
    file = folder / f"{'own' if serves else 'lab'}.yaml"
    file.write_text(yaml.safe_dump({"name": "lab", "kind": "real", "network": network, "power": power, "phones": [phone]}))
    return load(file)


@contextmanager
def lab(number: int, options: Sequence[str]) -> Iterator[None]:
    """A real dnsmasq at 10.9.0.<100 + number>, in a namespace of its own behind the bridge."""
    address = f"10.9.0.{100 + number}"
    serve = (
        "dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --group= --pid-file= --no-resolv --no-hosts --no-ping "
        "--port=0 --log-facility=- --bind-interfaces --interface=lab --except-interface=lo --leasefile-ro "
        f"--dhcp-range=10.9.0.{50 + number},10.9.0.{50 + number},255.255.255.0,12h"
    )
    script = f'read go; ip addr add {address}/24 dev lab; ip link set lab up; exec {serve} "$@" 2>&1'
    command = ["unshare", "-n", "sh", "-c", script, "lab", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _cable(process.pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            assert any("sockets bound exclusively" in line for line in process.stdout), "dnsmasq does not start"
            yield
        finally:
            process.kill()  # with its namespace the cable goes, when the kernel has time for it


def _cable(pid: int) -> None:
    """A port of the bridge whose other end is the lab's, once its namespace is there."""
    own = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{pid}/ns/net").readlink() == own:
        pass
    port = f"port{pid}"
    ip(f"link add {port} type veth peer name lab netns {pid}")
    ip(f"link set {port} master bench up")


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


@contextmanager
def own_server(folder: Path) -> Iterator[None]:
    plan = DhcpPlan(
        interface="bench",
        server_address=BENCH,
        network=IPv4Network("10.9.0.0/24"),
        hosts={MAC: (ADDRESS, "j179-1")},
        http_port=8080,
        lease_file=folder / "leases",
    )
    with Dnsmasq(plan, EventStream(ScaledClock())):
        yield


def fault(described: Testbed) -> str | None:
    """Why a run would not start, None where it would."""
    try:
        check(described, patience=PATIENCE)
    except LabFault as refused:
        return str(refused)
    return None


def begin(folder: Path, case: str) -> dict[str, object]:
    """Open a real bench as a run does, and have a phone ask for its address, with the virtual phone's own DHCP client."""
    described = testbed(folder, serves=True)
    with ExitStack() as stack:
        if case != "opened":
            stack.enter_context(lab(0, []))
        try:
            stack.enter_context(opened(bench_for(described), folder / case))
        except LabFault as refused:
            return {"refused": str(refused)}
        ip("link add phone type veth peer name socket")
        ip("link set socket master bench up")
        ip("link set phone up")
        lease = obtain("phone", Unit("J179", MAC, "1", "4.1.3.0.6"))
        return {"address": lease.address, "router": lease.router, "told": lease.settings}


def play(folder: Path, case: str) -> dict[str, object]:
    serves, labs = CASES[case]
    described = testbed(folder, serves=serves)
    with ExitStack() as stack:
        if serves:
            stack.enter_context(own_server(folder))
        for number, options in enumerate(labs):
            stack.enter_context(lab(number, options))
        seen = ask(described, patience=PATIENCE)
        told: dict[str, object] = {
            "offers": [(offer.server, offer.address, offer.lease, offer.site) for offer in seen.offers["j179-1"]],
            "strangers": [offer.server for offer in seen.strangers],
            "problems": problems(described, seen),
        }
        if case in ("right", "rival"):
            told["fault"] = fault(described)
            command = [sys.executable, "-m", "hil.cli", "dhcp", "--testbed", str(described.file)]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            told["verb"] = (said.returncode, said.stdout, said.stderr)
        return told


if __name__ == "__main__":
    for words in ("link set lo up", "link add bench type bridge", f"addr add {BENCH}/24 dev bench", "link set bench up"):
        ip(words)
    place = Path(sys.argv[1])
    sys.stdout.write(json.dumps({case: begin(place, case) if case in OPENED else play(place, case) for case in sys.argv[2:]}))
