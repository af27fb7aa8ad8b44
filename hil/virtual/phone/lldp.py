"""The phone's LLDP: silent until it hears a neighbour's, then an announcement every 30 seconds.

Source: the tables of LLDPDUs of "Installing and Administering Avaya J100 Series IP Phones" (third-party call control, August
2018; December 2018, page 106). LLDP_ENABLED is taken to have its default, 2.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import threading
import time

from hil.virtual.phone.unit import Unit

_ETHERTYPE = 0x88CC
_EVERYBODY_NEAR = bytes.fromhex("0180c200000e")
_TIA = bytes.fromhex("0012bb")
_TTL = 120
_EVERY = 30.0  # real seconds: the wire does not know the phone's rate
_SIOCGIFADDR = 0x8915


def announcement(unit: Unit, address: bytes) -> bytes:
    """What the phone tells of itself, as one LLDPDU; `address` is its IPv4 address, of zeros while it has none."""
    capabilities = struct.pack("!HH", 0x24, 0x24)  # bridge and telephone
    med = b"\x01" + struct.pack("!HB", 0x0033, 3)  # capabilities, network policy, power, inventory; class III
    inventory = (unit.model, unit.firmware, unit.firmware, unit.serial, "Avaya", unit.model4)
    return b"".join(
        (
            _tlv(1, b"\x05\x01" + address),
            _tlv(2, b"\x03" + bytes.fromhex(unit.mac_digits)),
            _tlv(3, struct.pack("!H", _TTL)),
            _tlv(5, unit.host_name.encode()),
            _tlv(7, capabilities),
            _tlv(127, _TIA + med),
            *(_tlv(127, _TIA + bytes((5 + place,)) + text.encode()) for place, text in enumerate(inventory)),
            _tlv(0, b""),
        )
    )


def speak(interface: str, unit: Unit) -> None:
    """Listen on `interface`, which must be up, and answer, in a thread of its own, until the power goes."""
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE))
    link.bind((interface, _ETHERTYPE))
    threading.Thread(target=_converse, args=(link, interface, unit), daemon=True).start()


def _converse(link: socket.socket, interface: str, unit: Unit) -> None:
    head = _EVERYBODY_NEAR + bytes.fromhex(unit.mac_digits) + struct.pack("!H", _ETHERTYPE)
    while link.recvfrom(2048)[1][2] == socket.PACKET_OUTGOING:
        pass
    while True:
        link.send(head + announcement(unit, _address(interface)))
        time.sleep(_EVERY)


def _address(interface: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        try:
            answer = fcntl.ioctl(control, _SIOCGIFADDR, struct.pack("16s16x", interface.encode()))
        except OSError:
            return bytes(4)
    return answer[20:24]


def _tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!H", kind << 9 | len(value)) + value
