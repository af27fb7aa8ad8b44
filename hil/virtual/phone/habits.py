"""How a phone behaves, as data: every choice its documents fix or leave open is one field here.

The code of the phone asks its habits and never which defect or variant it was started with.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from hil.virtual.phone.unit import Unit

if TYPE_CHECKING:
    from hil.virtual.phone.renewal import Validity

Rdn = tuple[str, str]
Digest = Literal["sha1", "sha256"]
Cipher = Literal["des", "tripledes_3key", "aes256_cbc"]


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


def no_url(_slot: int, _known: Mapping[int, str], _file_server: str) -> str:
    return ""


def after_validity(valid: Validity, percent: int) -> float:
    """When `percent` of the validity has passed."""
    return valid.not_before + (valid.not_after - valid.not_before) * percent / 100


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
    checks_every: float = 60.0

    ignored: frozenset[str] = frozenset()  # parameters the firmware should know and does not
    key_lengths: frozenset[str] = frozenset({"2048", "4096"})
    default_key_length: str = "2048"
    cn: Macros = Macros()
    cn_needs_macro: bool = True
    dn_order: Callable[[Sequence[Rdn]], Sequence[Rdn]] = in_order
    default_dn: str = ""
    default_ca_identifier: str = "CAIdentifier"
    ciphers: Mapping[str, Cipher] = field(default_factory=lambda: MappingProxyType({"0": "des", "1": "aes256_cbc"}))
    password: Macros = Macros()
    fixed_password: Callable[[str], str] = as_given
    unset_password: Callable[[Unit], str | None] = upper_serial
    prompts_for_empty_password: bool = True
    url_slot: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({1: 1, 2: 2, 3: 3}))
    url_when_unset: Callable[[int, Mapping[int, str], str], str] = no_url
    keeps_certificate: bool = True
    deletes_certificates: bool = True
    signs_with_csr_key: bool = True
    csr_signature: Callable[[bytes], bytes] = intact
    waits_before_enrolling: float = 0.0
    renews: bool = True
    renewal_due: Callable[[Validity, int], float] = after_validity
    renewal_subject: Callable[[Sequence[Rdn]], Sequence[Rdn]] = in_order
    retries_every: float = 86_400.0
    retries_count_from_boot: bool = False
    gives_up_after: int | None = None
    stops_after_renewal: bool = True
