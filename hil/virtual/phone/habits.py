"""How a phone behaves, as data: every choice its documents fix or leave open is one field here.

The code of the phone asks its habits and never which defect or variant it was started with.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from hil.virtual.phone.unit import Unit

if TYPE_CHECKING:
    from hil.virtual.phone.zone import Zone

Rdn = tuple[str, str]
Digest = Literal["sha1", "sha256"]
Cipher = Literal["des", "tripledes_3key", "aes256_cbc"]
Tls = Literal["1.2", "1.3"]


def upper_serial(unit: Unit) -> str:
    return unit.serial.upper()


def lower_mac(unit: Unit) -> str:
    return unit.mac_digits


def upper_mac(unit: Unit) -> str:
    return unit.mac_digits.upper()


def everywhere(text: str, meaning: Mapping[str, str]) -> str:
    """Every macro in `text` replaced; of two names that both fit, the longer."""
    names = sorted(meaning, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, names)), lambda found: meaning[found[0]], text)


def as_given(value: str) -> str:
    return value


def in_order(parts: Sequence[Rdn]) -> Sequence[Rdn]:
    return parts


def fresh_nonce(_unit: Unit) -> bytes:
    return secrets.token_bytes(16)


def sha1_of_key(public_key: bytes) -> str:
    return hashlib.sha1(public_key, usedforsecurity=False).hexdigest()


def intact(signature: bytes) -> bytes:
    return signature


def each_its_own() -> Mapping[int, int]:
    """For each profile, itself."""
    return MappingProxyType({1: 1, 2: 2, 3: 3})


def no_url(_slot: int, _known: Mapping[int, str], _file_server: str) -> str:
    return ""


@dataclass(frozen=True)
class Validity:
    """Of a certificate, in Unix seconds: its own, and when the phone got it."""

    not_before: float
    not_after: float
    installed: float


def after_validity(valid: Validity, percent: float) -> float:
    """When `percent` of the validity has passed."""
    return valid.not_before + (valid.not_after - valid.not_before) * percent / 100


def own_percent(percents: Mapping[int, int], slot: int) -> int:
    """The percentage of the profile itself."""
    return percents[slot]


def whatever_the_zone(_zone: Zone, _due: float) -> float:
    return 0.0


def each(span: float) -> Callable[[float, float], float]:
    """Looks every `span` phone seconds from power on: the first look at `due` or after it."""

    def looks(due: float, power_on: float) -> float:
        return power_on + max(0, math.ceil((due - power_on) / span)) * span

    return looks


EVERY_MINUTE = each(60.0)


def in_time(_at: float) -> float:
    return 0.0


def every_part(usage: str) -> Sequence[str]:
    return [part.strip() for part in usage.split(",")]


def the_assigned(assigned: int | None, _held: Collection[int]) -> int | None:
    return assigned


def lowest_claimant(claiming: Collection[int], _held: Collection[int]) -> int | None:
    """The profile whose certificate a service presents, of those that claim it and those that hold one."""
    return min(claiming, default=None)


def provisioning_agent(unit: Unit) -> str:
    return unit.user_agent


@dataclass(frozen=True)
class Macros:
    """What a setting's macros stand for, and where in its value they are replaced."""

    serial: Callable[[Unit], str] = upper_serial
    mac: Callable[[Unit], str] = lower_mac
    mac_upper: Callable[[Unit], str] = upper_mac
    expand: Callable[[str, Mapping[str, str]], str] = everywhere

    def meaning(self, unit: Unit) -> dict[str, str]:
        """The macros this firmware knows, each with its text on this phone."""
        known = {"$SERIALNO": self.serial(unit), "$MACADDR": self.mac(unit)}
        if unit.release >= (4, 0, 13):
            known["$MACADDR_UPPER"] = self.mac_upper(unit)
        return known


