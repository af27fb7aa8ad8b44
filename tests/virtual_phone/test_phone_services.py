"""Usages and services as the settings tell them, names, and the loop that the phone lives in: no TLS."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from hil.virtual.phone import catalogue, errands, names, parameters, services, usage
from hil.virtual.phone.clock import Alone, Clock
from hil.virtual.phone.errors import NoAnswer
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.services import Service
from hil.virtual.phone.unit import Unit

UNIT = Unit("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A", "4.1.3.0.6")
EVERY = frozenset(usage.SERVICES)


def settings(**values: str) -> Settings:
    return Settings(parameters.known(UNIT, Habits()), {}, values)


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ("All", EVERY),
        ("all", EVERY),
        ("SIP", {"SIP"}),
        ("sIp,lDAP", {"SIP", "LDAP"}),
        ("SIP, LDAP ,XSI", {"SIP", "LDAP", "XSI"}),
        ("8021X,RINGCENTRAL", {"8021X", "RINGCENTRAL"}),
        ("802.1x,Ring Central", {"8021X", "RINGCENTRAL"}),
        ("All,!SIP", EVERY - {"SIP"}),
        ("!SIP,All", EVERY - {"SIP"}),
        ("All, !Ring Central, ! 802.1X", EVERY - {"RINGCENTRAL", "8021X"}),
        ("SIP,LDAP,!LDAP", {"SIP"}),
        ("All,!All", set()),
        ("!SIP", set()),
        ("", set()),
        ("Fax,SIP,,!Telex", {"SIP"}),
        ("802 1x,RING  CENTRAL,SIP LDAP", set()),
    ],
)
def test_what_a_usage_claims(text: str, claimed: set[str]) -> None:
    assert usage.services_of(text, Habits()) == claimed


def test_an_exclusion_alone_may_mean_all_others() -> None:
    habits = catalogue.habits(["exclusion-means-all"])
    assert usage.services_of("!SIP", habits) == EVERY - {"SIP"}
    assert usage.services_of("", habits) == set()


def test_the_lowest_profile_that_claims_a_service_and_holds_a_certificate_has_it() -> None:
    told = settings(SCEP_USAGE="SIP", SCEP_2_USAGE="SIP,LDAP", SCEP_3_USAGE="All,!PPM")
    assert usage.assignment(told, Habits(), {1, 2, 3}) == {
        **dict.fromkeys(EVERY - {"PPM"}, 3),
        "SIP": 1,
        "LDAP": 2,
    }
    assert usage.assignment(told, Habits(), {2}) == {"SIP": 2, "LDAP": 2}
    assert usage.assignment(settings(), Habits(), {1, 2}) == dict.fromkeys(EVERY, 1)
    assert usage.assignment(settings(), catalogue.habits(["highest-profile"]), {1, 2}) == dict.fromkeys(EVERY, 2)


THIRD_PARTY = {"ENABLE_3PCC_ENVIRONMENT": "1"}
SIP = THIRD_PARTY | {"SIP_CONTROLLER_LIST": "192.0.2.1", "FORCE_SIP_EXTENSION": "1001"}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, []),
        (SIP, [Service("SIP", "192.0.2.1", 5061)]),
        (SIP | {"FORCE_SIP_EXTENSION": ""}, []),
        (
            SIP | {"SIP_CONTROLLER_LIST": "192.0.2.1:5060;transport=tcp,192.0.2.2:5555;transport=TLS"},
            [Service("SIP", "192.0.2.2", 5555)],
        ),
        (SIP | {"SIP_CONTROLLER_LIST": "a b;c"}, []),
        ({"TLSSRVR": "192.0.2.1,192.0.2.2"}, [Service("PROVISIONING", "192.0.2.1", 443, "/46xxsettings.txt")]),
        (
            {"TLSSRVR": "192.0.2.1", "TLSPORT": "8443", "TLSDIR": "/files/$MACADDR"},
            [Service("PROVISIONING", "192.0.2.1", 8443, "/files/C81FEA83E85A/46xxsettings.txt")],
        ),
        (
            {"DIRENABLED_PLATFORM": "1", "DIRSRVR": "192.0.2.1", "DIRSECURE": "2", "DIRSRVRPRT": "636"},
            [Service("LDAP", "192.0.2.1", 636)],
        ),
        ({"DIRENABLED_PLATFORM": "1", "DIRSRVR": "192.0.2.1"}, []),
        (
            {"SYSLOG_ENABLED": "1", "LOGSRVR_SECURE": "1", "LOGSRVR": "192.0.2.1"},
            [Service("SYSLOG", "192.0.2.1", 6514)],
        ),
        (
            {"SYSLOG_ENABLED": "1", "LOGSRVR_SECURE": "1", "LOGSRVR": "192.0.2.1:16514"},
            [Service("SYSLOG", "192.0.2.1", 16514)],
        ),
        ({"SYSLOG_ENABLED": "1", "LOGSRVR": "192.0.2.1"}, []),
        (
            SIP | {"ENABLE_3PCC_ENVIRONMENT": "0"},
            [Service("SIP", "192.0.2.1", 5061), Service("PPM", "192.0.2.1", 443, "/axis/services/PPM")],
        ),
        (SIP | {"ENABLE_3PCC_ENVIRONMENT": "0", "CONFIG_SERVER_SECURE_MODE": "0"}, [Service("SIP", "192.0.2.1", 5061)]),
        (THIRD_PARTY | {"XSI_URL": "https://192.0.2.1:8446"}, []),
        (THIRD_PARTY | {"XSI_URL": "https://192.0.2.1:8446", "3PCC_SERVER_MODE": "1"}, [Service("XSI", "192.0.2.1", 8446)]),
        (THIRD_PARTY | {"XSI_URL": "http://192.0.2.1:8446", "3PCC_SERVER_MODE": "1"}, []),
        (THIRD_PARTY | {"XSI_URL": "https://192.0.2.1:port", "3PCC_SERVER_MODE": "1"}, []),
        (
            THIRD_PARTY | {"3PCC_SERVER_MODE": "5"},
            [Service("RINGCENTRAL", "platform.ringcentral.com", 443, "/restapi/v1.0/status")],
        ),
        (
            {"TPSLIST": "192.0.2.1", "SUBSCRIBELIST": "https://192.0.2.1:8445/subscribe"},
            [Service("PUSH", "192.0.2.1", 8445, "/subscribe")],
        ),
        ({"SUBSCRIBELIST": "https://192.0.2.1:8445/subscribe"}, []),
    ],
)
def test_which_services_the_settings_tell_of(values: dict[str, str], found: list[Service]) -> None:
    assert list(services.told(settings(**values), UNIT)) == found


def test_a_phone_that_is_told_of_no_services_starts_without_tls() -> None:
    seen = "import sys, hil.virtual.phone.__main__; print(*sorted({'ssl', 'asn1crypto', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", seen], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""


def name_server(answer: Callable[[bytes], bytes]) -> int:
    """A DNS server for one question; its port."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("127.0.0.1", 0))

    def serve() -> None:
        with port:
            asked, caller = port.recvfrom(512)
            port.sendto(answer(asked), caller)

    threading.Thread(target=serve, daemon=True).start()
    number: int = port.getsockname()[1]
    return number


