"""The catalog: names, limits, defaults, and what a phone would ignore."""

from __future__ import annotations

import pytest

from hil.errors import Misuse
from hil.identity import Firmware, MacroPlace
from hil.settings.catalog import CATALOG, PROFILE_PARAMETERS, find, for_slot, refusal, why_unknown
from hil.settings.rules import NotADn, read_dn

VENDOR_PAGE = """
MYCERTURL MYCERTURL_2 MYCERTURL_3 MYCERTKEYLEN MYCERTKEYLEN_2 MYCERTKEYLEN_3 MYCERTCN MYCERTCN_2 MYCERTCN_3
MYCERTDN MYCERTDN_2 MYCERTDN_3 MYCERTCAID MYCERTCAID_2 MYCERTCAID_3 SCEPENCALG SCEPENCALG_2 SCEPENCALG_3
SCEPPASSWORD SCEPPASSWORD_2 SCEPPASSWORD_3 SCEP_USAGE SCEP_2_USAGE SCEP_3_USAGE
MYCERTRENEW MYCERTRENEW_2 MYCERTRENEW_3 SCEP_ENTITY_CLASS DELETE_MY_CERT
"""

NEIGHBOURS = """
DELETE_SCEP_CERT DELETE_SCEP_2_CERT DELETE_SCEP_3_CERT DELETE_DES_CERT PKCS12URL PKCS12_2_URL PKCS12_3_URL
PKCS12_PASSWD_RETRY PKCS12_2_PASSWD_RETRY DELETE_PKCS12_CERT DELETE_PKCS12_3_CERT SCEP_ENTITY_CLASS_2
SNTPSRVR SNTP_SYNC_INTERVAL GMTOFFSET DSTOFFSET DSTSTART DSTSTOP SYSLOG_ENABLED SYSLOG_LEVEL LOGSRVR LOG_CATEGORY LOCAL_LOG_LEVEL
DES_STAT ENABLE_OOD_RESET_NOTIFY SNMPSTRING SNMPADD TRUSTCERTS ENABLE_PUBLIC_CA_CERTS HTTPPROXY HTTPEXCEPTIONDOMAINS
HTTPSRVR HTTPPORT HTTPDIR APPNAME JEM24_APPNAME FIPS_ENABLED CERT_WARNING_DAYS
"""


@pytest.mark.parametrize("name", (VENDOR_PAGE + NEIGHBOURS).split())
def test_the_catalog_names_it(name: str) -> None:
    parameter = find(name)
    assert parameter is not None
    assert parameter.name == name
    assert parameter.source
    assert parameter.meaning


def test_every_default_is_a_value_that_a_phone_takes() -> None:
    assert {p.name: refusal(p, p.default) for p in CATALOG.values() if refusal(p, p.default)} == {}


@pytest.mark.parametrize(
    ("base", "names"),
    [
        ("MYCERTKEYLEN", ("MYCERTKEYLEN", "MYCERTKEYLEN_2", "MYCERTKEYLEN_3")),
        ("SCEP_USAGE", ("SCEP_USAGE", "SCEP_2_USAGE", "SCEP_3_USAGE")),
        ("DELETE_SCEP_CERT", ("DELETE_SCEP_CERT", "DELETE_SCEP_2_CERT", "DELETE_SCEP_3_CERT")),
        ("PKCS12URL", ("PKCS12URL", "PKCS12_2_URL", "PKCS12_3_URL")),
    ],
)
def test_a_profile_spells_its_own_name(base: str, names: tuple[str, ...]) -> None:
    assert tuple(for_slot(base, slot) for slot in (1, 2, 3)) == names
    assert [CATALOG[name].slot for name in names] == [1, 2, 3]


@pytest.mark.parametrize(
    ("base", "slot"), [("MYCERTURL", 4), ("MYCERTURL", 0), ("MYCERTURL_2", 2), ("SNTPSRVR", 1), ("NONSENSE", 1)]
)
def test_no_name_where_there_is_no_profile(base: str, slot: int) -> None:
    with pytest.raises(Misuse):
        for_slot(base, slot)


def test_the_documents_spelling_of_the_third_key_length_is_not_live() -> None:
    assert find("MYCERTKEYLEN3") is None
    assert "MYCERTKEYLEN_3" in why_unknown("MYCERTKEYLEN3")
    assert "SCEP_2_USAGE" in why_unknown("SECP_2_USAGE")


