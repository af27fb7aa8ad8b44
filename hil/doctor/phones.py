"""What a run needs of its servers and phones: that the reference enrols here, and that phones do what their file says.

A value set in a phone's menu, on its web page or by System Manager stands above the settings file (J100 guide R4.0, page
36). So each phone is told something new and harmless, and seen to do it: by which SNMP community it may be asked who it
is (SNMPSTRING, SNMPADD; J100 template). The community is made up for the occasion, so that only obeying it explains an
answer.
"""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from hil.bench.phone_snmp import PhoneSnmp
from hil.bench.testbed import Phone
from hil.campaign.by_hand import ByHand
from hil.campaign.plan import CONTROL, PlannedBoot
from hil.campaign.render import DOCUMENTED, asked_profiles, bench_files, boot_files
from hil.clock import ScaledClock
from hil.doctor.examining import Ill
from hil.doctor.visit import Visit
from hil.errors import LabFault
from hil.evidence import EventName
from hil.scep.client import Issued
from hil.secret import Secret
from hil.settings.writer import phone_file_name
from hil.wiring.asking import by_snmp

UNREAD = "look at its power, its address, and where it was sent for its files; docs/troubleshooting.md has the order"
DISOBEYED = "clear what was set by hand: CLEAR in the phone's menu, its web page, System Manager; see docs/doctor.md"

_BOOT = PlannedBoot("control", ((1, CONTROL),))
_SLOT = 1

OBEYS_WITHIN = 10.0
"""Real seconds, at least, in which a phone that has read its settings answers by SNMP; else as long as it may be quiet."""
_LOOK = 0.5


def servers(visit: Visit) -> str:
    """That the servers of a run start, the CA among them."""
    stage = visit.serve()
    return f"settings and SCEP at {stage.server_of_phones.host}:{stage.server_of_phones.http_port}"


def enrolment(visit: Visit) -> str:
    """That the reference of a phone reads its settings here and is granted a certificate."""
    stage, phone = visit.stage, visit.testbed.phones[0]
    device, folder = f"{phone.name}.reference", f"/reference/{phone.name}/"
    server = replace(stage.server_of_phones, host=str(phone.reference), folder=folder)
    stage.lab.publish(device, folder, boot_files(_BOOT, device, phone.identity, server, DOCUMENTED))
    asked = asked_profiles([_BOOT], _SLOT, device, phone.identity, server)
    stage.cast.seat(device, _SLOT, asked=asked)
    result = stage.reference(stage, phone, DOCUMENTED).boot().slot(_SLOT).result
    if not isinstance(result, Issued):
        raise Ill(f"{device} was granted no certificate: {result}")
    return f"{device} was granted a certificate"


def canary(visit: Visit) -> str:
    """That each phone, restarted, reads its file and does what it says."""
    phones = visit.testbed.phones
    with ThreadPoolExecutor(visit.testbed.at_once or len(phones), "canary") as threads:
        try:
            problems = [problem for problem in threads.map(lambda phone: _told(visit, phone), phones) if problem]
        except BaseException:
            visit.stage.cancel.set()
            raise
    if problems:
        remedies = dict.fromkeys(each.remedy for each in problems if each.remedy)
        raise Ill("; ".join(map(str, problems)), "; ".join(remedies) or None)
    return f"{len(phones)} phones do what their file says"


def _told(visit: Visit, phone: Phone) -> Ill | None:
    """What is wrong with a phone that was told a new community; its boot is recorded."""
    stage, word, file = visit.stage, Secret(secrets.token_hex(8)), visit.folder / f"{phone.name}.pcapng"
    hand = ByHand(stage, phone, visit.bench.power(phone.name), None)
    server = replace(stage.server_of_phones, snmp=word)
    stage.lab.publish(phone.name, "/", bench_files({}, phone.identity, server))
    recorder = stage.recorder(phone, file)
    recorder.start()
    try:
        since = hand.cycle()
        own = f"/{phone_file_name(phone.identity)}"
        read = hand.wait(EventName.FILE_SERVED, span=stage.times.boot_limit, since=since, path=own)
        if read is None:
            return Ill(f"{phone.name}: did not read {own} within {stage.times.boot_limit:g} s of its time", UNREAD)
        obeys = _obeys(visit, phone, word)
    except LabFault as fault:
        return Ill(f"{phone.name}: {fault}")
    finally:
        visit.recorded[phone.name] = recorder.stop()
    return None if obeys else Ill(f"{phone.name}: read {own}, and did not do what it says (SNMPSTRING)", DISOBEYED)


def _obeys(visit: Visit, phone: Phone, word: Secret) -> bool:
    asked, clock = visit.testbed.phone_snmp or PhoneSnmp(), ScaledClock()
    start, patience = clock.now(), max(OBEYS_WITHIN, visit.stage.times.quiet / visit.testbed.rate)
    while (clock.now() - start).total_seconds() < patience and not visit.stage.cancel.is_set():
        if by_snmp(str(phone.address), asked, word) is not None:
            return True
        clock.wait(visit.stage.cancel, _LOOK)
    return False
