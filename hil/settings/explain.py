"""What a phone would do with its files, told as JSON-ready data and in sentences; passwords never appear."""

from __future__ import annotations

from typing import Any, Final

from hil.errors import without_userinfo
from hil.identity import Firmware, Identity
from hil.secret import Secret
from hil.settings.catalog import CATALOG, PROFILE_PARAMETERS, SLOTS, for_slot
from hil.settings.interpret import Interpretation
from hil.settings.language import printable
from hil.settings.parameter import Parameter
from hil.settings.profiles import Profile, profiles

_BARE_MACROS: Final = ("", "$SERIALNO", "$MACADDR", "$MACADDR_UPPER")


def explanation(
    interpretation: Interpretation, identity: Identity, *, firmware: Firmware | None = None, group: int = 0
) -> dict[str, Any]:
    """The interpretation as JSON: identity, files, every parameter with the line that set it or null, ignored lines,
    profiles, remarks. A challenge password is "present" or "absent"."""
    return {
        "identity": {"model": identity.model, "mac": identity.mac, "serial": identity.serial},
        "firmware": None if firmware is None else firmware.text,
        "group": group,
        "files": [{"name": printable(name), "found": name not in interpretation.missing} for name in interpretation.files],
        "parameters": [_parameter(parameter, interpretation) for parameter in CATALOG.values()],
        "ignored": [
            {"file": printable(line.file), "line": line.line, "text": line.text, "reason": line.reason}
            for line in interpretation.ignored
        ],
        "profiles": [_profile(profile) for profile in profiles(interpretation, identity)],
        "remarks": list(remarks(interpretation, identity)),
    }


def shown_value(parameter: Parameter, value: str) -> str:
    """The value as it may be shown: a secret only where it is null or a macro alone, a URL without user and password."""
    return repr(Secret(value)) if parameter.secret and value not in _BARE_MACROS else without_userinfo(value)


def remarks(interpretation: Interpretation, identity: Identity) -> tuple[str, ...]:
    """What the documents say follows from settings taken together, a sentence each."""
    found = profiles(interpretation, identity)
    told = [remark for profile in found for remark in _of_profile(profile, interpretation)]
    if not found:
        told.append("no profile has a URL: the phone contacts no SCEP server")
    if interpretation.value("DELETE_MY_CERT") == "1":
        told.append("DELETE_MY_CERT is 1: no identity certificate can be installed")
    configured = {profile.slot for profile in found}
    for slot in SLOTS:
        names = [
            for_slot(parameter.base, slot) for parameter in PROFILE_PARAMETERS if parameter.base.startswith(("MYCERT", "SCEP"))
        ]
        idle = [name for name in names if name in interpretation.settings and name != for_slot("MYCERTURL", slot)]
        if idle and slot not in configured:
            told.append(f"profile {slot} has no URL, so nothing comes of {', '.join(idle)}")
    return tuple(told)


def _of_profile(profile: Profile, interpretation: Interpretation) -> list[str]:
    def holds(base: str, value: str) -> bool:
        return interpretation.value(for_slot(base, profile.slot)) == value

    who = f"profile {profile.slot}"
    told = []
    if not holds("DELETE_SCEP_CERT", "0"):
        told.append(f"{who}: {for_slot('DELETE_SCEP_CERT', profile.slot)} is 1: its certificate is deleted and none installed")
    if not holds("PKCS12URL", ""):
        told.append(f"{who}: a PKCS#12 URL is set, which the phone prefers to SCEP")
    if profile.prompts_user:
        told.append(f"{who}: the challenge password is null, so the phone asks a person for one and waits")
    if interpretation.value("FIPS_ENABLED") == "1" and profile.cipher == "des-cbc":
        told.append(f"{who}: FIPS_ENABLED is 1, which needs {for_slot('SCEPENCALG', profile.slot)} 1")
    if not holds("SCEP_ENTITY_CLASS", ""):
        told.append(f"{who}: an entity class asks for enhanced enrolment, over https and with Avaya Aura alone")
    return told


def _parameter(parameter: Parameter, interpretation: Interpretation) -> dict[str, Any]:
    setting = interpretation.settings.get(parameter.name)
    return {
        "name": parameter.name,
        "slot": parameter.slot,
        "value": shown_value(parameter, interpretation.value(parameter.name)),
        "default": parameter.default,
        "set_by": None if setting is None else {"file": printable(setting.file), "line": setting.line},
        "meaning": parameter.meaning,
        "source": parameter.source,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "slot": profile.slot,
        "url": without_userinfo(profile.url),
        "key_bits": profile.key_bits,
        "subject": [list(part) for part in profile.subject],
        "common_name": profile.common_name,
        "ca_identifier": profile.ca_identifier,
        "cipher": profile.cipher,
        "challenge_password": "absent" if profile.prompts_user else "present",
        "prompts_user": profile.prompts_user,
        "renew_percent": profile.renew_percent,
        "usage": profile.usage,
    }
