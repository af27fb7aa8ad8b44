"""Scenarios whose SCEP server is spoken to over TLS: what a device is told, and which faults cannot be played there."""

from __future__ import annotations

import pytest

from hil.campaign.plan import PlannedBoot
from hil.campaign.render import Server, boot_files
from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.scenario import HTTPS, Reset, Scenario
from hil.settings.interpret import interpret
from hil.settings.profiles import Profile, profiles
from hil_fixtures import scenario

PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
FIRMWARE = Firmware("4.1.3.0.6")
SERVER = Server("192.0.2.1", 8080, trust=b"the CA")
AURA = (("ENABLE_3PCC_ENVIRONMENT", "0"),)


def told(each: Scenario) -> tuple[dict[str, bytes], Profile]:
    """The files for the first profile of a phone that is to play it, and what they make of it."""
    files = dict(boot_files(PlannedBoot("main", ((1, each),)), "j179-1", PHONE, SERVER, FIRMWARE))
    [profile] = profiles(interpret("J100Supgrade.txt", files.get, PHONE, firmware=FIRMWARE), PHONE)
    return files, profile


def test_https_is_the_slots_own_path_at_the_same_port() -> None:
    files, profile = told(Scenario((("MYCERTURL", HTTPS),), (("TRUSTCERTS", "bench-ca.pem"),)))
    assert profile.url == "https://192.0.2.1:8080/scep/j179-1/1/pkiclient.exe"
    assert files["bench-ca.pem"] == b"the CA"


def test_an_entity_class_makes_the_same_of_an_http_url() -> None:
    _, profile = told(Scenario((("SCEP_ENTITY_CLASS", "phones"),), AURA))
    assert (profile.url, profile.entity_class) == ("https://192.0.2.1:8080/scep/j179-1/1/pkiclient.exe", "phones")


@pytest.mark.parametrize(
    ("each", "enrols"),
    [
        (Scenario((("MYCERTURL", HTTPS),)), False),
        (Scenario((("MYCERTURL", HTTPS),), (("TRUSTCERTS", "bench-ca.pem"),)), True),
        (Scenario((("MYCERTURL", HTTPS),), services=("SIP",)), True),
        (Scenario((("SCEP_ENTITY_CLASS", "phones"),), AURA), False),
        (Scenario((("SCEP_ENTITY_CLASS", "phones"),)), True),
    ],
)
def test_over_tls_enrolment_is_expected_of_who_trusts_somebody(each: Scenario, enrols: bool) -> None:
    assert each.enrols is enrols


def test_a_fault_on_the_wire_is_refused_where_tls_hides_the_wire() -> None:
    with pytest.raises(Misuse, match="plain HTTP alone"):
        scenario(MYCERTURL=HTTPS, ca=[Reset()])
    assert scenario(ca=[Reset()])
