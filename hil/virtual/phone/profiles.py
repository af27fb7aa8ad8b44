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
    entity_class: str = ""  # where it counts


@dataclass(frozen=True)
class Plan:
    """What one boot does about certificates: slots to clear, profiles to enrol in this order, why others do not."""

    clear: tuple[int, ...]
    enrol: tuple[Profile, ...]
    idle: Mapping[int, str]


def slots(unit: Unit) -> tuple[int, ...]:
    """The profiles this firmware has."""
    return (1, 2, 3) if unit.release >= THREE_PROFILES else (1,)


def urls(settings: Settings, unit: Unit, habits: Habits) -> dict[int, str]:
    """The SCEP servers that the settings name, by profile; https where an entity class counts."""
    return {slot: url for slot in slots(unit) if (url := _url(slot, settings, habits))}


def _url(slot: int, settings: Settings, habits: Habits) -> str:
    url = settings[slotted("MYCERTURL", slot)]
    forced = _entity_class(slot, settings, habits) and habits.entity_class_forces_https
    if not (forced and url.lower().startswith("http://")):
        return url
    host, slash, path = url[len("http://") :].partition("/")
    return f"https://{host if habits.forced_https_keeps_port else host.partition(':')[0]}{slash}{path}"


def _entity_class(slot: int, settings: Settings, habits: Habits) -> str:
    """The profile's entity class, "" where it has none or it does not count."""
    aura = settings["ENABLE_AVAYA_ENVIRONMENT"] == "1" and settings["ENABLE_3PCC_ENVIRONMENT"] == "0"
    return settings[slotted("SCEP_ENTITY_CLASS", slot)] if aura or habits.entity_class_everywhere else ""


def plan(
    settings: Settings, unit: Unit, habits: Habits, held: Mapping[int, str], former: Mapping[int, str], file_server: str
) -> Plan:
    """Decides a boot. `held` is the URL each certificate in flash came from, `former` the last URL each profile had."""
    clear = _to_clear(settings, unit, held, habits) if habits.deletes_certificates else ()
    remaining = {slot: url for slot, url in held.items() if slot not in clear}
    told = urls(settings, unit, habits)
    enrol: list[Profile] = []
    idle: dict[int, str] = {}
    for slot in (slot for slot in habits.slots if slot in slots(unit)):
        if slot in told:
            url = told.get(habits.url_slot[slot], told[slot])
        else:
            url = habits.url_when_unset(slot, {**former, **told}, file_server)
        if not url:
            idle[slot] = "no SCEP server is set"
        elif habits.deletes_certificates and _blocked(settings, slot, habits):
            idle[slot] = "installing is blocked by a DELETE parameter"
        elif habits.keeps_certificate and remaining.get(slot) == url:
            idle[slot] = "holds the certificate from its server"
        else:
            enrol.append(profile(slot, url, settings, unit, habits))
    return Plan(clear, tuple(enrol[: habits.profiles_a_boot]), idle)


def profile(slot: int, url: str, settings: Settings, unit: Unit, habits: Habits) -> Profile:
    """Profile `slot` as the settings have it, to be enrolled at `url`."""
    dn = habits.dn_order(distinguished_name(settings[slotted("MYCERTDN", slot)]))
    cn = [("CN", habits.cn.expand(settings[slotted("MYCERTCN", slot)], habits.cn.meaning(unit)))]
    password = slotted("SCEPPASSWORD", slot)
    entity_class = _entity_class(slot, settings, habits)
    prompts_for_empty = habits.prompts_for_empty_class_password if entity_class else habits.prompts_for_empty_password
    prompts, challenge = _challenge(password, settings, unit, habits, prompts_for_empty=prompts_for_empty)
    return Profile(
        slot=slot,
        url=url,
        key_bits=_key_bits(slotted("MYCERTKEYLEN", habits.key_length_slot[slot]), settings, habits),
        subject=(*cn, *dn) if habits.cn_first else (*dn, *cn),
        ca_identifier=settings[slotted("MYCERTCAID", slot)],
        cipher=habits.ciphers[settings[slotted("SCEPENCALG", slot)]],
        prompts=prompts,
        challenge=settings[password] if entity_class and habits.class_password_as_written else challenge,
        entity_class=entity_class,
    )


def distinguished_name(text: str) -> tuple[Rdn, ...]:
    """The parts of `/C=US/O=Company`, in order; what has no name, no "=" or no value is passed over."""
    parts = [part.partition("=") for part in text.split("/")]
    return tuple((name.strip().upper(), value) for name, _, value in parts if name.strip() and value)


def _key_bits(name: str, settings: Settings, habits: Habits) -> int:
    return int(habits.told_key_length(settings[name]) if name in settings else settings[name])


def _challenge(name: str, settings: Settings, unit: Unit, habits: Habits, *, prompts_for_empty: bool) -> tuple[bool, str | None]:
    """Whether the user must be asked, and the challenge where not."""
    if name not in settings:
        return False, habits.unset_password(unit)
    text = settings[name]
    if text == "":
        return prompts_for_empty, unit.serial.upper()
    meaning = habits.password.meaning(unit)
    if any(macro in text for macro in meaning):
        return False, habits.password.expand(text, meaning)
    return False, habits.fixed_password(text)


def _to_clear(settings: Settings, unit: Unit, held: Mapping[int, str], habits: Habits) -> tuple[int, ...]:
    named = {habits.deleted_slot[slot] for slot in slots(unit) if settings[slotted("DELETE_SCEP_CERT", slot)] == "1"}
    only_one = len(held) + habits.factory_certificates == 1
    my_cert = settings["DELETE_MY_CERT"] == "1" and (only_one or habits.delete_my_cert_takes_all)
    return tuple(slot for slot in sorted(held) if slot in named or my_cert)


def _blocked(settings: Settings, slot: int, habits: Habits) -> bool:
    by_own = habits.delete_blocks and settings[slotted("DELETE_SCEP_CERT", slot)] == "1"
    return by_own or (habits.delete_my_cert_blocks and settings["DELETE_MY_CERT"] == "1")
