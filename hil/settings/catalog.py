"""Every parameter that SCEP on a J100 depends on, in all three profiles, and the neighbours that a bench sets.

Sources: the SCEP and PKCS#12 pages of "Installing and Administering J100 Series SIP Phones R4.1.x"
(April 2026) and the 46xxsettings template of 22 July 2022, which covers firmware up to 4.0.13.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from hil.errors import Misuse
from hil.identity import Firmware, MacroPlace
from hil.settings.neighbours import NEIGHBOURS
from hil.settings.parameter import Parameter, refusal
from hil.settings.rules import distinguished_name, services, web_url, without_blanks
from hil.settings.sources import ENHANCED_PAGE, PKCS12_PAGE, SCEP_PAGE, TEMPLATE

__all__ = ["CATALOG", "PROFILE_PARAMETERS", "SLOTS", "Parameter", "find", "for_slot", "refusal", "why_unknown"]

SLOTS: Final = (1, 2, 3)

_PROFILES_SINCE: Final = Firmware("4.0.13.0")
_SCEP: Final = f"{SCEP_PAGE}; {TEMPLATE}"
_PKCS12: Final = f"{PKCS12_PAGE}; {TEMPLATE}"
_DELETE: Final = {"0": "keep the certificate", "1": "delete it, and install none from this profile while the value is 1"}

PROFILE_PARAMETERS: Final = (
    Parameter(
        "MYCERTURL", "MYCERTURL", 1, "text", "", "URL of the SCEP server; the phone contacts none while it is null",
        _SCEP, valid=web_url,
    ),
    Parameter(
        "MYCERTCN", "MYCERTCN", 1, "text", "$SERIALNO", "common name of the request, which the CA takes as user name",
        f"{SCEP_PAGE}; {ENHANCED_PAGE}; {TEMPLATE}", min_length=8, macros=MacroPlace.CERTIFICATE,
        needs_one_of=("$SERIALNO", "$MACADDR", "$MACADDR_UPPER"),
    ),
    Parameter(
        "MYCERTDN", "MYCERTDN", 1, "text", "", "rest of the request's subject, such as /C=US/ST=NJ/L=Town/O=Company",
        _SCEP, valid=distinguished_name,
    ),
    Parameter(
        "MYCERTCAID", "MYCERTCAID", 1, "text", "CAIdentifier", "CA identifier sent with GetCACert", _SCEP,
    ),
    Parameter(
        "MYCERTKEYLEN", "MYCERTKEYLEN", 1, "choice", "2048",
        "RSA key length in bits; 4096 is in the documents of R4.1 but not in those of 4.0.13.0, and the release "
        "that brought it is not established",
        _SCEP, choices={"2048": "2048 bits", "4096": "4096 bits, which delays the boot"},
        value_since={"4096": Firmware("4.1")},
    ),
    Parameter(
        "MYCERTRENEW", "MYCERTRENEW", 1, "number", "90", "percentage of the validity after which renewal begins",
        _SCEP, low=1, high=99,
    ),
    Parameter(
        "SCEPPASSWORD", "SCEPPASSWORD", 1, "text", "$SERIALNO",
        "challengePassword of the request; where it is null the phone asks a person for one",
        _SCEP, max_length=32, macros=MacroPlace.CERTIFICATE, secret=True,
    ),
    Parameter(
        "SCEPENCALG", "SCEPENCALG", 1, "choice", "0", "cipher of the pkcsPKIEnvelope", _SCEP,
        choices={"0": "DES", "1": "AES-256"}, since=Firmware("4.0.0.0"),
    ),
    Parameter(
        "SCEP_ENTITY_CLASS", "SCEP_ENTITY_CLASS", 1, "text", "",
        "entity class in Avaya Aura System Manager; any value asks for enhanced enrolment",
        f"{ENHANCED_PAGE}; {TEMPLATE}", since=Firmware("4.0.4.0"),
    ),
    Parameter(
        "SCEP_USAGE", "SCEP_USAGE", 1, "list", "All", "services that use the certificate; !NAME leaves one out", _SCEP,
        valid=services, since=_PROFILES_SINCE, spellings=("SECP_USAGE",),
    ),
    Parameter(
        "DELETE_SCEP_CERT", "DELETE_SCEP_CERT", 1, "choice", "0", "whether the certificate got by SCEP is deleted",
        TEMPLATE, choices=_DELETE, since=_PROFILES_SINCE,
    ),
    Parameter(
        "PKCS12URL", "PKCS12URL", 1, "text", "", "URL of a PKCS#12 file, which is preferred to SCEP", _PKCS12,
        valid=without_blanks, macros=MacroPlace.PKCS12URL,
    ),
    Parameter(
        "PKCS12_PASSWD_RETRY", "PKCS12_PASSWD_RETRY", 1, "number", "3", "how often a person may retry the file's password",
        TEMPLATE, low=0, high=100,
    ),
    Parameter(
        "PKCS12_USAGE", "PKCS12_USAGE", 1, "list", "All", "services that use the certificate of the PKCS#12 file",
        _PKCS12, valid=services, since=_PROFILES_SINCE, spellings=("PKCS12USAGE",),
    ),
    Parameter(
        "DELETE_PKCS12_CERT", "DELETE_PKCS12_CERT", 1, "choice", "0", "whether the certificate of the PKCS#12 file is deleted",
        _PKCS12, choices=_DELETE, since=_PROFILES_SINCE,
    ),
)  # fmt: skip
"""The parameters that every profile has, as profile 1 spells them."""

_NUMBER_WITHIN: Final = {
    "SCEP_USAGE": "SCEP_{}_USAGE",
    "DELETE_SCEP_CERT": "DELETE_SCEP_{}_CERT",
    "PKCS12URL": "PKCS12_{}_URL",
    "PKCS12_PASSWD_RETRY": "PKCS12_{}_PASSWD_RETRY",
    "PKCS12_USAGE": "PKCS12_{}_USAGE",
    "DELETE_PKCS12_CERT": "DELETE_PKCS12_{}_CERT",
}

_MISSPELT: Final = {"MYCERTKEYLEN_3": ("MYCERTKEYLEN3",), "SCEP_2_USAGE": ("SECP_2_USAGE",)}

_OTHER_SOFTWARE: Final = {
    "MYCERTWAIT": "H.323 firmware and older products",
    "MYCERTKEYUSAGE": "H.323 firmware",
    "SCEPBEFOREUPGRADE": "H.323 firmware",
    "CMT_RENEWAL_OFFSET": "H.323 firmware",
    "MYCERTREPLACE": "Vantage",
}


def _slot_name(base: str, slot: int) -> str:
    return base if slot == 1 else _NUMBER_WITHIN.get(base, base + "_{}").format(slot)


def _all_parameters() -> Iterator[Parameter]:
    for parameter in PROFILE_PARAMETERS:
        yield parameter
        for slot in SLOTS[1:]:
            name = _slot_name(parameter.base, slot)
            yield replace(parameter, name=name, slot=slot, since=_PROFILES_SINCE, spellings=_MISSPELT.get(name, ()))
    yield from NEIGHBOURS


CATALOG: Final[Mapping[str, Parameter]] = MappingProxyType({parameter.name: parameter for parameter in _all_parameters()})
"""Every parameter by its live name."""

_SPELT: Final = {spelling: parameter.name for parameter in CATALOG.values() for spelling in parameter.spellings}


def find(name: str) -> Parameter | None:
    """The parameter that phones read under exactly this name, or None."""
    return CATALOG.get(name)


def for_slot(base: str, slot: int) -> str:
    """The live name of profile 1's parameter `base` in profile `slot`.

    Raises `Misuse` for a name that is not profile 1's of a parameter with profiles, and for a slot that is none.
    """
    parameter = find(base)
    if parameter is None or parameter.slot != 1:
        why = why_unknown(base) if parameter is None else "is not profile 1's name of a parameter with profiles"
        raise Misuse(why, key=base, remedy="for example MYCERTURL")
    if slot not in SLOTS:
        raise Misuse(f"{slot} is not a profile", key="slot", remedy="1, 2 or 3")
    return _slot_name(base, slot)


def why_unknown(name: str) -> str:
    """Why the catalog has no parameter `name`: another's misspelling, other software's, or not known to it."""
    if name in _SPELT:
        return f"a spelling in documents of {_SPELT[name]}, the name that phones read"
    if name.upper() in CATALOG:
        return f"the name that phones read is {name.upper()}, in upper case"
    if name in _OTHER_SOFTWARE:
        return f"read by {_OTHER_SOFTWARE[name]}, not by SIP firmware of the J100"
    return "not in the catalog of certificate parameters and their neighbours"