ALIAS = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x04\x01a\xc0\x0c"
ADDRESS = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x02"


def test_a_name_is_asked_of_the_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        names, "PORT", name_server(lambda asked: asked[:2] + b"\x81\x80\0\x01\0\x02\0\0\0\0" + asked[12:] + ALIAS + ADDRESS)
    )
    assert names.address_of("platform.ringcentral.com", "127.0.0.1") == "192.0.2.2"


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "PORT", name_server(lambda asked: asked[:2] + b"\x81\x83\0\x01\0\0\0\0\0\0" + asked[12:]))
    with pytest.raises(NoAnswer, match=r"no DNS server knows host\.example"):
        names.address_of("host.example", "127.0.0.1")


def test_an_answer_cut_anywhere_is_none() -> None:
    asked = names.question("host.example", 7)
    whole = asked[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + asked[12:] + ADDRESS
    assert names.read_answer(whole, asked) == "192.0.2.2"
    assert {names.read_answer(whole[:cut], asked) for cut in range(len(whole))} == {None}


def test_an_address_is_asked_of_nobody() -> None:
    assert names.address_of("192.0.2.1", "") == "192.0.2.1"


@dataclass
class Chore:
    """Due every `period` phone seconds, `times` times; `ear` ends with the first that is heard at it."""

    clock: Clock
    period: float
    times: int
    ear: socket.socket | None = None
    done: list[float] = field(default_factory=list)
    heard_at: list[float] = field(default_factory=list)

    def due(self) -> float:
        return (len(self.done) + 1) * self.period if len(self.done) < self.times else math.inf

    def act(self) -> None:
        self.done.append(self.clock.uptime())

    def port(self) -> socket.socket | None:
        return self.ear

    def heard(self) -> None:
        self.heard_at.append(self.clock.uptime())
        self.ear = None


class Bench(Alone):
    """Sees when the phone sleeps; time passes for it at once."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.since: list[tuple[float, float]] = []

    def leaps(self) -> list[tuple[float, float]]:
        return self.since

    def asleep(self, since: float, span: float) -> None:
        self.told.append(span)
        if span != math.inf:
            self.since.append((since, span))

    def awake(self) -> None:
        self.told.append(0.0)


def test_errands_run_when_they_are_due_and_the_bench_knows_how_long_the_phone_sleeps() -> None:
    bench = Bench()
    clock = Clock(1000.0, bench=bench)
    hourly, other = Chore(clock, 3600.0, 3), Chore(clock, 5000.0, 1)
    errands.run(clock, [hourly, other])
    assert hourly.done == pytest.approx([3600.0, 7200.0, 10800.0], abs=60)
    assert other.done == pytest.approx([5000.0], abs=60)
    assert [span for span in bench.told if span] == pytest.approx([3600.0, 1400.0, 2200.0, 3600.0], abs=60)
    assert bench.told[-1] == 0.0


def test_what_is_heard_wakes_the_phone_before_anything_is_due() -> None:
    bench = Bench()
    clock = Clock(1.0, bench=bench)
    near, far = socket.socketpair()
    with near, far:
        chore = Chore(clock, math.inf, 0, near)
        far.send(b"!")
        errands.run(clock, [chore])
    assert len(chore.heard_at) == 1
    assert bench.told == [math.inf, 0.0]
