"""The SCEP profiles that settings amount to."""

from __future__ import annotations

import pytest

from hil.errors import Misuse
from hil.identity import Identity
from hil.settings.interpret import interpret
from hil.settings.profiles import profile_of, profiles

PHONE = Identity("J179", "C8:1F:EA:83:E8:5A", "19wz1234567A")
URL = {"MYCERTURL": "http://10.0.0.1/scep"}


def test_a_profile_without_a_url_is_none() -> None:
    assert profile_of({"MYCERTCAID": "x"}, 1, PHONE) is None
    assert profile_of(URL, 2, PHONE) is None


def test_the_defaults_of_a_profile() -> None:
    profile = profile_of(URL, 1, PHONE)
    assert profile is not None
    assert profile.url == "http://10.0.0.1/scep"
    assert profile.key_bits == 2048
    assert profile.subject == (("CN", "19WZ1234567A"),)
    assert profile.ca_identifier == "CAIdentifier"
    assert profile.cipher == "des-cbc"
    assert profile.challenge_password == "19WZ1234567A"
    assert not profile.prompts_user
    assert profile.renew_percent == 90
    assert profile.usage == "All"


@pytest.mark.parametrize(
    ("slot", "prefix", "key_length"), [(1, "{}", "MYCERTKEYLEN"), (2, "{}_2", "MYCERTKEYLEN_2"), (3, "{}_3", "MYCERTKEYLEN_3")]
)
def test_every_slot_reads_its_own_names(slot: int, prefix: str, key_length: str) -> None:
    values = {
        prefix.format("MYCERTURL"): "https://ca.example.com/x",
        prefix.format("MYCERTCN"): "Phone $MACADDR of $MACADDR_UPPER, $SERIALNO",
        prefix.format("MYCERTDN"): "/C=US/ST=NJ/L=Town/O=My Company",
        prefix.format("MYCERTCAID"): "CA 7",
        prefix.format("SCEPENCALG"): "1",
        prefix.format("SCEPPASSWORD"): "x$MACADDR",
        prefix.format("MYCERTRENEW"): "50",
        key_length: "4096",
    }
    profile = profile_of(values, slot, PHONE)
    assert profile is not None
    assert profile.common_name == "Phone c81fea83e85a of C81FEA83E85A, 19WZ1234567A"
    assert profile.dn == (("C", "US"), ("ST", "NJ"), ("L", "Town"), ("O", "My Company"))
    assert profile.subject == (*profile.dn, ("CN", profile.common_name))
    assert (profile.slot, profile.key_bits, profile.cipher, profile.renew_percent) == (slot, 4096, "aes-256-cbc", 50)
    assert profile.challenge_password == "xc81fea83e85a"
    assert profile.ca_identifier == "CA 7"


def test_an_empty_password_prompts_a_person() -> None:
    profile = profile_of({**URL, "SCEPPASSWORD": ""}, 1, PHONE)
    assert profile is not None
    assert profile.challenge_password is None
    assert profile.prompts_user


@pytest.mark.parametrize(
    ("name", "value"), [("MYCERTKEYLEN", "1024"), ("MYCERTCN", "phone"), ("MYCERTDN", "C=US"), ("MYCERTKEYLEN3", "4096")]
)
def test_what_a_phone_ignores_changes_no_profile(name: str, value: str) -> None:
    assert profile_of({**URL, name: value}, 1, PHONE) == profile_of(URL, 1, PHONE)


def test_the_documents_spelling_does_not_reach_the_third_profile() -> None:
    text = b"SET MYCERTURL_3 http://a/\nSET MYCERTKEYLEN3 4096\nSET MYCERTURL_2 http://b/\nSET MYCERTKEYLEN_2 4096\n"
    found = profiles(interpret("f", {"f": text}.get, PHONE), PHONE)
    assert [(p.slot, p.key_bits) for p in found] == [(2, 4096), (3, 2048)]


def test_there_is_no_fourth_profile() -> None:
    with pytest.raises(Misuse, match="1, 2 or 3"):
        profile_of(URL, 4, PHONE)


def test_no_repr_shows_the_password() -> None:
    assert "hunter2" not in repr(profile_of({**URL, "SCEPPASSWORD": "hunter2"}, 1, PHONE))


@pytest.mark.parametrize(
    ("environment", "counts"),
    [
        ({}, False),
        ({"ENABLE_3PCC_ENVIRONMENT": "0"}, True),
        ({"ENABLE_AVAYA_ENVIRONMENT": "1", "ENABLE_3PCC_ENVIRONMENT": "0"}, True),
        ({"ENABLE_AVAYA_ENVIRONMENT": "0", "ENABLE_3PCC_ENVIRONMENT": "0"}, False),
        ({"ENABLE_AVAYA_ENVIRONMENT": "maybe", "ENABLE_3PCC_ENVIRONMENT": "0"}, True),
    ],
)
def test_an_entity_class_counts_in_an_aura_environment_alone_and_forces_https(environment: dict[str, str], counts: bool) -> None:
    values = {"MYCERTURL": "http://192.0.2.1:8080/scep", "SCEP_ENTITY_CLASS": "J100", **environment}
    profile = profile_of(values, 1, PHONE)
    assert profile is not None
    assert profile.entity_class == ("J100" if counts else "")
    assert profile.url == f"http{'s' if counts else ''}://192.0.2.1:8080/scep"


def test_a_class_is_of_its_own_profile() -> None:
    values = {"MYCERTURL": "http://a/", "MYCERTURL_2": "http://b/", "SCEP_ENTITY_CLASS_2": "J100", "ENABLE_3PCC_ENVIRONMENT": "0"}
    first, second = profile_of(values, 1, PHONE), profile_of(values, 2, PHONE)
    assert first is not None
    assert second is not None
    assert (first.url, second.url) == ("http://a/", "https://b/")
