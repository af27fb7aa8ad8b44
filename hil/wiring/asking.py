"""A phone asked who it is by SNMP (Avaya-J100IpPhone-MIB), where the testbed says by which community.

Numbers as public scripts that read J100 phones have them (docs/sources.md); others of that MIB are not known and not asked.
"""

from __future__ import annotations

from hil.bench.phone_snmp import PhoneSnmp
from hil.bench.power.readback import NoAnswer, Refusal
from hil.bench.power.snmp_session import Community, SnmpSession
from hil.bench.secrets import given_secret
from hil.bench.tables.lldpdu import plain
from hil.bench.testbed import Testbed
from hil.errors import Misuse
from hil.identity import Identity
from hil.secret import Secret
from hil.wiring.sayings import Said, Way, release

_MIB = "1.3.6.1.4.1.6889.2.69.6.1"
APPINUSE, MACADDR, MODEL, PHONESN = (f"{_MIB}.{number}.0" for number in (4, 50, 52, 57))


def phone_community(testbed: Testbed) -> Secret | None:
    """The community of the testbed's phones, None where they are not asked; `Misuse` where it is said nowhere."""
    asked = testbed.phone_snmp
    if asked is None:
        return None
    env, file, folder = asked.community_env, asked.community_file, str(testbed.file.parent)
    given = given_secret("community", env=env, file=file, folder=folder, testbed=testbed.source, key="phone_snmp")
    if given is None:
        remedy = "add community_env or community_file; it must not stand here"
        raise Misuse("no community", file=testbed.source, key="phone_snmp", remedy=remedy)
    return given


def by_snmp(address: str, asked: PhoneSnmp, community: Secret) -> Said | None:
    """What the phone at `address` says; None where it does not answer, as a phone does whose settings do not let it."""
    session = SnmpSession(address, asked.port, Community("v2c", community), timeout=asked.timeout, retries=asked.retries)
    try:
        values = session.get(APPINUSE, MACADDR, MODEL, PHONESN)
    except (NoAnswer, Refusal):
        return None
    finally:
        session.close()
    firmware, mac, model, serial = (plain(value) if isinstance(value, bytes) else None for value in values)
    return Said(Way.SNMP, address, _mac(mac), model, serial, release(firmware))


def _mac(text: str | None) -> str | None:
    """A MAC address as we write it; None for what is none."""
    try:
        return Identity("J179", text, "0").mac if text else None
    except Misuse:
        return None
