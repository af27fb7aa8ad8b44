"""Which certificate was shown to which service: evidence that agrees, evidence that does not, and what rules make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from made_evidence import EPOCH

from hil.capture.tls import End, Record, TlsConnection
from hil.judge.connections import Connection, connections
from hil.judge.findings import applicable
from hil.judge.rules import RULES, Told
from hil.judge.seen import Where
from hil.judge.services import Granted, ServiceFacts
from hil.judge.verdict import Inconclusive
from hil.scenario import ChangeSettings, HangUp, Issue, PassTime, Scenario
from hil.settings.usage import NOT_READ, read_usage

DEVICE, CLIENT, BENCH = "j179-1", "192.0.2.101:40000", "192.0.2.1:5061"
GRANTED, RENEWED = 10.0, 4000.0


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def handshake(began: float = 20.0, **details: Any) -> dict[str, Any]:
    told = {"service": "SIP", "client": CLIENT, "server": BENCH, "serial": "a1", **details}
    stamp = at(began).isoformat()
    return {"name": "tls handshake", "device": DEVICE, "at": stamp, "real": stamp, "details": told}


def captured(began: float = 20.0, **changes: Any) -> TlsConnection:
    shown: Any = SimpleNamespace(serial=0xA1)
    seen = TlsConnection(CLIENT, BENCH, 7, at(began), "TLSv1.2", shown, 9)
    for name, value in changes.items():
        setattr(seen, name, value)
    return seen


def read(events: Sequence[Mapping[str, Any]], seen: Sequence[TlsConnection]) -> list[Connection]:
    files = ("boot-1.pcapng", "boot-1.events.jsonl")
    return list(connections(events, seen, DEVICE, boot=1, files=files, phone_time=lambda time: time))


def test_a_connection_has_its_certificate_from_both_and_its_bytes_from_the_capture() -> None:
    said = [Record(11, at(30), True, 40), Record(12, at(31), False, 40)]
    closed = handshake(90.0, by_client=True) | {"name": "tls closed"}
    [one] = read([handshake(), closed], [captured(records=said, ended=End(20, at(90)))])
    assert (one.service, one.serial, one.where) == ("SIP", "a1", Where("boot-1.pcapng", 9, at(20)))
    assert one.heard == (Where("boot-1.pcapng", 11, at(30)),)
    assert one.ended == (Where("boot-1.pcapng", 20, at(90)), True)


def test_a_certificate_that_tls_1_3_seals_is_the_logs_to_tell() -> None:
    [one] = read([handshake()], [captured(version="TLSv1.3", certificate=None, certificate_frame=None)])
    assert (one.serial, one.where.frame) == ("a1", 7)


@pytest.mark.parametrize(
    "seen",
    [
        [],
        [captured(certificate=None)],
        [captured(certificate=SimpleNamespace(serial=0xA2))],
        [captured(client="192.0.2.102:40000")],
        [captured(server="192.0.2.1:636")],
        [captured(began=60.0)],
    ],
    ids=["none", "no certificate", "another certificate", "another client", "another service", "later"],
)
def test_a_log_that_the_capture_does_not_bear_out_shows_nothing(seen: list[TlsConnection]) -> None:
    with pytest.raises(Inconclusive, match=r"boot-1\.pcapng"):
        read([handshake()], seen)


def test_a_port_that_is_used_again_is_another_connection() -> None:
    later = captured(began=50.0, certificate=SimpleNamespace(serial=0xA2))
    assert [one.serial for one in read([handshake(), handshake(50.0, serial="a2")], [captured(), later])] == ["a1", "a2"]


def test_others_and_failures_are_no_connections_of_the_device() -> None:
    assert not read(
        [handshake(failure="no certificate"), handshake() | {"device": "j179-2"}, handshake() | {"name": "stray"}], []
    )


def test_what_has_no_address_is_proven_by_its_line() -> None:
    event = handshake(service="8021X")
    del event["details"]["client"]
    [_, one] = read([handshake(), event], [captured()])
    assert (one.service, one.where.file, one.where.frame, one.where.line) == ("8021X", "boot-1.events.jsonl", None, 2)


def connection(service: str, serial: str | None, began: float = 20.0, **how: Any) -> Connection:
    heard = tuple(where(seconds) for seconds in how.get("heard", ()))
    return Connection(service, 1, at(began), serial, where(began), heard, how.get("ended"))


def where(seconds: float) -> Where:
    return Where("boot-1.pcapng", int(seconds), at(seconds))


def facts(*seen: Connection, grants: Mapping[int, Sequence[Granted]] | None = None, slot: int = 1) -> ServiceFacts:
    both = {1: [Granted("a1", at(GRANTED), 1), Granted("a2", at(RENEWED), 1)], 2: [Granted("b1", at(GRANTED + 5), 1)]}
    return ServiceFacts(DEVICE, slot, both if grants is None else grants, seen, timedelta(seconds=120))


def test_each_service_is_told_by_whose_certificate_it_was_shown() -> None:
    seen = facts(
        connection("SIP", "a1"), connection("SIP", "a2", 5000), connection("LDAP", "b1"), connection("LDAP", "a1"),
        connection("PPM", None), connection("XSI", "f00"),
    )  # fmt: skip
    assert seen.presented == (("LDAP", "1, 2"), ("PPM", "none"), ("SIP", "1"), ("XSI", "none"))
    assert (seen.to("SIP"), seen.to("XSI")) == ("1", "none")
    with pytest.raises(Inconclusive, match="not at PUSH"):
        seen.to("PUSH")


def test_what_was_shown_before_all_had_a_certificate_does_not_count() -> None:
    assert facts(connection("SIP", None, 12), connection("SIP", "b1", 16)).presented == (("SIP", "2"),)
    with pytest.raises(Inconclusive, match="was at no service"):
        _ = facts(connection("SIP", None, 12)).presented


FIRST_GRANT = {1: [Granted("a1", at(GRANTED), 1)]}


def test_a_certificate_need_not_be_shown_while_it_is_installed() -> None:
    seen = facts(connection("SIP", None, 12), connection("SIP", "a1", 190), grants=FIRST_GRANT)
    assert seen.presented == (("SIP", "1"),)
    late = facts(connection("SIP", None, GRANTED + 121), connection("SIP", "a1", 190), grants=FIRST_GRANT)
    assert late.presented == (("SIP", "1, none"),)


def test_who_shows_one_service_its_certificate_has_installed_it() -> None:
    seen = facts(connection("SYSLOG", None, 12), connection("SIP", "a1", 13), connection("LDAP", None, 14), grants=FIRST_GRANT)
    assert seen.presented == (("LDAP", "none"), ("SIP", "1"), ("SYSLOG", "none"))


def test_who_shows_nobody_any_may_be_installing_yet() -> None:
    seen = facts(connection("SIP", None, 12), connection("LDAP", None, 13), grants=FIRST_GRANT)
    with pytest.raises(Inconclusive, match="was at no service"):
        _ = seen.presented
    assert facts(*seen.all_connections, connection("LDAP", None, 900), grants=FIRST_GRANT).presented == (("LDAP", "none"),)


def test_one_profile_s_certificate_may_take_longer_than_another_s() -> None:
    grants = {1: [Granted("a1", at(GRANTED), 1)], 2: [Granted("b1", at(GRANTED), 1)]}
    seen = facts(connection("SIP", "a1", 12), connection("PPM", None, 13), connection("LDAP", "b1", 190), grants=grants)
    assert seen.presented == (("LDAP", "2"), ("SIP", "1"))


def test_another_s_certificate_is_no_sign_of_installing() -> None:
    grants = {1: [Granted("a1", at(GRANTED), 1)], 2: [Granted("b1", at(GRANTED), 1)]}
    assert facts(connection("SIP", "b1", 12), connection("SIP", "a1", 190), grants=grants).to("SIP") == "1, 2"


def test_a_later_boot_follows_the_grant_whatever_time_is_told_there() -> None:
    behind = replace(connection("SIP", "a2", GRANTED - 9_000), boot=2)
    seen = facts(connection("SIP", "a1", heard=[30, RENEWED + 900]), behind)
    assert seen.presented == (("SIP", "1"),)
    assert seen.anew.presented == (("SIP", "new"),)
    assert seen.kept.stayed == ("SIP",)


def test_the_facts_of_one_boot_are_those_of_its_connections() -> None:
    boots = [replace(connection("SIP", serial), boot=index) for index, serial in ((2, "a1"), (3, "b1"))]
    seen = replace(facts(*boots), boots=(2, 3, 4))
    assert (seen.in_boot(1).to("SIP"), seen.in_boot(2).to("SIP"), seen.to("SIP")) == ("1", "2", "1, 2")
    with pytest.raises(Inconclusive, match="was at no service"):
        seen.in_boot(3).to("SIP")


@pytest.mark.parametrize(("serial", "word"), [("a1", "old"), ("a2", "new"), ("b1", "2"), (None, "none")])
def test_a_new_connection_after_the_renewal(serial: str | None, word: str) -> None:
    seen = facts(connection("SIP", "a1"), connection("SIP", serial, RENEWED + 500), connection("LDAP", "b1", RENEWED + 500))
    assert seen.anew.presented == (("SIP", word),)
    assert RULES["services.anew.presented"].holds(seen.anew.presented, "new") is (word == "new")


def test_a_connection_while_the_certificate_is_installed_is_held_against_none() -> None:
    with pytest.raises(Inconclusive, match="to no service anew"):
        _ = facts(connection("SIP", "a1"), connection("SIP", "a1", RENEWED + 60)).anew.presented


def test_nothing_is_said_of_a_slot_that_was_not_renewed() -> None:
    with pytest.raises(Inconclusive, match="was not renewed"):
        _ = facts(connection("LDAP", "b1"), slot=2).anew.presented


def test_a_connection_that_says_more_after_the_renewal_stayed() -> None:
    seen = facts(connection("SIP", "a1", heard=[30, RENEWED + 900]), connection("PPM", "a1", heard=[30]))
    assert (seen.kept.stayed, seen.kept.dropped) == (("SIP",), ())
    assert seen.kept.where == where(RENEWED + 900)


def test_a_connection_that_the_device_ends_at_the_renewal_was_dropped() -> None:
    goodbye = connection("SIP", "a1", heard=[30, RENEWED + 2], ended=(where(RENEWED + 3), True))
    assert facts(goodbye, connection("LDAP", "a1", heard=[RENEWED + 900])).kept.dropped == ("SIP",)


@pytest.mark.parametrize("ended", [(where(RENEWED + 1000), True), (where(RENEWED + 3), False), (where(RENEWED - 9), True)])
def test_an_end_that_is_not_for_the_renewals_sake_is_no_drop(ended: tuple[Where, bool]) -> None:
    idle = connection("LDAP", "a1", heard=[30], ended=ended)
    assert facts(idle, connection("SIP", "a1", heard=[30, RENEWED + 900])).kept.dropped == ()


def test_a_silence_shows_neither_life_nor_death() -> None:
    with pytest.raises(Inconclusive, match="nothing was said"):
        _ = facts(connection("SIP", "a1", heard=[30])).kept.dropped
    with pytest.raises(Inconclusive, match="was in use"):
        _ = facts(connection("PPM", "a1", heard=[30])).kept.dropped


def told(*usages: str, slot: int = 1, services: Sequence[str] = ("LDAP", "SIP")) -> Told:
    read = {number: NOT_READ if text == "?" else read_usage(text) for number, text in enumerate(usages, 1)}
    return Told(Scenario(services=tuple(services)), SimpleNamespace(slot=slot), read)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("usages", "due"),
    [
        (["SIP", "LDAP"], (("LDAP", "not 1"), ("SIP", "1"))),
        (["All"], (("LDAP", "1"), ("SIP", "1"))),
        (["All,!SIP"], (("LDAP", "1"), ("SIP", "none"))),
        (["All", "SIP"], (("LDAP", "1"),)),
        (["All,!SIP", "!PUSH"], (("SIP", "not 1"),)),
        (["?"], ()),
        (["LDAP", "?"], (("SIP", "not 1"),)),
    ],
)
def test_what_is_due_is_what_the_documents_settle(usages: list[str], due: object) -> None:
    expected = RULES["services.presented"].expected
    assert expected is not None
    assert expected(told(*usages)) == due


@pytest.mark.parametrize(
    ("shown", "holds"),
    [
        ((("LDAP", "2"), ("SIP", "1")), True),
        ((("LDAP", "none"), ("SIP", "1")), True),
        ((("SIP", "1"),), True),
        ((("LDAP", "1, 2"), ("SIP", "1")), False),
        ((("SIP", "none"),), False),
        ((("SIP", "1, none"),), False),
    ],
)
def test_what_was_shown_is_held_against_what_is_due(shown: object, holds: bool) -> None:
    assert RULES["services.presented"].holds(shown, (("LDAP", "not 1"), ("SIP", "1"))) is holds


def test_only_scenarios_with_services_show_their_facts() -> None:
    def of(scenario: Scenario) -> set[str]:
        return {
            fact
            for fact in applicable(Told(scenario, SimpleNamespace(prompts_user=False, url="http://ca/", renew_percent=50)), False)
            if "services." in fact
        }  # type: ignore[arg-type]

    live = (PassTime(4 * 86_400.0), HangUp("SIP"))
    renewed = (Issue(days=365, backdated=180), Issue())
    assert of(Scenario()) == set()
    assert of(Scenario(services=("SIP",))) == {"services.presented"}
    assert of(Scenario(services=("SIP",), steps=(ChangeSettings((("SCEP_USAGE", "LDAP"),)),))) == set()
    assert of(Scenario(services=("SIP",), steps=(ChangeSettings((("REGISTERWAIT", "60"),)),))) == {"services.presented"}
    assert of(Scenario(services=("SIP",), ca=renewed, steps=live)) == {
        "services.presented", "services.anew.presented", "services.kept.dropped",
    }  # fmt: skip