@dataclass(frozen=True)
class Habits:
    """One phone's behaviour. Spans are phone seconds.

    The first group is what no document fixes; variants change it. The second is what the documents
    state; only a defect changes it.
    """

    asks_capabilities: bool = True
    posts: bool = True
    digest: Digest | None = None  # None: SHA-256 where the CA offers it, else SHA-1
    nonce: Callable[[Unit], bytes] = fresh_nonce
    transaction_id: Callable[[bytes], str] = sha1_of_key
    names_digest_in_signature: bool = False  # SignerInfo says sha256WithRSA, not rsaEncryption
    scep_user_agent: Callable[[Unit], str] = provisioning_agent
    utf8_strings: bool = False
    cn_first: bool = False
    slots: tuple[int, ...] = (1, 2, 3)  # in the order of enrolment
    flash_write: float = 2.0
    starts_in_1970: bool = False
    restarts_on_new_settings: bool = False
    poll_interval: float = 60.0
    poll_limit: int = 10
    prompt: float = 60.0
    renewal_type: str = "17"
    renewal_keeps_key: bool = False
    renewal_challenges: bool = True
    renewal_signs_afresh: bool = False  # as an enrolment does, with a self-signed certificate
    looks: Callable[[float, float], float] = EVERY_MINUTE  # when it sees what is due, from that and power on
    lateness: Callable[[float], float] = in_time  # after the instant at which it would renew, or try again
    retries_count_from_end: bool = False  # of the attempt that failed
    remembers_attempts: bool = False  # over a restart
    replaces_expired: bool = False
    retries_enrolment_after: float | None = None
    remembers_pending: bool = False  # over a restart
    asks_time_again_after: float = 3600.0
    needs_time: bool = False  # asks for no certificate before it was told the time
    claimant: Callable[[Collection[int], Collection[int]], int | None] = lowest_claimant
    waits_at_port: float = 10.0  # real seconds for an answer to EAPOL, before DHCP is tried all the same
    eapol_version: int = 2
    eap_fragment: int = 1398
    exclusion_means_all: bool = False  # where a usage names nothing but what it excludes
    newest_tls: Tls = "1.2"
    web_every: float = 3 * 3600.0  # requests for settings, to the directory and to web services
    registers_every: float | None = None  # None: as REGISTERWAIT says
    keeps_directory: bool = True  # its connection, after a search
    connects_before_enrolment: bool = False  # and anew after it
    renewal_tries: int = 1  # before it waits for the next day
    enrolment_tries: int = 1
    further_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # that it reads, of parameters
    class_in: Literal["header", "query", "nothing"] = "header"  # of SCEP requests, where an entity class counts
    scep_needs_trust: bool = True  # over TLS; without it no server is verified where TRUSTCERTS names nobody
    forced_https_keeps_port: bool = True
    stops_after_failed_profile: bool = False
    signs_with_csr_key: bool = True
    dn_order: Callable[[Sequence[Rdn]], Sequence[Rdn]] = in_order
    class_renewal_challenges: bool = True
    class_rests_under_another_name: bool = False  # and asks for no renewal
    factory_certificates: int = 0  # that DELETE_MY_CERT counts with those by SCEP

    ignored: frozenset[str] = frozenset()  # parameters the firmware should know and does not
    key_lengths: frozenset[str] = frozenset({"2048", "4096"})
    default_key_length: str = "2048"
    told_key_length: Callable[[str], str] = as_given
    key_length_slot: Mapping[int, int] = field(default_factory=each_its_own)
    default_cn: str = "$SERIALNO"
    cn: Macros = Macros()
    cn_needs_macro: bool = True
    default_dn: str = ""
    default_ca_identifier: str = "CAIdentifier"
    ciphers: Mapping[str, Cipher] = field(default_factory=lambda: MappingProxyType({"0": "des", "1": "aes256_cbc"}))
    password: Macros = Macros()
    fixed_password: Callable[[str], str] = as_given
    unset_password: Callable[[Unit], str | None] = upper_serial
    prompts_for_empty_password: bool = True  # of a profile without an entity class
    prompts_for_empty_class_password: bool = True
    url_slot: Mapping[int, int] = field(default_factory=each_its_own)
    url_when_unset: Callable[[int, Mapping[int, str], str], str] = no_url
    keeps_certificate: bool = True
    deletes_certificates: bool = True
    deleted_slot: Mapping[int, int] = field(default_factory=each_its_own)
    delete_my_cert_takes_all: bool = False
    delete_blocks: bool = True  # of DELETE_SCEP_CERT and its numbered kin
    delete_my_cert_blocks: bool = True
    entity_class_everywhere: bool = False  # heeds SCEP_ENTITY_CLASS outside an Aura environment too
    entity_class_forces_https: bool = True
    class_password_as_written: bool = False  # its macros not expanded
    renews_by_class: bool = True
    class_challenges: bool = True  # at an enrolment
    class_renewal_keeps_name: bool = False  # that of the certificate, whatever the settings say
    class_outlives_setting: bool = False  # at a renewal of what was got by it
    class_name_outlives_class: bool = False
    class_name_outlives_certificate: bool = False
    outliving_name_has_own_cn: bool = True  # rather than the one that the settings tell
    speaks_https: bool = True  # where MYCERTURL is an https one
    one_ca_for_all: bool = False  # takes the first profile's CA certificates for every profile's
    csr_signature: Callable[[bytes], bytes] = intact
    message_signature: Callable[[bytes], bytes] = intact
    profiles_a_boot: int = 3
    waits_before_enrolling: float = 0.0
    renews: bool = True
    default_renew_percent: str = "90"
    clamps_renew_percent: bool = False
    renew_percent: Callable[[Mapping[int, int], int], int] = own_percent
    renewal_drift: Callable[[Zone, float], float] = whatever_the_zone  # seconds by which the zone moves what is due
    heeds_time_told: bool = True
    sets_clock_back: bool = True
    renewal_due: Callable[[Validity, int], float] = after_validity
    renewal_subject: Callable[[Sequence[Rdn]], Sequence[Rdn]] = in_order
    retries_every: float = 86_400.0
    calls_closed_port_every: float = 86_400.0  # where nobody listened at the last attempt
    retries_count_from_boot: bool = False
    gives_up_after: int | None = None
    gives_up_on: frozenset[str] = frozenset()  # answers' own words
    stops_after_renewal: bool = True
    renews_again: bool = True
    default_usage: str = "All"
    usage_parts: Callable[[str], Sequence[str]] = every_part
    usage_fold: Callable[[str], str] = str.upper
    usage_excludes: bool = True
    speaks_8021x: bool = True
    at_port: Callable[[int | None, Collection[int]], int | None] = the_assigned
    mac_at_port: Callable[[Unit], str] = lower_mac
    unaware_of_renewal: frozenset[str] = frozenset()  # services that present what was held at the boot
    keeps_tls_at_renewal: bool = True
    resends_refused_renewal: bool = False  # octet for octet