def test_parameters_of_other_software_are_told_apart_from_unknown_ones() -> None:
    assert "H.323" in why_unknown("MYCERTWAIT")
    assert "upper case" in why_unknown("mycerturl")
    assert "not in the catalog" in why_unknown("NONSENSE")


def refused(name: str, value: str, firmware: str | None = None) -> bool:
    return refusal(CATALOG[name], value, None if firmware is None else Firmware(firmware)) is not None


@pytest.mark.parametrize(
    ("name", "taken", "ignored"),
    [
        ("MYCERTKEYLEN", ("2048", "4096"), ("1024", "3072", "", "02048", "8192", "2048 ", "\u0662048")),
        ("MYCERTRENEW", ("1", "50", "99"), ("0", "100", "-1", "", "half", "50.5")),
        ("SCEPENCALG", ("0", "1"), ("2", "AES-256", "")),
        ("SCEPPASSWORD", ("", "x", "x" * 32), ("x" * 33, "caf\u00e9")),
        ("MYCERTCAID", ("", "My CA", "x" * 255), ("x" * 256,)),
        (
            "MYCERTURL",
            ("", "http://a/b", "https://[2001:db8::1]:80/x", "HTTP://a:80"),
            ("a", "ftp://a/b", "http://", "http://a b/"),
        ),
        (
            "MYCERTDN",
            ("", "/C=US/ST=NJ/L=Town/O=Company", "/2.5.4.5=7"),
            ("C=US", "/", "/C=US/", "/C=USA", "/X=1", "/O=", "/" + "O=x/" * 64),
        ),
        (
            "MYCERTCN",
            ("$MACADDR", "$SERIALNO", "a phone $MACADDR_UPPER"),
            ("$SERIAL", "phone", "", "x$macaddr", "$MACADDR" + "x" * 248),
        ),
        ("SCEP_USAGE", ("All", "all,!sip", "802.1x,Ring Central", "SIP, 8021X"), ("", "SIP;LDAP", "TELNET", "!")),
        ("SNTP_SYNC_INTERVAL", ("60", "2880"), ("59", "2881")),
        ("PKCS12URL", ("x_$MACADDR.p12",), ("a b",)),
        ("DSTSTART", ("2SunMar2L", "LSunOct1U", "31Dec23L"), ("5SunMar2L", "Mar2L", "2SunMar24L", "32Jan0L")),
        ("GMTOFFSET", ("0:00", "-5:30", "+1:00"), ("east", "1:60")),
    ],
)
def test_limits(name: str, taken: tuple[str, ...], ignored: tuple[str, ...]) -> None:
    assert [value for value in taken if refused(name, value)] == []
    assert [value for value in ignored if not refused(name, value)] == []


def test_the_longest_common_name_is_taken_and_one_more_is_not() -> None:
    assert not refused("MYCERTCN", "$MACADDR" + "x" * 247)
    assert refused("MYCERTCN", "$MACADDR" + "x" * 248)


def test_profiles_two_and_three_begin_with_4_0_13_0() -> None:
    assert refused("MYCERTURL_2", "http://a/", "4.0.12.1")
    assert not refused("MYCERTURL_2", "http://a/", "4.0.13.0")
    assert not refused("MYCERTURL", "http://a/", "2.0.0.0")


def test_4096_bits_are_of_the_documents_of_r4_1() -> None:
    assert refused("MYCERTKEYLEN", "4096", "4.0.13.0")
    assert not refused("MYCERTKEYLEN", "4096", "4.1.3.0.6")
    assert "not established" in CATALOG["MYCERTKEYLEN"].meaning


def test_no_reason_repeats_a_secret() -> None:
    reason = refusal(CATALOG["SCEPPASSWORD"], "hunter2" * 5)
    assert reason is not None
    assert "hunter2" not in reason


def test_macros_are_named_where_they_are_expanded() -> None:
    assert CATALOG["MYCERTCN_3"].macros is MacroPlace.CERTIFICATE
    assert CATALOG["PKCS12_2_URL"].macros is MacroPlace.PKCS12URL
    assert CATALOG["MYCERTDN"].macros is None


def test_a_distinguished_name_keeps_its_order() -> None:
    assert read_dn("/O=Company/L=Town/C=US/OU=a, b") == (("O", "Company"), ("L", "Town"), ("C", "US"), ("OU", "a, b"))
    with pytest.raises(NotADn):
        read_dn("O=Company")


def test_profile_parameters_stand_in_the_catalog_three_times() -> None:
    assert {p.base for p in CATALOG.values() if p.slot == 3} == {p.name for p in PROFILE_PARAMETERS}
