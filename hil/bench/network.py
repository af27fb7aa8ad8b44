"""The testbed's `network`: the PC's own port on the bench, and where its servers listen."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated

from pydantic import Field

from hil.bench.strict import Asked, Strict

Port = Annotated[int, Field(ge=1, le=65535)]


class Radius(Strict):
    """The bench's RADIUS server, which lets phones with a certificate of the bench CA through ports that ask for 802.1X."""

    port: Port = Field(default=1812, description="UDP port")
    clients: Annotated[tuple[IPv4Address, ...], Field(min_length=1)] = Field(description="addresses of the switches that ask it")


class TlsPorts(Strict):
    """TCP ports of the services over TLS; null: the bench does not offer it.

    PPM and RINGCENTRAL have no other, since phones are told of none.
    """

    sip: Port | None = Field(default=5061, description="SIP over TLS; null: not offered")
    provisioning: Port | None = Field(default=8444, description="settings files over HTTPS; null: not offered")
    ldap: Port | None = Field(default=636, description="LDAP over TLS; null: not offered")
    syslog: Port | None = Field(default=6514, description="syslog over TLS; null: not offered")
    push: Port | None = Field(default=8445, description="push server over HTTPS; null: not offered")
    ppm: Port | None = Field(default=443, description="PPM over HTTPS, which phones look for at 443 alone; null: not offered")
    xsi: Port | None = Field(default=8446, description="BroadWorks XSI over HTTPS; null: not offered")
    ringcentral: Port | None = Field(
        default=443, description="Ring Central over HTTPS, which phones look for at 443 alone; null: not offered"
    )

    @property
    def offered(self) -> Mapping[str, int]:
        """The port of each service that is offered, by the name that SCEP_USAGE has for it."""
        return {name.upper(): port for name, port in self if port is not None}

    def without_names(self) -> TlsPorts:
        """What is offered to phones that no DNS server sends to the bench."""
        return self.model_copy(update={"ringcentral": None})


class Network(Strict):
    """The PC's own port on the bench and the ports its servers listen on."""

    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")] = Field(
        description="the PC's port on the bench, as `ip link` calls it"
    )
    address: IPv4Address = Field(description="the PC's address on that interface, which somebody has given it already")
    prefix: Annotated[int, Field(ge=8, le=30), Asked()] = Field(
        default=24, description="how many bits of the address name the network"
    )
    http_port: Port = Field(default=80, description="TCP port of settings files and SCEP")
    sntp_port: Port | None = Field(default=123, description="UDP port of the time server; null: the bench serves no time")
    syslog_port: Port | None = Field(default=514, description="UDP port of the syslog server; null: the bench takes no syslog")
    radius: Annotated[Radius | None, Asked()] = Field(
        default=None, description="the bench's RADIUS server; null: no port of the bench asks for 802.1X"
    )
    tls: TlsPorts = Field(default=TlsPorts(), description="ports of the services over TLS")
    dhcp: Annotated[bool, Asked()] = Field(
        default=True, description="whether the bench gives the phones their addresses; false: somebody else does"
    )
    names: Annotated[bool, Asked("dhcp", ("False",))] = Field(
        default=False, description="whether, without `dhcp`, the lab's DNS sends phones to the bench for public names"
    )

    @property
    def offered(self) -> Mapping[str, int]:
        """The port of each service over TLS that phones can find here, by the name that SCEP_USAGE has for it."""
        return (self.tls if self.dhcp or self.names else self.tls.without_names()).offered

    @property
    def subnet(self) -> IPv4Network:
        """The network that phones and PC share."""
        return IPv4Network((int(self.address), self.prefix), strict=False)
