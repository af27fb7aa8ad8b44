"""Addresses for the phones of a bench, and of host names, from a real dnsmasq that this process starts and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from hil.errors import Misuse
from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.supervised import Supervised

LEASE = 42 * 86_400
"""Seconds. A J100 refuses an offer without a lease time; its guide advises six weeks (J100 guide R4.0, DHCP)."""

_DNS = 53
_HTTP_WAY = frozenset(("HTTPSRVR", "HTTPPORT", "HTTPDIR", "TLSSRVR", "TLSPORT", "TLSDIR", "TLSSRVRID", "AUTH"))
"""Parameters that decide where a phone looks for its files, and over what."""

_LONGEST_OPTION = 255
_STARTED = "sockets bound exclusively to interface"
_ACK = re.compile(r"DHCPACK\(\S+\) (?P<ip>[\d.]+) (?P<mac>[0-9a-f:]{17})(?: (?P<name>\S+))?\s*$")


@dataclass(frozen=True)
class DhcpPlan:
    """What dnsmasq is to do: hosts are MAC (`c8:1f:ea:83:e8:5a`) to (IPv4 address, device name); nobody else is answered.

    Option 242 sends phones to the bench's HTTP server at `http_port`, in every case: a phone that trusts no CA of the
    bench, or an earlier one, still finds its settings, and in them whom to trust. `site` has more parameters of option 242
    for single phones, by MAC. Options 42 and 7 name no port, so a time or log server is one at the standard port.
    Phones are told to ask dnsmasq for `names`, which are at the server's own address; it knows no other name and asks nobody.
    """

    interface: str
    server_address: str
    network: IPv4Network
    hosts: Mapping[str, tuple[str, str]]
    http_port: int
    lease_file: Path
    time_server: str | None = None
    log_server: str | None = None
    site: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    names: Sequence[str] = ()
    elsewhere: str | None = None
    """The whole of option 242 for phones that are done with and sent to a server of the lab."""
    lease: int = LEASE
    program: str = field(default="dnsmasq")

    def command(self) -> list[str]:
        """The command line; group and user stay as they are, so that it runs in a user namespace too."""
        reservations = [f"--dhcp-host={mac},set:{_tag(mac)},{ip},{_host_name(name)}" for mac, (ip, name) in self.hosts.items()]
        servers = {42: self.time_server, 7: self.log_server}
        return [
            self.program,
            *("--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--group=", "--pid-file="),
            *("--no-resolv", "--no-hosts", "--no-ping", "--log-facility=-"),
            *self._naming(),
            *("--bind-interfaces", f"--interface={self.interface}", "--except-interface=lo"),
            *("--dhcp-authoritative", "--dhcp-ignore=tag:!known", f"--dhcp-leasefile={self.lease_file}"),
            f"--dhcp-range={self.network.network_address},static,{self.network.netmask},{self.lease}",
            f"--dhcp-option=3,{self.server_address}",
            f"--dhcp-option-force=242,{self.option_242()}",
            *(f"--dhcp-option-force=tag:{_tag(mac)},242,{self.option_242(mac)}" for mac in self.site),
            *(f"--dhcp-option={option},{address}" for option, address in servers.items() if address),
            *reservations,
        ]

    def option_242(self, mac: str = "") -> str:
        """What phones are told by option 242, and the phone of that MAC beside (J100 guide, DHCP Site Specific Option).

        `Misuse` for what would take the way over plain HTTP from it, or has no place there.
        """
        if self.elsewhere is not None:
            return self.elsewhere
        more = self.site.get(mac, {})
        for name, value in more.items():
            if name.upper() in _HTTP_WAY:
                problem = f"option 242 is not given {name}: it would lead {mac} off the bench's plain HTTP"
                raise Misuse(problem, key="option_242", remedy="leave it out")
            if not f"{name}{value}".isprintable() or set(f"{name}{value}") & set(',="'):
                raise Misuse(f"{name}={value!r} cannot stand in option 242", key="option_242", remedy="use no comma, quote or =")
        parameters = {"HTTPSRVR": self.server_address, "HTTPPORT": str(self.http_port), **more}
        text = ",".join(f"{name}={value}" for name, value in parameters.items())
        if len(text) > _LONGEST_OPTION:
            raise Misuse(f"option 242 has room for {_LONGEST_OPTION} letters", key="option_242", remedy="leave something out")
        return text

    def _naming(self) -> Iterator[str]:
        """Answers for the names alone, of which none has an IPv6 address; without names no DNS at all."""
        yield f"--port={_DNS if self.names else 0}"
        if self.names:
            yield f"--dhcp-option=6,{self.server_address}"
        for name in self.names:
            yield f"--host-record={name},{self.server_address}"
            yield f"--local=/{name}/"


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


class Dnsmasq(Supervised):
    """The running server; a context manager. It ends with this process, whatever ends that."""

    def __init__(self, plan: DhcpPlan, events: EventStream) -> None:
        super().__init__("dnsmasq", plan.command(), events, started=_STARTED, heard=self._note_lease, port=plan.interface)
        self._hosts = plan.hosts

    def _note_lease(self, line: str) -> None:
        ack = read_ack(line)
        if ack is not None:
            _, device = self._hosts.get(ack.mac, ("", None))
            self._events.publish(EventName.LEASE, device=device, mac=ack.mac, ip=ack.ip, name=ack.name)


def _tag(mac: str) -> str:
    """The tag that dnsmasq gives a client of that MAC."""
    return f"phone-{mac.replace(':', '')}"


def _host_name(device: str) -> str:
    """`device` as a DHCP host name: a dot in it would begin a domain."""
    return device.replace(".", "-")
