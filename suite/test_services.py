"""Which profile's certificate each service over TLS is shown, and what becomes of services when it is renewed."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Inconclusive, Issue, Observation, Where, changes, due_in, hangs_up, passes, scenario

ANYWHERE = ("SIP", "PROVISIONING", "LDAP", "SYSLOG", "PUSH")
AURA, BROADSOFT = (*ANYWHERE, "PPM"), (*ANYWHERE, "XSI")
"""A phone has its SIP server of one house, and with it PPM, XSI or Ring Central."""

AT_SERVICES = passes(minutes=5)


def shown(device: Observation) -> Where:
    """The first connection that shows whose certificate a service has."""
    return device.services.where


SECOND = scenario(AT_SERVICES, services=BROADSOFT, slot=2, SCEP_USAGE="ldap")
THIRD = scenario(AT_SERVICES, services=BROADSOFT, slot=3, SCEP_USAGE="PUSH, XSI")
SHARED_OUT = scenario(AT_SERVICES, services=BROADSOFT, slot=1, SCEP_USAGE="SIP,PROVISIONING", mates=[SECOND, THIRD])


@SHARED_OUT
@pytest.mark.requirement("USAGE-ASSIGNED", "USAGE-SLOTS")
@pytest.mark.parametrize(
    ("service", "slot"),
    [("SIP", "1"), ("PROVISIONING", "1"), ("LDAP", "2"), ("PUSH", "3"), ("XSI", "3"), ("SYSLOG", "none")],
)
def test_a_service_has_the_certificate_of_the_profile_that_names_it(phone: Observation, service: str, slot: str) -> None:
    assert phone.services.to(service) == slot


@SHARED_OUT
@pytest.mark.requirement("USAGE-LIST")
def test_every_name_of_a_list_counts(phone: Observation) -> None:
    assert phone.services.to("SIP") == phone.services.to("PROVISIONING") == "1"


@SHARED_OUT
@pytest.mark.requirement("USAGE-CASE")
def test_names_are_read_in_any_case(phone: Observation) -> None:
    assert phone.services.to("LDAP") == "2"


@SHARED_OUT
@pytest.mark.requirement("USAGE-BLANKS")
def test_a_blank_may_follow_a_comma(phone: Observation) -> None:
    assert phone.services.to("XSI") == "3"


@scenario(
    AT_SERVICES,
    services=AURA,
    slot=1,
    SCEP_USAGE="All,!SIP",
    mates=[scenario(AT_SERVICES, services=AURA, slot=2, SCEP_USAGE="!PUSH")],
)
@pytest.mark.requirement("USAGE-EXCLUDE")
def test_a_service_can_be_left_out(phone: Observation, characterise: Characterise) -> None:
    assert phone.services.to("SIP") != "1"
    characterise("services.presented where slot 2 has nothing but !PUSH", phone.services.presented, where=shown)


RENEWED = scenario(
    passes(hours=30),
    hangs_up("SIP"),
    hangs_up("LDAP"),
    hangs_up("SYSLOG"),
    passes(minutes=90),
    services=AURA,
    slot=1,
    alone=True,
    ca=[due_in(50, minutes=60), Issue()],
    MYCERTRENEW="50",
    REGISTERWAIT="3600",
)
"""Due after an hour, and renewed within a day of it by whoever looks once a day; each hour the phone has something to say to its
SIP server."""
ANEW = ("SIP", "PROVISIONING", "LDAP", "SYSLOG")
"""Those the bench hangs up on, and the one for files; a connection of the web's others may just stay open."""


@RENEWED
@pytest.mark.requirement("USAGE-DEFAULT")
@pytest.mark.parametrize("service", AURA)
def test_without_a_list_every_service_has_the_certificate(phone: Observation, service: str) -> None:
    assert phone.services.to(service) == "1"


def shown_anew(device: Observation, service: str) -> str:
    """Which certificate `service` was shown after the renewal."""
    presented = dict(device.services.anew.presented)
    if service not in presented:
        raise Inconclusive(f"{device.device} made no new connection to {service} after its renewal")
    return presented[service]


@RENEWED
@pytest.mark.requirement("RENEW-NEW-TLS")
@pytest.mark.parametrize("service", ANEW)
def test_new_connections_show_the_new_certificate(phone: Observation, reference: Observation, service: str) -> None:
    assert shown_anew(reference, service) == "new"
    assert shown_anew(phone, service) == "new"


@RENEWED
@pytest.mark.requirement("RENEW-KEEPS-TLS")
def test_older_connections_stay_up(phone: Observation, reference: Observation) -> None:
    assert set(reference.services.kept.stayed) == {"SIP", "LDAP", "SYSLOG"}
    assert not phone.services.kept.dropped
    if "SIP" not in phone.services.kept.stayed:
        raise Inconclusive(
            "nothing was said on a connection to the SIP server from before the renewal, so none shows that it stays"
        )


@scenario(
    AT_SERVICES,
    services=ANYWHERE,
    slot=1,
    SCEP_USAGE="SIP,FAX",
    mates=[
        scenario(AT_SERVICES, services=ANYWHERE, slot=2, SCEP_USAGE="LDAP"),
        scenario(AT_SERVICES, services=ANYWHERE, slot=3, SCEP_USAGE="LDAP,SYSLOG"),
    ],
)
@pytest.mark.requirement("USAGE-OPEN")
def test_lists_that_no_document_settles(phone: Observation, characterise: Characterise) -> None:
    characterise("services.to of two profiles that claim one service", phone.services.to("LDAP"), where=shown)
    characterise("services.presented beside a name that is none", phone.services.presented, where=shown)


MISSPELT = ("PROVISIONING", "SYSLOG", "LDAP")


@scenario(
    AT_SERVICES,
    services=MISSPELT,
    slot=1,
    SECP_USAGE="PROVISIONING",
    mates=[scenario(AT_SERVICES, services=MISSPELT, slot=2, SECP_2_USAGE="LDAP")],
)
@pytest.mark.requirement("USAGE-MISSPELT")
def test_what_the_examples_misspelling_does(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    characterise("services.presented by SECP_USAGE", phone.services.presented, reference.services.presented, where=shown)


RING_CENTRAL = scenario(
    AT_SERVICES,
    changes(SCEP_USAGE="SYSLOG, Ring Central"),
    AT_SERVICES,
    changes(SCEP_USAGE="SYSLOG, RINGCENTRAL"),
    AT_SERVICES,
    services=("PROVISIONING", "SYSLOG", "RINGCENTRAL"),
    slot=1,
    alone=True,
)
"""Without a list, then with Ring Central as the page spells it, then as the template does; no list names PROVISIONING."""


@RING_CENTRAL
@pytest.mark.requirement("USAGE-DEFAULT")
def test_ring_central_too_has_the_certificate_without_a_list(phone: Observation, reference: Observation) -> None:
    assert phone.services.in_boot(1).to("RINGCENTRAL") == reference.services.in_boot(1).to("RINGCENTRAL") == "1"


@RING_CENTRAL
@pytest.mark.requirement("USAGE-OPEN")
def test_which_spelling_of_ring_central_is_read(phone: Observation, characterise: Characterise) -> None:
    page, template = phone.services.in_boot(2).presented, phone.services.in_boot(3).presented
    characterise("services.presented where the list has Ring Central", page, where=lambda seen: seen.services.in_boot(2).where)
    characterise("services.presented where the list has RINGCENTRAL", template, where=lambda seen: seen.services.in_boot(3).where)
