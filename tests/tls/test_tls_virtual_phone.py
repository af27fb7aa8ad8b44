"""The virtual phone's lines to a lab's services: real connections, the phone's own time."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.scep.authority import Authority, to_pem
from hil.services.tls.services import SERVICES
from hil.virtual.phone import catalogue, parameters, usage
from hil.virtual.phone.clock import Alone, Clock, Port
from hil.virtual.phone.dialler import Dialler
from hil.virtual.phone.errors import NoAnswer, Refused
from hil.virtual.phone.flash import Flash, Stored
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.lines import FIRST_WAIT, LONGEST_WAIT, Line
from hil.virtual.phone.log import Log
from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.services import Service
from hil.virtual.phone.standing import StandingLines
from hil.virtual.phone.unit import Unit

UNIT = Unit("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A", "4.1.3.0.6")
LOGGING = {"SYSLOG_ENABLED": "1", "SYSLOG_LEVEL": "7", "LOG_CATEGORY": "NETMGR", "LOGSRVR_SECURE": "1"}


class Phone(Alone):
    """A phone at the lab, its certificates in flash, its time in the hands of the test."""

    def __init__(self, rig: Any, folder: Path, habits: Habits | None = None, **settings: str) -> None:
        self._rig = rig
        self._lines: list[Line] = []
        self.passed = 0.0
        self.habits = habits or Habits()
        self.flash = Flash(folder)
        self.clock = Clock(1.0, time.time(), monotonic=lambda: self.passed, bench=self)
        self.settings = Settings(parameters.known(UNIT, self.habits), {}, LOGGING | settings)
        self.log = Log(self.clock, "AVX83E85A")
        self.log.configure(self.settings)
        self.trusted = rig.desk.root.read_text()
        rig.lab.place("j179-1", "127.0.0.1")

    def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
        self.passed += within
        return ports

    def hold(self, slot: int, name: str) -> str:
        """Has a fresh certificate in flash; its serial number."""
        identity = self._rig.desk.issue(name)
        key, begin, certificate = identity.file.read_text().partition("-----BEGIN CERTIFICATE")
        self.flash.store(slot, Stored("http://10.0.0.1/", begin + certificate, key), self.clock, 0.0)
        return str(identity.serial)

    def service(self, name: str, path: str = "/") -> Service:
        return Service(name, "127.0.0.1", self._rig.lab.tls_port(name), path)

    def lines(self, *told: Service) -> list[Line]:
        lines = StandingLines(told, self.settings, UNIT, self.habits, self.clock, self.log, self.flash, self.trusted).lines
        self._lines += lines
        return lines

    def power_off(self) -> None:
        for line in self._lines:
            line.hang_up()

    def pass_time_to(self, line: Line) -> None:
        self.passed += line.due() - self.clock.uptime()


@pytest.fixture
def phone(rig: Any, tmp_path: Path) -> Iterator[Callable[..., Phone]]:
    with ExitStack() as house:

        def new(habits: Habits | None = None, **settings: str) -> Phone:
            made = Phone(rig, tmp_path / "flash", habits, **settings)
            house.callback(made.power_off)
            return made

        yield new


def serials(rig: Any, count: int) -> list[tuple[str, object]]:
    return [(event.details["service"], event.details.get("serial")) for event in rig.seen(EventName.TLS_HANDSHAKE, count)]


def test_each_service_is_spoken_to_in_its_protocol_with_the_certificate_of_its_profile(
    rig: Any, phone: Callable[..., Phone]
) -> None:
    it = phone(SCEP_USAGE="SIP, Ldap", SCEP_2_USAGE="All,!SYSLOG", FORCE_SIP_EXTENSION="1001")
    first, second = it.hold(1, "first"), it.hold(2, "second")
    rig.lab.publish("j179-1", "/", {"46xxsettings.txt": b"SET X 1\n"})
    names = ("SIP", "LDAP", "PPM", "XSI", "PUSH", "RINGCENTRAL", "SYSLOG", "PROVISIONING")
    for line in it.lines(*(it.service(name, "/46xxsettings.txt") for name in names)):
        line.act()
    expected = {"SIP": first, "LDAP": first, "SYSLOG": None} | dict.fromkeys(
        ("PPM", "XSI", "PUSH", "RINGCENTRAL", "PROVISIONING"), second
    )
    assert dict(serials(rig, 8)) == expected
    asked = {(event.details["service"], event.details["request"]) for event in rig.seen(EventName.TLS_REQUEST, 7)}
    methods = {("PPM", "POST"), ("XSI", "GET"), ("PUSH", "POST"), ("RINGCENTRAL", "GET")}
    assert asked == {("SIP", "REGISTER"), ("LDAP", "bind"), ("LDAP", "search"), *methods}
    assert rig.seen(EventName.FILE_SERVED)[0].details["service"] == "PROVISIONING"


def test_a_connection_outlives_a_renewal_and_a_new_one_shows_the_new_certificate(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone(FORCE_SIP_EXTENSION="1001", REGISTERWAIT="600")
    old = it.hold(1, "old")
    sip, provisioning = it.lines(it.service("SIP"), it.service("PROVISIONING", "/46xxsettings.txt"))
    sip.act()
    provisioning.act()
    new = it.hold(1, "new")
    it.pass_time_to(sip)
    assert it.clock.uptime() == 600.0
    sip.act()
    it.pass_time_to(provisioning)
    provisioning.act()
    assert serials(rig, 3) == [("SIP", old), ("PROVISIONING", old), ("PROVISIONING", new)]
    callers = {event.details["client"] for event in rig.seen(EventName.TLS_REQUEST, 2)}
    assert len(callers) == 1


def test_log_lines_wait_for_their_connection_and_then_go_at_once(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone()
    it.log.say("NETMGR", "before")
    [line] = it.lines(it.service("SYSLOG"))
    line.act()
    it.log.say("NETMGR", "after")
    said = [str(event.details["text"]) for event in rig.seen(EventName.SYSLOG, 3)]
    assert ["before" in said[0], "connected" in said[1], "after" in said[2]] == [True, True, True]
    assert line.due() == math.inf


def test_a_lost_connection_is_made_anew_after_waits_that_double(phone: Callable[..., Phone]) -> None:
    it = phone(FORCE_SIP_EXTENSION="1001")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    [line] = it.lines(Service("SIP", "127.0.0.1", closed))
    waits = []
    for _ in range(9):
        line.act()
        waits.append(line.due() - it.clock.uptime())
        it.pass_time_to(line)
    assert waits == pytest.approx([min(FIRST_WAIT * 2**n, LONGEST_WAIT) for n in range(9)])


def test_the_end_of_a_connection_is_heard(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone()
    [line] = it.lines(it.service("PPM"))
    line.act()
    port = line.port()
    assert port is not None
    line.heard()  # nothing came: the connection stays
    assert line.port() is port
    rig.lab.stop()
    line.heard()
    assert line.port() is None
    assert line.due() == pytest.approx(it.clock.uptime() + FIRST_WAIT)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trusted": ""}, (Refused, "no trusted")),
        ({"host": "localhost"}, (NoAnswer, "no DNS server")),
        ({"host": "::ffff:127.0.0.1"}, (NoAnswer, "CERTIFICATE_VERIFY_FAILED.*mismatch")),
        ({"passed": 40 * 366 * 86_400.0}, (Refused, "not valid now")),
        ({"passed": -10 * 366 * 86_400.0}, (Refused, "not valid now")),
    ],
)
def test_which_servers_are_not_trusted(
    phone: Callable[..., Phone], change: Mapping[str, Any], problem: tuple[type[Exception], str]
) -> None:
    it = phone()
    it.passed += change.get("passed", 0.0)
    dialler = Dialler(it.settings, it.habits, it.flash, it.clock, change.get("trusted", it.trusted))
    with pytest.raises(problem[0], match=problem[1]):
        dialler.connect(replace(it.service("PPM"), host=change.get("host", "127.0.0.1")))


def test_a_server_of_another_ca_is_refused(phone: Callable[..., Phone]) -> None:
    it = phone()
    stranger = to_pem(Authority.create("Stranger", ScaledClock()).certificate).decode()
    with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED"):
        Dialler(it.settings, it.habits, it.flash, it.clock, stranger).connect(it.service("PPM"))


def test_provisioning_needs_no_trusted_certificates(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone()
    it.trusted = ""
    [line] = it.lines(it.service("PROVISIONING", "/46xxsettings.txt"))
    line.act()
    assert serials(rig, 1) == [("PROVISIONING", None)]


def test_newer_tls_is_a_variant(rig: Any, phone: Callable[..., Phone]) -> None:
    for habits in (Habits(), catalogue.habits(["newest-tls"])):
        it = phone(habits)
        it.lines(it.service("XSI"))[0].act()
    versions = [event.details["version"] for event in rig.seen(EventName.TLS_HANDSHAKE, 2)]
    assert versions == ["TLSv1.2", "TLSv1.3"]


def test_a_directory_line_that_is_not_kept(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone(catalogue.habits(["closes-idle-ldap"]))
    [line] = it.lines(it.service("LDAP"))
    for _ in range(2):
        line.act()
        assert line.port() is None
    assert len(serials(rig, 2)) == 2


@pytest.mark.parametrize("name", ["old-certificate-until-restart", "provisioning-old-certificate"])
def test_a_phone_unaware_of_its_renewal(rig: Any, phone: Callable[..., Phone], name: str) -> None:
    it = phone(catalogue.habits([], [name]))
    old = it.hold(1, "old")
    told = it.service("PROVISIONING", "/46xxsettings.txt")
    [line] = it.lines(told)
    line.act()
    new = it.hold(1, "new")
    line.act()
    it.lines(told)[0].act()  # as after a restart
    assert serials(rig, 3) == [("PROVISIONING", old), ("PROVISIONING", old), ("PROVISIONING", new)]


def test_redialling_ends_a_line_and_makes_it_anew(rig: Any, phone: Callable[..., Phone]) -> None:
    it = phone()
    [line] = it.lines(it.service("PPM"))
    line.act()
    line.redial()
    assert (line.port(), line.due()) == (None, it.clock.uptime())
    line.act()
    assert line.port() is not None
    assert len(serials(rig, 2)) == 2
    [closed] = rig.seen(EventName.TLS_CLOSED)
    assert closed.details["service"] == "PPM"


def test_the_phone_knows_the_services_by_the_names_that_the_lab_has() -> None:
    assert {*SERVICES, "8021X"} == set(usage.SERVICES)
