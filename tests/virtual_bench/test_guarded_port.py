"""A port that asks for 802.1X opens only with the certificate: real hostapd on both sides of the switch, real wpa_supplicant."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PATH = "/usr/bin:/usr/sbin:/sbin"
pytestmark = pytest.mark.skipif(
    not all(shutil.which(program, path=PATH) for program in ("hostapd", "wpa_supplicant")),
    reason="hostapd or wpa_supplicant is missing",
)

# A stand-in phone: it speaks EAP-TLS where its flash holds a certificate, and says all the while who it is.
SUPPLICANT = """
import os, socket, subprocess, sys, time
address, says = sys.argv[1:]
subprocess.run(["ip", "address", "add", address + "/24", "dev", "eth0"], check=True)
subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
if os.path.exists("supplicant.conf"):
    subprocess.Popen(["wpa_supplicant", "-D", "wired", "-i", "eth0", "-c", "supplicant.conf"])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    for _ in range(6000):
        try:
            link.sendto(says.encode(), ("192.0.2.1", 9))
            link.sendto(says.encode(), ("192.0.2.2", 9))
        except OSError:
            pass  # nobody answers ARP
        time.sleep(0.05)
"""

RIG = """
import contextlib, signal
import radius_scenario as radius
from hil.bench.state import RADIUS_SECRET
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.scep.authority import key_to_pem, to_pem
from hil.services.events import EventStream
from hil.services.radius.server import RadiusPlan, RadiusServer
from hil.services.roster import Roster
from hil.bench.secrets import read_secret

NAME = "j179-1"
def supplicant(phone, flash, rate):
    return [sys.executable, "-c", os.environ["SUPPLICANT"], str(phone.address), phone.name]

bench = VirtualBench(testbed, program=supplicant)
events = EventStream(ScaledClock())
ca = radius.authority("Lab CA")
phone = testbed.phone(NAME)

def furnish(credentials):
    flash = bench.flash(NAME)
    flash.mkdir(parents=True, exist_ok=True)
    (flash / "c.pem").write_bytes(to_pem(credentials.certificate))
    (flash / "k.pem").write_bytes(key_to_pem(credentials.key))
    (flash / "supplicant.conf").write_text(
        'ap_scan=0\\nnetwork={\\n key_mgmt=IEEE8021X\\n eap=TLS\\n identity="phone"\\n'
        ' client_cert="c.pem"\\n private_key="k.pem"\\n}\\n')

def server():
    secret = read_secret(bench.state / RADIUS_SECRET, named_by="test")
    folder = bench.state / "radius"
    folder.mkdir()
    return RadiusServer(RadiusPlan(folder, 1812, {"192.0.2.2": secret}, {phone.mac: NAME}), ca, events, Roster())

def handshake(since=0):
    return events.wait_for(lambda event: event.name is EventName.TLS_HANDSHAKE, span=30, since=since)

def passes(port, name=NAME):
    said = set()
    while name not in said:
        said.add(port.recv(100).decode())
    return True

def silent(port, witness="j139-1", name=NAME):
    "Nothing of the phone arrives until a neighbour that started with it was heard forty times."
    port.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            port.recv(100)
    port.settimeout(20)
    heard = []
    while heard.count(witness) < 40:
        heard.append(port.recv(100).decode())
    return name not in heard

def falls_silent(port, witness="j139-1", name=NAME):
    "Waits until forty words of a neighbour came and none of the phone between them."
    heard = 0
    while heard < 40:
        said = port.recv(100).decode()
        heard = 0 if said == name else heard + (said == witness)
    return True

def authenticator():
    "Process id of the hostapd on the phone's port."
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        program, *arguments = process.read_bytes().split(b"\\0")
        if program.endswith(b"/hostapd") and str(bench.state / "switch" / "p1.2.conf").encode() in arguments:
            return int(process.parent.name)

def cycle():
    bench.power(NAME).off()
    bench.power(NAME).on()
"""

Play = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _rig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPLICANT", SUPPLICANT)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "services"))
    monkeypatch.setenv("PATH", PATH + ":/bin")


def script(body: str) -> str:
    services = str(Path(__file__).parents[1] / "services")
    return f"sys.path.insert(0, {services!r})\n{RIG}\n{body}"


def test_it_opens_with_the_certificate_and_with_no_other(play: Play, without_root: list[str]) -> None:
    facts = play(
        script("""
with bench, server():
    port = listen()
    open_at_first = passes(port)
    bench.require_8021x(NAME, True)
    cycle()
    without = silent(port)
    furnish(radius.holder(radius.authority("Stranger CA")))
    cycle()
    refused = handshake()
    stranger = silent(port)
    since = events.cursor
    furnish(radius.holder(ca))
    cycle()
    taken = handshake(since)
    opened = passes(port)
    bench.power(NAME).off()
    os.unlink(bench.flash(NAME) / "supplicant.conf")
    bench.power(NAME).on()
    again = silent(port)
    bench.require_8021x(NAME, False)
    released = passes(port)
show(open_at_first=open_at_first, without=without, refused=refused.details.get("failure"), stranger=stranger,
     taken=dict(taken.details), device=taken.device, opened=opened, again=again, released=released)
"""),
        within=tuple(without_root),
    )
    assert facts["open_at_first"]
    assert facts["without"], "a phone without a certificate passes"
    assert facts["refused"] == "unable to get local issuer certificate"
    assert facts["stranger"], "a phone with a stranger's certificate passes"
    assert "failure" not in facts["taken"]
    assert (facts["device"], facts["taken"]["service"], facts["taken"]["mac"]) == ("j179-1", "8021X", "c8:1f:ea:83:01:79")
    assert facts["opened"]
    assert facts["again"], "the port has remembered who was on it before the power went"
    assert facts["released"]


def test_a_port_asks_on_until_it_is_told_otherwise_or_recovered(play: Play) -> None:
    facts = play(
        script("""
with bench:
    bench.require_8021x(NAME, True)
with VirtualBench(testbed, program=supplicant) as later:
    port = listen()
    asks = silent(port)
    later.recover()
    recovered = passes(port)
show(asks=asks, recovered=recovered)
""")
    )
    assert facts == {"asks": True, "recovered": True}


def test_an_authenticator_that_dies_is_told_and_keeps_the_port_shut(play: Play) -> None:
    facts = play(
        script("""
with bench, server():
    furnish(radius.holder(ca))
    bench.require_8021x(NAME, True)
    cycle()
    port = listen()
    opened = passes(port)
    os.kill(authenticator(), signal.SIGKILL)
    shut = falls_silent(port)
    fault = outcome(lambda: bench.require_8021x(NAME, False))
    released = passes(port)
show(opened=opened, shut=shut, fault=fault, released=released)
""")
    )
    assert facts["opened"]
    assert facts["shut"]
    assert facts["fault"][0] == "LabFault"
    assert "hostapd ended" in facts["fault"][1]
    assert facts["released"]


def test_a_switch_without_a_radius_server_cannot_ask(play: Play, testbed_file: Path) -> None:
    text = testbed_file.read_text()
    testbed_file.write_text("".join(line for line in text.splitlines(keepends=True) if "radius:" not in line))
    facts = play(
        script("""
with bench:
    fault = outcome(lambda: bench.require_8021x(NAME, True))
show(fault=fault)
""")
    )
    assert "knows no RADIUS server" in facts["fault"][1]
