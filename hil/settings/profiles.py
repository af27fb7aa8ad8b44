"""The SCEP profiles that settings amount to on one phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hil.errors import Misuse
from hil.identity import Identity, MacroPlace, expand
from hil.secret import Secret
from hil.settings.catalog import CATALOG, SLOTS, for_slot, refusal
from hil.settings.interpret import Interpretation
from hil.settings.rules import read_dn

CIPHERS: Final = {"0": "des-cbc", "1": "aes-256-cbc"}
"""What SCEPENCALG asks for; the documents name DES and AES-256, the mode is taken to be CBC."""


@dataclass(frozen=True)
class Profile:
    """One SCEP profile, macros expanded.

    `dn` holds the parts of MYCERTDN in their order and `subject` the same with the common name last
    (`Decision.COMMON_NAME_LAST`); both pair short names such as `OU` with values. `key_bits` is in
    bits, `renew_percent` a percentage of the validity. Without a challenge password `prompts_user`
    holds: the phone then waits for a person. `entity_class` is empty unless it counts: outside an Aura
    environment it is ignored, and within it `url` is https (Enhanced Enrollment page;
    `Decision.FORCED_HTTPS_KEEPS_PORT`).
    """

    slot: int
    url: str
    key_bits: int
    subject: tuple[tuple[str, str], ...]
    common_name: str
    dn: tuple[tuple[str, str], ...]
    ca_identifier: str
    cipher: str
    challenge_password: Secret | None
    prompts_user: bool
    renew_percent: int
    usage: str
    entity_class: str = ""


def profiles(interpretation: Interpretation, identity: Identity) -> tuple[Profile, ...]:
    """Every profile with a URL, in the order of slots."""
    values = {name: setting.value for name, setting in interpretation.settings.items()}
    found = (profile_of(values, slot, identity) for slot in SLOTS)
    return tuple(profile for profile in found if profile is not None)


def profile_of(values: Mapping[str, str], slot: int, identity: Identity) -> Profile | None:
    """The profile that `values`, by live name, make in `slot`, or None where it has no URL.

    A value that is missing, or that a phone would ignore, leaves the default. Raises `Misuse` for a
    slot that is none.
    """
    if slot not in SLOTS:
        raise Misuse(f"{slot} is not a profile", key="slot", remedy="1, 2 or 3")

    def value(base: str) -> str:
        parameter = CATALOG[for_slot(base, slot)]
        given = values.get(parameter.name)
        return parameter.default if given is None or refusal(parameter, given) else given

    url = value("MYCERTURL")
    if not url:
        return None
    entity_class = value("SCEP_ENTITY_CLASS") if in_aura(values) else ""
    if entity_class and url.lower().startswith("http://"):
        url = f"https{url[len('http') :]}"
    common_name = expand(value("MYCERTCN"), identity, MacroPlace.CERTIFICATE)
    dn = read_dn(value("MYCERTDN"))
    password = expand(value("SCEPPASSWORD"), identity, MacroPlace.CERTIFICATE)
    return Profile(
        slot=slot,
        url=url,
        key_bits=int(value("MYCERTKEYLEN")),
        subject=(*dn, ("CN", common_name)),
        common_name=common_name,
        dn=dn,
        ca_identifier=value("MYCERTCAID"),
        cipher=CIPHERS[value("SCEPENCALG")],
        challenge_password=Secret(password) if password else None,
        prompts_user=not password,
        renew_percent=int(value("MYCERTRENEW")),
        usage=value("SCEP_USAGE"),
        entity_class=entity_class,
    )


def in_aura(values: Mapping[str, str]) -> bool:
    """Whether settings, by live name, put the phone into an Aura environment; by default it is in a third party's."""

    def value(name: str) -> str:
        parameter = CATALOG[name]
        given = values.get(name)
        return parameter.default if given is None or refusal(parameter, given) else given

    return value("ENABLE_AVAYA_ENVIRONMENT") == "1" and value("ENABLE_3PCC_ENVIRONMENT") == "0"
