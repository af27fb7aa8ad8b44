from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ManualClock
from hil.identity import Identity
from hil.reference.decisions import AskUser, Blocked, Decision, Delete, Enrol, Hold, Idle, boot_plan
from hil.reference.store import Held, MemoryStore
from hil.scep.authority import self_signed
from hil.scep.names import write_name
from hil.settings.interpret import interpret

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19wz1234567a")
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = self_signed(write_name((("CN", "19WZ1234567A"),)), KEY, NOW)
FIRST, SECOND = "http://ca/1", "http://ca/2"


def held(slot: int, url: str) -> Held:
    return Held(slot, url, CERTIFICATE, KEY, (), ManualClock(NOW).now())


def plan(settings: dict[str, str], *held: Held, now: datetime = NOW) -> tuple[Decision, ...]:
    lines = "".join(f'SET {name} "{value}"\n' for name, value in settings.items())
    interpretation = interpret("46xxsettings.txt", lambda _: lines.encode(), PHONE)
    assert not interpretation.ignored
    return boot_plan(interpretation, PHONE, MemoryStore(held), now)


def test_without_a_url_no_slot_contacts_anyone() -> None:
    assert plan({}) == (Idle(1), Idle(2), Idle(3))


def test_every_slot_with_a_url_enrols_in_the_order_of_slots() -> None:
    decisions = plan({"MYCERTURL_3": SECOND, "MYCERTURL": FIRST, "MYCERTKEYLEN_3": "4096", "SCEPENCALG_3": "1"})
    assert [type(decision) for decision in decisions] == [Enrol, Idle, Enrol]
    first, third = decisions[0], decisions[2]
    assert isinstance(first, Enrol)
    assert isinstance(third, Enrol)
    assert (first.profile.url, first.profile.key_bits, first.profile.cipher) == (FIRST, 2048, "des-cbc")
    assert (third.profile.url, third.profile.key_bits, third.profile.cipher) == (SECOND, 4096, "aes-256-cbc")
    assert first.profile.common_name == "19WZ1234567A"


def test_a_certificate_from_the_url_is_held() -> None:
    assert plan({"MYCERTURL": FIRST}, held(1, FIRST))[0] == Hold(1, FIRST, expired=False)


def test_an_expired_certificate_is_held_all_the_same() -> None:
    late = CERTIFICATE.not_after + timedelta(seconds=1)
    assert plan({"MYCERTURL": FIRST}, held(1, FIRST), now=late)[0] == Hold(1, FIRST, expired=True)


def test_a_certificate_from_another_url_does_not_count() -> None:
    assert isinstance(plan({"MYCERTURL": SECOND}, held(1, FIRST))[0], Enrol)


def test_a_certificate_of_another_slot_does_not_count() -> None:
    assert isinstance(plan({"MYCERTURL_2": FIRST}, held(1, FIRST))[1], Enrol)


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_delete_scep_cert_deletes_and_blocks_its_own_slot_only(slot: int) -> None:
    setting = "DELETE_SCEP_CERT" if slot == 1 else f"DELETE_SCEP_{slot}_CERT"
    urls = {"MYCERTURL": "http://ca/1", "MYCERTURL_2": "http://ca/2", "MYCERTURL_3": "http://ca/3"}
    certificates = [held(number, f"http://ca/{number}") for number in (1, 2, 3)]
    decisions = plan({**urls, setting: "1"}, *certificates)
    assert decisions[0] == Delete(slot, setting)
    for number in (1, 2, 3):
        expected = Blocked(number, setting) if number == slot else Hold(number, f"http://ca/{number}", expired=False)
        assert decisions[number] == expected


def test_delete_my_cert_deletes_an_only_certificate_and_blocks_every_slot() -> None:
    decisions = plan({"MYCERTURL": FIRST, "MYCERTURL_2": SECOND, "DELETE_MY_CERT": "1"}, held(1, FIRST))
    assert decisions == (Delete(1, "DELETE_MY_CERT"), Blocked(1, "DELETE_MY_CERT"), Blocked(2, "DELETE_MY_CERT"), Idle(3))


def test_delete_my_cert_deletes_none_of_several() -> None:
    settings = {"MYCERTURL": FIRST, "MYCERTURL_2": SECOND, "DELETE_MY_CERT": "1"}
    decisions = plan(settings, held(1, FIRST), held(2, SECOND))
    assert decisions == (Hold(1, FIRST, expired=False), Hold(2, SECOND, expired=False), Idle(3))


def test_a_delete_setting_set_back_to_0_lets_the_slot_enrol() -> None:
    assert isinstance(plan({"MYCERTURL": FIRST, "DELETE_SCEP_CERT": "0", "DELETE_MY_CERT": "0"})[0], Enrol)


def test_an_empty_password_waits_for_a_person() -> None:
    assert plan({"MYCERTURL": FIRST, "SCEPPASSWORD": ""})[0] == AskUser(1)


def test_nobody_is_asked_where_nothing_is_to_be_installed() -> None:
    settings = {"MYCERTURL": FIRST, "SCEPPASSWORD": ""}
    assert plan(settings, held(1, FIRST))[0] == Hold(1, FIRST, expired=False)
    assert plan({**settings, "DELETE_MY_CERT": "1"})[0] == Blocked(1, "DELETE_MY_CERT")
