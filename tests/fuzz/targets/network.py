"""What the bench's network brings to it: requests for files and ranges, offers of DHCP servers, LLDP, what switches list."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from hil.bench.power.dialects import DIALECTS
from hil.bench.tables import Neighbour
from hil.bench.tables.cli import read_neighbours, read_stations
from hil.bench.tables.lldpdu import MED, ORGANISATION, plain, read_unit, tlv, unit
from hil.campaign.addressing import site_parameters
from hil.capture.datagrams import dhcp_served
from hil.capture.dhcp import Offer, read_offer
from hil.capture.http import Message, Reader
from hil.services.quick import read_call
from hil.services.stored import Stored
from hil.wiring.sayings import by_lldp
from targets.draw import Draw

_SIZE = 1_000
_SOURCE = bytes((10, 9, 0, 2, 0, 67))
_HEAD = bytes((2, 1, 6, 0)) + bytes(12) + bytes((10, 9, 0, 11)) + bytes(24)
_COOKIE = bytes.fromhex("63825363")
LISTED = (
    ("cisco-ios", "Local Intf: Gi1/0/2\nPort id: c81f.ea83.e85a\nSerial number: 19WZ1\n 30 c81f.ea83.e85a DYNAMIC Gi1/0/2\n"),
    ("arubaos-switch", " Local Port : 2\n PortId : c8 1f ea 83 e8 5a\n c81fea-83e85a 2 30\n"),
    ("aruba-cx", "Port : 1/1/2\nNeighbor Port-ID : c8:1f:ea:83:e8:5a\nc8:1f:ea:83:e8:5a 30 dynamic 1/1/2\n"),
    ("junos", "Local Interface : ge-0/0/2\nMED Serial number : 19WZ1\n phones c8:1f:ea:83:e8:5a D - ge-0/0/2.0\n"),
    ("extreme-ers", "Port: 1/2\n PortId: MAC address c8:1f:ea:83:e8:5a\nC8-1F-EA-83-E8-5A 30 Dynamic Port: 1/2\n"),
    ("mikrotik", ' 0 interface=ether2 mac-address=C8:1F:EA:83:E8:5A identity="AVX"\n'),
)


def run(data: bytes) -> None:
    """One input: its first octet says how the rest is taken."""
    draw = Draw(data)
    draw.choice((_request, _wanted, _offer, _written_offer, _announced, _written_announcement, _listed))(draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    yield "get", b"\0GET /46xxsettings.txt?x=1 HTTP/1.1\r\nHost: b\r\nUser-Agent: p\r\nRange: bytes=0-9\r\n\r\n"
    yield "head", b"\0HEAD /a%20b HTTP/1.0\r\nif-none-match:*\r\n\r\n"
    for number, wanted in enumerate((b"bytes=0-9", b"bytes=-5", b"bytes=990-", b"bytes=5-1", b"bytes=0-1,3-4", b"bytes=2000-")):
        yield f"range-{number}", b"\1" + wanted
    yield "offer", b"\2" + _HEAD + bytes(192) + _COOKIE + b"\x35\1\2\x36\4\x0a\x09\0\2\x33\4\0\0\x0e\x10\xf2\3A=b\xff"
    yield "overloaded", b"\2" + _HEAD + b"\xf2\2A=\xff".ljust(64, b"\0") + bytes(128) + _COOKIE + b"\x35\1\2\x34\1\2\xff"
    yield "announced", b"\4" + unit(b"\5\1\xc0\0\2\x65", b"\3\xc8\x1f\xea\0\0\1", tlv(ORGANISATION, MED + b"\x0819WZ1"))
    yield "written-announcement", b"\5\3\4\x05AVX01\x0a\4J179"
    for number, (dialect, said) in enumerate(LISTED):
        yield f"listed-{dialect}", bytes((6, number)) + said.encode()
    yield "written", b"\3\4\xf2\x05A=b,C\x2b\x0a\1\4\0\0\x1a\xe9\2\2ab\x33\4\0\0\0\1"


class _Heard:
    """The messages of one direction."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def begins(self, message: Message) -> None:
        """All is looked at once it has ended."""

    def ends(self, message: Message) -> None:
        self.messages.append(message)


