"""What a list of services means, and what of it no document settles."""

from __future__ import annotations

import pytest

from hil.settings.usage import EVERY_SERVICE, read_usage

LISTS = {
    "All": EVERY_SERVICE,
    "all": EVERY_SERVICE,
    "All,!SIP": EVERY_SERVICE - {"SIP"},
    "SIP,LDAP": {"SIP", "LDAP"},
    "sip, Ldap": {"SIP", "LDAP"},
    "Provisioning": {"PROVISIONING"},
    "SIP,All": EVERY_SERVICE,
    "SIP,SIP": {"SIP"},
}


@pytest.mark.parametrize("text", LISTS)
def test_lists_whose_meaning_is_documented(text: str) -> None:
    usage = read_usage(text)
    assert usage.services == LISTS[text]
    assert not usage.unsettled


@pytest.mark.parametrize(
    ("text", "services", "unsettled"),
    [
        ("!SIP", EVERY_SERVICE - {"SIP"}, EVERY_SERVICE),
        ("!SIP,All", EVERY_SERVICE - {"SIP"}, {"SIP"}),
        ("All,!SIP,!LDAP", EVERY_SERVICE - {"SIP", "LDAP"}, {"SIP", "LDAP"}),
        ("SIP,!SIP", set(), {"SIP"}),
        ("All,!All", set(EVERY_SERVICE), EVERY_SERVICE),
        ("SIP,Ring Central", {"SIP", "RINGCENTRAL"}, {"RINGCENTRAL"}),
        ("RINGCENTRAL", {"RINGCENTRAL"}, {"RINGCENTRAL"}),
        ("All,!802.1x", EVERY_SERVICE - {"8021X"}, {"8021X"}),
        ("8021X,PPM", {"8021X", "PPM"}, {"8021X"}),
    ],
)
def test_lists_that_the_documents_leave_open(text: str, services: frozenset[str], unsettled: frozenset[str]) -> None:
    usage = read_usage(text)
    assert usage.services == services
    assert usage.unsettled == unsettled


def test_what_is_unsettled_is_neither_given_nor_withheld() -> None:
    usage = read_usage("SIP,Ring Central")
    assert usage.gives("SIP")
    assert usage.withholds("PPM")
    assert not usage.gives("RINGCENTRAL")
    assert not usage.withholds("RINGCENTRAL")
