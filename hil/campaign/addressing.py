"""Who gives phones their addresses: what the lab's DHCP server tells them, and that beside the bench's own there is none."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from hil.bench.testbed import Phone, Testbed
from hil.capture.dhcp import PATIENCE, VENDOR, Offer, offers_for
from hil.errors import LabFault

_AVAYA = (6889).to_bytes(4, "big")
_VENDOR_PARAMETERS = {2: "HTTPSRVR", 3: "HTTPDIR", 4: "HTTPPORT", 5: "TLSSRVR", 6: "TLSDIR", 7: "TLSPORT"}


@dataclass(frozen=True)
class Addressing:
    """What DHCP servers would give the phones, by name; `strangers` is what they would give anybody."""

    offers: Mapping[str, Sequence[Offer]]
    strangers: Sequence[Offer]


def ask(testbed: Testbed, *, patience: float = PATIENCE) -> Addressing:
    """Ask on the bench's interface for each phone of the testbed, and for a client that nobody knows; it takes `patience`."""
    stranger = "02:" + secrets.token_bytes(5).hex(":")
    macs = {phone.name: phone.identity.mac for phone in testbed.phones}
    found = offers_for((*macs.values(), stranger), testbed.network.interface, patience=patience)
    return Addressing({name: found[mac] for name, mac in macs.items()}, found[stranger])


def problems(testbed: Testbed, seen: Addressing) -> tuple[str, ...]:
    """What keeps phones from booting on the bench, each with what to do about it; empty where nothing does."""
    if testbed.network.dhcp:
        return tuple(_rivals(testbed, seen))
    return tuple(f"{phone.name}: {problem}" for phone in testbed.phones for problem in _unserved(testbed, phone, seen))


def check(testbed: Testbed, *, patience: float = PATIENCE) -> None:
    """Raise `LabFault` where phones would not boot on the bench."""
    if found := problems(testbed, ask(testbed, patience=patience)):
        tried = f"ask for addresses on {testbed.network.interface}"
        raise LabFault("phones would not get what they need from DHCP", bench=testbed.name, tried=tried, seen="; ".join(found))


def site_parameters(offer: Offer) -> Mapping[str, str]:
    """What an offer tells a phone of servers: by option 242, else by option 43 where that is Avaya's (J100 guide, DHCP)."""
    if offer.site is not None:
        pairs = (part.partition("=") for part in offer.site.split(","))
        return {name.strip().upper(): value.strip() for name, equals, value in pairs if equals}
    codes = dict(_encapsulated(offer.options.get(VENDOR, b"")))
    if codes.get(1) != _AVAYA:
        return {}
    return {name: codes[code].decode("latin-1").rstrip("\0") for code, name in _VENDOR_PARAMETERS.items() if code in codes}


def _rivals(testbed: Testbed, seen: Addressing) -> Iterator[str]:
    """Other servers than the bench's own."""
    own = str(testbed.network.address)
    rivals = {offer.server: offer for offers in (*seen.offers.values(), seen.strangers) for offer in offers}
    for server, offer in rivals.items():
        if server != own:
            yield (
                f"{server} gives addresses too, such as {offer.address}: "
                f"take it off {testbed.network.interface}, or set network.dhcp: false and let it serve the phones"
            )


def _unserved(testbed: Testbed, phone: Phone, seen: Addressing) -> Iterator[str]:
    """What is wrong with the lab's offers to a phone."""
    offers = seen.offers[phone.name]
    if not offers:
        yield f"no DHCP server offers {phone.mac} an address: give it {phone.address}, or set network.dhcp: true"
    if len(offers) > 1:
        servers = " and ".join(offer.server for offer in offers)
        yield f"{servers} offer an address each, and the phone takes whichever it likes: leave one"
    for offer in offers:
        for problem in _wrong(testbed, phone, offer):
            yield f"{offer.server} {problem}"


def _wrong(testbed: Testbed, phone: Phone, offer: Offer) -> Iterator[str]:
    network = testbed.network
    if IPv4Address(offer.address) != phone.address:
        yield f"offers {offer.address}: reserve {phone.address} for {phone.mac}, as the testbed has it"
    if not offer.lease:
        yield "offers no lease time, and phones refuse that: send option 51"
    told = site_parameters(offer)
    wanted = f"send option 242 HTTPSRVR={network.address},HTTPPORT={network.http_port}"
    if "HTTPSRVR" not in told:
        yield f"names no file server: {wanted}"
    elif (told["HTTPSRVR"], told.get("HTTPPORT", "80")) != (str(network.address), str(network.http_port)):
        yield f"sends phones to {told['HTTPSRVR']}, port {told.get('HTTPPORT', '80')}, and not to the bench: {wanted}"
    if told.get("TLSSRVR"):
        yield f"sends phones to {told['TLSSRVR']} over TLS, which one that does not trust it cannot follow: leave TLSSRVR out"


def _encapsulated(value: bytes) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option inside option 43 (RFC 2132 section 8.4)."""
    at = 0
    while at + 1 < len(value) and value[at] != 255:
        yield value[at], value[at + 2 : at + 2 + value[at + 1]]
        at += 2 + value[at + 1]