def _request(draw: Draw) -> None:
    """What is answered at once is the one request that the reader of captures sees there as well."""
    octets = draw.rest()
    call = read_call(octets, "127.0.0.1", 1)
    if call is None:
        return
    heard = _Heard()
    reader = Reader(heard.begins, heard.ends, from_start=True)
    reader.feed(octets, 1, 1)
    reader.end(2, 0)
    (message,) = heard.messages
    assert (message.method, message.target, message.whole) == (call.method, call.target, True)


@cache
def _stored() -> Stored:
    """An open file of a thousand octets."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(_SIZE))
        file.flush()
        return Stored(Path(file.name))


def _wanted(draw: Draw) -> None:
    """A part lies in the file, and is all of it unless one range is asked for."""
    text = draw.rest().decode("latin-1")
    part = _stored().part({"range": text})
    if part is None:
        assert text.replace(" ", "").startswith("bytes=")
        return
    assert 0 <= part.offset <= part.offset + part.length <= _SIZE
    assert sum(map(len, part.pieces())) == part.length
    assert part.is_whole or part.length > 0
    _stored().is_known({"if-modified-since": text, "if-none-match": text})
    _stored().is_known({"if-modified-since": text})


def _offer(draw: Draw) -> None:
    octets = draw.rest()
    offer, served = read_offer(octets, _SOURCE), dhcp_served(octets)
    if offer is not None:
        assert offer.server == (served.server if served else "10.9.0.2")
        _told(offer)


def _announced(draw: Draw) -> None:
    """Whatever is announced, what is told of it can be shown, and a MAC address is one."""
    seen = read_unit(draw.rest(), "eth1")
    if seen is not None:
        neighbour, ttl = seen
        assert 0 <= ttl < 2**16
        _shown(neighbour)


def _written_announcement(draw: Draw) -> None:
    """An inventory as it was written, of each item the last word."""
    names = ("hardware", "firmware", "software", "serial", "maker", "model")
    written, expected = [], {}
    for _ in range(draw.number(8)):
        place, value = draw.number(len(names)), draw.string(40)
        written.append(tlv(ORGANISATION, MED + bytes((5 + place,)) + value))
        if text := plain(value):
            expected[names[place]] = text
    seen = read_unit(unit(b"\5\1\xc0\0\2\x65", b"\3\xc8\x1f\xea\0\0\1", *written), "eth1")
    assert seen is not None
    assert seen[0] == Neighbour("eth1", "c8:1f:ea:00:00:01", "192.0.2.101", **expected)


def _listed(draw: Draw) -> None:
    """Words of a switch: whoever is listed can be shown."""
    listing = DIALECTS[LISTED[draw.number(len(LISTED))][0]].listing
    assert listing is not None
    said = draw.rest().decode("latin-1")
    for neighbour in read_neighbours(listing, said):
        _shown(neighbour)
    for station in read_stations(listing, said):
        assert bytes.fromhex(station.mac.replace(":", "")).hex(":") == station.mac


def _shown(neighbour: Neighbour) -> None:
    assert neighbour.mac is None or bytes.fromhex(neighbour.mac.replace(":", "")).hex(":") == neighbour.mac
    by_lldp(neighbour)


def _told(offer: Offer) -> None:
    assert offer.lease is None or 0 <= offer.lease < 2**32
    assert len(site_parameters(offer)) <= len(offer.site or "") + 6


def _written_offer(draw: Draw) -> None:
    """Options as they were written, the parts of one put together."""
    options: dict[int, bytes] = {53: b"\2"}
    written = b"\x35\1\2"
    for _ in range(draw.number(8)):
        number, value = 54 + draw.number(200), draw.string(40)
        options[number] = options.get(number, b"") + value
        written += bytes((number, len(value))) + value + bytes(draw.number(3))
    offer = read_offer(_HEAD + bytes(192) + _COOKIE + written + b"\xff", _SOURCE)
    assert offer is not None
    assert offer.options == options
    _told(offer)
