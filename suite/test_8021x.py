"""At a port that asks for 802.1X: which certificate opens it, under which name."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Observation, restart, scenario

PORT = ("8021X",)
"""The phone gets its certificates through an open port, which asks once it has restarted."""

FIRST = scenario(restart(), services=PORT, slot=1, SCEP_USAGE="SIP,LDAP")
THIRD = scenario(restart(), services=PORT, slot=3, SCEP_USAGE="PPM")
AT_PORT = scenario(restart(), services=PORT, slot=2, mates=[FIRST, THIRD])
"""Profile 2 alone, by default, is for every service."""


@AT_PORT
@pytest.mark.requirement("8021X-ASKED")
def test_the_port_opens_for_a_phone_that_is_told_to_ask(phone: Observation, reference: Observation) -> None:
    assert reference.port.opened
    assert phone.port.opened


@AT_PORT
@pytest.mark.requirement("8021X-PROFILE")
def test_it_is_shown_the_certificate_of_the_profile_that_is_for_it(phone: Observation) -> None:
    assert phone.services.to("8021X") == "2"


@AT_PORT
@pytest.mark.requirement("8021X-IDENTITY")
def test_the_name_is_the_mac_address(phone: Observation, reference: Observation) -> None:
    assert phone.port.identity == reference.port.identity


@scenario(
    restart(),
    services=PORT,
    slot=1,
    SCEP_USAGE="All,!8021X",
    FORCE_DOT1XID_TLS="lab-$SERIALNO_UPPER",
    mates=[
        scenario(restart(), services=PORT, slot=2, SCEP_USAGE="802.1x", FORCE_DOT1XID_TLS="lab-$SERIALNO_UPPER"),
        scenario(restart(), services=PORT, slot=3, SCEP_USAGE="8021X", FORCE_DOT1XID_TLS="lab-$SERIALNO_UPPER"),
    ],
)
@pytest.mark.requirement("8021X-IDENTITY")
@pytest.mark.requirement("8021X-SPELLING")
def test_the_name_is_what_is_set_and_the_spelling_is_characterised(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    assert phone.port.identity == reference.port.identity
    characterise(
        "services.to 802.1X, left out of profile 1, spelt 802.1x in profile 2 and 8021X in profile 3",
        phone.services.to("8021X"),
        where=lambda seen: seen.port.where,
    )
