"""Services over TLS in a campaign: which go together, what a device is told of them, and where a bench lacks one."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from hil.bench.network import Network, TlsPorts
from hil.campaign.plan import PlannedBoot, plan, why_not_applicable
from hil.campaign.render import Server, boot_files
from hil.campaign.services import told_of, why_not_told
from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.reference.endpoints import endpoints
from hil.scenario import HangUp, Scenario
from hil.settings.interpret import interpret
from hil_fixtures import hangs_up, scenario

PHONE = Identity("J179", "c8:1f:ea:83:e8:5a", "19wz1234567a")
NEW = Firmware("4.1.11.0.9")
OFFERED = TlsPorts().offered
SERVER = Server("192.0.2.1", 80, tls=OFFERED, trust=b"the CA", folder="/reference/j179-1/")


def files(*services: str) -> dict[str, bytes]:
    boot = PlannedBoot("main", ((1, Scenario(services=services)), (2, Scenario(services=services))))
    return dict(boot_files(boot, "j179-1", PHONE, SERVER, NEW))


def test_a_phone_takes_every_parameter_that_tells_it_of_services() -> None:
    served = files("SIP", "PROVISIONING", "LDAP", "SYSLOG", "PUSH", "PPM")
    told = interpret("J100Supgrade.txt", served.get, PHONE, firmware=NEW)
    assert not told.ignored
    assert served["bench-ca.pem"] == b"the CA"
    wanted = told_of(("SIP", "PROVISIONING", "LDAP", "SYSLOG", "PUSH", "PPM"), "192.0.2.1", OFFERED, "/reference/j179-1/")
    assert {name: told.value(name) for name in wanted} == wanted
    assert told.value("SIP_CONTROLLER_LIST") == "192.0.2.1:5061;transport=tls"


def test_who_is_told_of_no_service_is_told_of_no_ca() -> None:
    served = files()
    assert "bench-ca.pem" not in served
    assert not any(b"TRUSTCERTS" in content for content in served.values())


@pytest.mark.parametrize(
    ("services", "why"),
    [
        (("PPM", "XSI", "SIP"), "PPM and XSI belong to SIP servers of different houses"),
        (("PPM", "LDAP"), "PPM is at the SIP server's host"),
        (("SIP", "PPM", "LDAP"), None),
        (("XSI",), None),
        (("RINGCENTRAL", "SIP"), None),
        (("XSI", "RINGCENTRAL"), "XSI and RINGCENTRAL belong to SIP servers of different houses"),
        (("SIP", "PPM", "RINGCENTRAL"), "PPM and RINGCENTRAL belong to SIP servers of different houses"),
        ((), None),
    ],
)
def test_services_that_no_phone_uses_side_by_side(services: tuple[str, ...], why: str | None) -> None:
    found = why_not_told(services)
    assert found == why or (found or "").startswith(why or "never")


def test_a_scenario_with_services_that_cannot_be_is_refused() -> None:
    with pytest.raises(Misuse, match="different houses"):
        scenario(services=["SIP", "PPM", "XSI"])
    with pytest.raises(Misuse, match="no service 'FAX'"):
        scenario(services=["FAX"])
    with pytest.raises(Misuse, match="no service 'All'"):
        hangs_up("All")


def test_a_bench_that_does_not_offer_a_service_cannot_show_it() -> None:
    wants = Scenario(slot=1, services=("SIP", "8021X"))
    assert why_not_applicable(wants, NEW, (*OFFERED, "8021X")) is None
    assert why_not_applicable(wants, NEW, OFFERED) == "this bench does not offer 8021X"
    assert why_not_applicable(wants, NEW, {"LDAP": 636}) == "this bench does not offer SIP, 8021X"
    assert plan([wants], NEW, offered={}).not_applicable


def test_a_phone_is_told_whose_sip_server_it_has_and_no_address_of_ring_central() -> None:
    told = interpret("J100Supgrade.txt", files("RINGCENTRAL").get, PHONE, firmware=NEW)
    assert (told.value("ENABLE_3PCC_ENVIRONMENT"), told.value("3PCC_SERVER_MODE"), told.ignored) == ("1", "5", ())
    [ring_central] = endpoints(told)
    assert (ring_central.service, ring_central.host, ring_central.port) == ("RINGCENTRAL", "platform.ringcentral.com", 443)


def test_phones_that_nobody_sends_to_the_bench_cannot_show_ring_central() -> None:
    network = Network(interface="eth1", address=IPv4Address("192.0.2.1"), dhcp=False)
    why = why_not_applicable(Scenario(services=("RINGCENTRAL",)), NEW, network.offered)
    assert why is not None
    assert why.startswith("this bench does not offer RINGCENTRAL; it needs a port in network.tls, and a DNS server")
    assert network.offered.keys() == OFFERED.keys() - {"RINGCENTRAL"}
    for sends in ({"dhcp": True}, {"names": True}):
        assert network.model_copy(update=sends).offered == OFFERED


def test_hanging_up_is_a_step_of_the_boot() -> None:
    (sitting,) = plan([Scenario(slot=1, services=("SIP",), steps=(HangUp("SIP"),))], NEW).sittings
    assert [boot.life for boot in sitting.boots] == [(), (HangUp("SIP"),)]
    assert Scenario(steps=(HangUp("SIP"),)).text == "then SIP is hung up"


def test_a_port_that_is_null_offers_nothing() -> None:
    assert TlsPorts(ldap=None).offered == {service: port for service, port in OFFERED.items() if service != "LDAP"}
