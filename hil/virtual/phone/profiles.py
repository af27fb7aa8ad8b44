"""What the settings tell each SCEP profile, and what the phone makes of it: no input, no output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.virtual.phone.habits import Cipher, Habits, Rdn
from hil.virtual.phone.parameters import THREE_PROFILES, Settings, slotted
from hil.virtual.phone.unit import Unit


@dataclass(frozen=True)
class Profile:
    """One profile ready to enrol. `subject` is in the CSR's order; `challenge` None leaves the attribute out."""

    slot: int
    url: str
    key_bits: int
    subject: tuple[Rdn, ...]
    ca_identifier: str
    cipher: Cipher
    prompts: bool
    challenge: str | None = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """What one boot does about certificates: slots to clear, profiles to enrol in this order, why others do not."""

    clear: tuple[int, ...]
    enrol: tuple[Profile, ...]
    idle: Mapping[int, str]


def slots(unit: Unit) -> tuple[int, ...]:
    """The profiles this firmware has."""
    return (1, 2, 3) if unit.release >= THREE_PROFILES else (1,)


def urls(settings: Settings, unit: Unit) -> dict[int, str]:
    """The SCEP servers that the settings name, by profile."""
    return {slot: url for slot in slots(unit) if (url := settings[slotted("MYCERTURL", slot)])}


def plan(
    settings: Settings, unit: Unit, habits: Habits, held: Mapping[int, str], former: Mapping[int, str], file_server: str
) -> Plan:
    """Decides a boot. `held` is the URL each certificate in flash came from, `former` the last URL each profile had."""
    clear = _to_clear(settings, unit, held) if habits.deletes_certificates else ()
    remaining = {slot: url for slot, url in held.items() if slot not in clear}
    told = urls(settings, unit)
    enrol: list[Profile] = []
    idle: dict[int, str] = {}
    for slot in (slot for slot in habits.slots if slot in slots(unit)):
        if slot in told:
            url = told.get(habits.url_slot[slot], told[slot])
        else:
            url = habits.url_when_unset(slot, {**former, **told}, file_server)
        if not url:
            idle[slot] = "no SCEP server is set"
        elif habits.deletes_certificates and _blocked(settings, slot):
            idle[slot] = "installing is blocked by a DELETE parameter"
        elif habits.keeps_certificate and remaining.get(slot) == url:
            idle[slot] = "holds the certificate from its server"
        else:
            enrol.append(profile(slot, url, settings, unit, habits))
    return Plan(clear, tuple(enrol), idle)


def profile(slot: int, url: str, settings: Settings, unit: Unit, habits: Habits) -> Profile:
    """Profile `slot` as the settings have it, to be enrolled at `url`."""
    dn = habits.dn_order(distinguished_name(settings[slotted("MYCERTDN", slot)]))
    cn = [("CN", habits.cn.expand(settings[slotted("MYCERTCN", slot)], habits.cn.meaning(unit)))]
    prompts, challenge = _challenge(slotted("SCEPPASSWORD", slot), settings, unit, habits)
    return Profile(
        slot=slot,
        url=url,
        key_bits=int(settings[slotted("MYCERTKEYLEN", slot)]),
        subject=(*cn, *dn) if habits.cn_first else (*dn, *cn),
        ca_identifier=settings[slotted("MYCERTCAID", slot)],
        cipher=habits.ciphers[settings[slotted("SCEPENCALG", slot)]],
        prompts=prompts,
        challenge=challenge,
    )


def distinguished_name(text: str) -> tuple[Rdn, ...]:
    """The parts of `/C=US/O=Company`, in order; what has no name, no "=" or no value is passed over."""
    parts = [part.partition("=") for part in text.split("/")]
    return tuple((name.strip().upper(), value) for name, _, value in parts if name.strip() and value)


def _challenge(name: str, settings: Settings, unit: Unit, habits: Habits) -> tuple[bool, str | None]:
    """Whether the user must be asked, and the challenge where not."""
    if name not in settings:
        return False, habits.unset_password(unit)
    text = settings[name]
    if text == "":
        return habits.prompts_for_empty_password, unit.serial.upper()
    meaning = habits.password.meaning(unit)
    if any(macro in text for macro in meaning):
        return False, habits.password.expand(text, meaning)
    return False, habits.fixed_password(text)


def _to_clear(settings: Settings, unit: Unit, held: Mapping[int, str]) -> tuple[int, ...]:
    named = {slot for slot in slots(unit) if slot in held and settings[slotted("DELETE_SCEP_CERT", slot)] == "1"}
    only = set(held) if settings["DELETE_MY_CERT"] == "1" and len(held) == 1 else set()
    return tuple(sorted(named | only))


def _blocked(settings: Settings, slot: int) -> bool:
    return settings[slotted("DELETE_SCEP_CERT", slot)] == "1" or settings["DELETE_MY_CERT"] == "1"
