"""What the DHCP tests play, in a network namespace of their own: dnsmasq on one end of a veth pair, a client on the other."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import warnings
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from hil.clock import ScaledClock
from hil.errors import LabFault
from hil.evidence import EventName
from hil.services.dhcp import DhcpPlan, Dnsmasq
from hil.services.events import EventStream

KNOWN, STRANGER = "c8:1f:ea:00:00:01", "02:00:00:00:00:09"
SERVER, PHONE = "10.9.0.1", "10.9.0.11"


def plan(interface: str = "bench", *names: str) -> DhcpPlan:
    return DhcpPlan(
        interface=interface,
        server_address=SERVER,
        network=IPv4Network("10.9.0.0/24"),
        hosts={KNOWN: (PHONE, "j179-1")},
        http_port=8080,
        site={KNOWN: {"DES_STAT": "1"}},
        time_server=SERVER,
        log_server=SERVER,
        names=names,
        lease_file=Path(tempfile.mkdtemp()) / "leases",
    )


def wire() -> None:
    for command in (
        "link set lo up",
        "link add bench type veth peer name phone",
        f"addr add {SERVER}/24 dev bench",
        "link set bench up",
        "link set phone up",
    ):
        subprocess.run(["ip", *command.split()], check=True)


def gone(pid: int) -> bool:
    """Whether a process ends within 10 s."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(handle, "rb", buffering=0):
        return bool(select.select([handle], [], [], 10)[0])


def ask(mac: str, kind: str, xid: int, **more: str) -> bytes:
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    options = [("message-type", kind), *more.items(), ("param_req_list", [1, 3, 6, 7, 42, 51, 242]), "end"]
    hardware = bytes.fromhex(mac.replace(":", ""))
    packet = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    return bytes(packet / BOOTP(chaddr=hardware, xid=xid) / DHCP(options=options))


def answer(sock: object) -> dict[str, object]:
    """The next DHCP answer on the wire: transaction, address and options."""
    import socket

    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.l2 import Ether

    assert isinstance(sock, socket.socket)
    for _ in range(100):
        packet = Ether(sock.recv(65_536))
        if DHCP in packet and packet[BOOTP].op == 2:
            options = {str(option[0]): option[1] for option in packet[DHCP].options if isinstance(option, tuple)}
            text = {key: value.decode() if isinstance(value, bytes) else value for key, value in options.items()}
            return {"xid": packet[BOOTP].xid, "ip": packet[BOOTP].yiaddr, **text}
    raise AssertionError("100 frames and no DHCP answer")


def lease() -> dict[str, object]:
    import socket

    wire()
    events = EventStream(ScaledClock())
    with Dnsmasq(plan(), events) as server, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        sock.bind(("phone", 0))
        sock.settimeout(10)
        sock.send(ask(STRANGER, "discover", 1))
        sock.send(ask(STRANGER, "request", 4, requested_addr=PHONE))
        sock.send(ask(KNOWN, "discover", 2))
        offer = answer(sock)
        sock.send(ask(KNOWN, "request", 3, server_id=SERVER, requested_addr=PHONE))
        ack = answer(sock)
        event = events.wait_for(lambda event: event.name is EventName.LEASE, span=10)
        pid = server.pid
    assert pid is not None
    faults = [event.to_json() for event in events.since() if event.name is EventName.FAULT]
    return {"offer": offer, "ack": ack, "event": event and event.to_json(), "gone": gone(pid), "faults": faults}


def parked() -> dict[str, object]:
    """What a phone that is done with is told, once a server has made room for one that sends phones elsewhere."""
    import socket

    wire()
    events = EventStream(ScaledClock())
    sent = replace(plan(), elsewhere="HTTPSRVR=10.0.0.5,HTTPDIR=lab", site={}, time_server=None, log_server=None)
    with Dnsmasq(plan(), events) as former, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        former.stop()
        with Dnsmasq(sent, events):
            sock.bind(("phone", 0))
            sock.settimeout(10)
            sock.send(ask(KNOWN, "discover", 2))
            return {"offer": answer(sock)}


def names() -> dict[str, object]:
    """What is answered to questions for an IPv4 address, after the DNS server that an offer names."""
    import socket

    from scapy.layers.dns import DNS, DNSQR

    wire()
    known, answers = "services.example.com", dict[str, object]()
    with (
        Dnsmasq(plan("bench", known), EventStream(ScaledClock())),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x300) as raw,
    ):
        raw.bind(("phone", 0))
        raw.settimeout(10)
        raw.send(ask(KNOWN, "discover", 2))
        answers["told to ask"] = answer(raw)["name_server"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            port.settimeout(10)
            port.connect((SERVER, 53))
            for name, kind in ((known, "A"), (known, "AAAA"), (f"www.{known}", "A"), ("example.com", "A"), ("j179-1", "A")):
                port.send(bytes(DNS(rd=1, qd=DNSQR(qname=name, qtype=kind))))
                heard = DNS(port.recv(4096))
                answers[f"{name} {kind}"] = heard.an[0].rdata if heard.ancount else heard.rcode
    return answers


def no_interface() -> dict[str, object]:
    try:
        Dnsmasq(plan("nowhere"), EventStream(ScaledClock())).start()
    except LabFault as fault:
        return {"fault": str(fault)}
    return {"fault": None}


def killed() -> dict[str, object]:
    wire()
    events = EventStream(ScaledClock())
    with Dnsmasq(plan(), events) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        event = events.wait_for(lambda event: event.name is EventName.FAULT, span=10)
    return {"event": event and event.to_json()}


def hold() -> None:
    """Start dnsmasq, say its pid, and wait to be killed."""
    with Dnsmasq(plan(), EventStream(ScaledClock())) as server:
        sys.stdout.write(f"{server.pid}\n")
        sys.stdout.flush()
        signal.pause()


def orphan() -> dict[str, object]:
    wire()
    with subprocess.Popen([sys.executable, __file__, "hold"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid = int(holder.stdout.readline())
        holder.kill()
    return {"gone": gone(pid)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    name = sys.argv[1]
    if name == "hold":
        hold()
    else:
        scenarios = {
            "lease": lease,
            "parked": parked,
            "names": names,
            "no_interface": no_interface,
            "killed": killed,
            "orphan": orphan,
        }
        sys.stdout.write(json.dumps(scenarios[name]()))
