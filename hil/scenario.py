"""What one profile is told, how the CA answers it, and what happens meanwhile: frozen data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Literal, get_args

FailInfo = Literal["badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"]
Chain = Literal["absent", "leaf first", "leaf last"]
Forgery = Literal["recipientNonce", "transactionID", "signer", "signature", "certificate"]
When = Literal["before", "during", "after"]
HTTPS = "https:"  # as MYCERTURL: the slot's own server, over TLS


@dataclass(frozen=True, repr=False)
class Issue:
    """The CA grants the request: validity in days, notBefore that many days before the instant of issue.

    A negative `backdated` is of the future. `chain`: where in the CertRep the CA's certificates stand; None leaves it to the CA.
    """

    days: float = 365.0
    backdated: float = 0.0
    chain: Chain | None = None

    def __post_init__(self) -> None:
        if self.chain is not None:
            _require(self.chain, Chain, "chain")

    def __repr__(self) -> str:
        # Written so that no scenario without a chain has another key than before there was one.
        chain = f", chain={self.chain!r}" if self.chain else ""
        return f"Issue(days={self.days!r}, backdated={self.backdated!r}{chain})"


@dataclass(frozen=True)
class Pend:
    """The CA answers PENDING to the request and to `times - 1` polls after it; its next answer follows in the script."""

    times: int = 1


@dataclass(frozen=True)
class Reject:
    """The CA answers FAILURE with this failInfo (RFC 8894 section 3.2.1.4)."""

    fail_info: FailInfo = "badRequest"

    def __post_init__(self) -> None:
        _require(self.fail_info, FailInfo, "failInfo")


@dataclass(frozen=True, repr=False)
class _Terse:
    """Shows what is no default, so that texts stay short and a field added later changes no key."""

    def __repr__(self) -> str:
        told = [f"{f.name}={value!r}" for f in fields(self) if (value := getattr(self, f.name)) != f.default]
        return f"{type(self).__name__}({', '.join(told)})"


_GRANTED = Issue()


@dataclass(frozen=True, repr=False)
class Forge(_Terse):
    """The CA's answer with a lie in its CertRep; several lies are nested.

    `recipientNonce`, `transactionID`: not those of the request. `signer`: signed by a stranger with a certificate of the CA's
    name. `signature`: by a stranger in the name of the CA's own certificate. `certificate`: issued for a key of another client.
    """

    lie: Forgery
    of: Issue | Pend | Reject | Forge = field(default=_GRANTED, kw_only=True)

    def __post_init__(self) -> None:
        _require(self.lie, Forgery, "a forgery")
        if self.lie == "certificate" and not isinstance(layers(self)[-1], Issue):
            raise ValueError("a certificate can be forged of Issue alone")


@dataclass(frozen=True, repr=False)
class HttpError(_Terse):
    """HTTP `status`, 400 to 599, with `text` as body, in place of the CA, which does nothing."""

    status: int = 500
    text: str = "Internal Server Error"

    def __post_init__(self) -> None:
        _within(self.status, 400, 599, "status of an HTTP error")


@dataclass(frozen=True, repr=False)
class Redirect(_Terse):
    """HTTP `status`, 300 to 399, to the URL `location`, in place of the CA; without one, to what was asked for."""

    location: str = ""
    status: int = 302

    def __post_init__(self) -> None:
        _within(self.status, 300, 399, "status of a redirect")
        if not (self.location.isascii() and self.location.isprintable()):
            raise ValueError(f"location is {self.location!r}; a header field holds printable ASCII alone")


@dataclass(frozen=True, repr=False)
class Silence(_Terse):
    """No answer at all; after `span` phone seconds, or once the client has left, the connection is closed."""

    span: float = 600.0

    def __post_init__(self) -> None:
        _within(self.span, 0, _DAY, "span in phone seconds")


@dataclass(frozen=True, repr=False)
class Garbage(_Terse):
    """That many octets of noise as a pkiMessage, in place of the CA."""

    octets: int = 100_000_000

    def __post_init__(self) -> None:
        _within(self.octets, 0, 10_000_000_000, "octets of garbage")


@dataclass(frozen=True, repr=False)
class Reset(_Terse):
    """The connection is reset (RST) before the answer `of`, after half of its body, or after all of it."""

    when: When = "before"
    of: Answer = field(default=_GRANTED, kw_only=True)

    def __post_init__(self) -> None:
        _require(self.when, When, "when")


@dataclass(frozen=True, repr=False)
class Truncate(_Terse):
    """The connection is closed after `octets` of the body that Content-Length promises; without a number, after half."""

    octets: int | None = None
    of: Answer = field(default=_GRANTED, kw_only=True)

    def __post_init__(self) -> None:
        _within(self.octets or 0, 0, _MOST, "octets of the body")


@dataclass(frozen=True, repr=False)
class WrongLength(_Terse):
    """Content-Length says `by` octets more than the body has, or less where `by` is negative, at least 0."""

    by: int = 1
    of: Answer = field(default=_GRANTED, kw_only=True)

    def __post_init__(self) -> None:
        _within(self.by, -_MOST, _MOST, "by")


@dataclass(frozen=True, repr=False)
class Drip(_Terse):
    """The answer, from its status line on, leaves `octets` at a time, `every` so many phone seconds."""

    octets: int = 64
    every: float = 1.0
    of: Answer = field(default=_GRANTED, kw_only=True)

    def __post_init__(self) -> None:
        _within(self.octets, 1, _MOST, "octets at a time")
        _within(self.every, 0, _DAY, "every, in phone seconds")


CertRepAnswer = Issue | Pend | Reject | Forge
InPlaceOfCa = HttpError | Redirect | Silence | Garbage
WireFault = Reset | Truncate | WrongLength | Drip
Answer = CertRepAnswer | InPlaceOfCa | WireFault
_AROUND_ANOTHER = Forge | WireFault
_ON_THE_WIRE = InPlaceOfCa | WireFault

_DAY = 86_400
_MOST = 1_000_000_000


def layers(answer: Answer) -> tuple[Answer, ...]:
    """The answer, what it is made of, and so on: the last is what the CA does, or what stands in its place."""
    found: list[Answer] = [answer]
    while isinstance(inner := found[-1], _AROUND_ANOTHER):
        found.append(inner.of)
    return tuple(found)


def on_the_wire(answer: Answer) -> bool:
    """Whether the HTTP answer is another than a CertRep sent whole."""
    return any(isinstance(layer, _ON_THE_WIRE) for layer in layers(answer))


def _require(value: object, literal: object, name: str) -> None:
    if value not in (allowed := get_args(literal)):
        raise ValueError(f"{name} is {value!r}; one of {', '.join(map(repr, allowed))} is wanted")


def _within(value: float, least: float, most: float, name: str) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it lies between {least:g} and {most:g}")


@dataclass(frozen=True)
class Restart:
    """Power off once the profile is settled, and on again with the same settings."""


@dataclass(frozen=True, repr=False)
class ChangeSettings(_Terse):
    """Restart with these settings laid over the scenario's own; with a `slot`, over those of that profile's scenario alone."""

    settings: tuple[tuple[str, str], ...]
    slot: int | None = None

    def changes(self, slot: int) -> bool:
        """Whether the profile `slot` is told something else."""
        return self.slot in (None, slot)


@dataclass(frozen=True)
class PassTime:
    """Let `span` seconds of phone time pass with the power on."""

    span: float


@dataclass(frozen=True)
class TellTime:
    """From now on the device is told another time when it asks: `ahead` phone seconds ahead; None tells it none at all."""

    ahead: float | None


@dataclass(frozen=True)
class HangUp:
    """The bench ends the connections that the device has to `service`, so that it makes new ones if it still wants them."""

    service: str


@dataclass(frozen=True)
class EntityNew:
    """Set the profiles' end entities to New, where the CA has such: it then grants each once more."""


@dataclass(frozen=True)
class Refuse:
    """From now on the TCP port of the profiles' SCEP server refuses connections, or listens again."""

    refuses: bool = True


LiveStep = PassTime | TellTime | EntityNew | HangUp | Refuse
"""A step with the power on: it adds no boot."""

Step = Restart | ChangeSettings | LiveStep


def _shown(name: str, value: str) -> str:
    """A setting as it may be shown: a password is hidden unless it is empty or a macro alone, which tells nothing."""
    hidden = ("PASS" in name or name == "SNMPSTRING") and value not in ("", "$SERIALNO", "$MACADDR", "$MACADDR_UPPER")
    return f"{name}=<secret>" if hidden else f"{name}={value}" if value else f'{name}=""'


def _told(step: Step) -> str:
    match step:
        case Restart():
            return "then restart"
        case PassTime(span):
            return f"then {span:g} s pass"
        case TellTime(None):
            return "then no time is told"
        case TellTime(ahead):
            return f"then a time {ahead:+g} s off is told"
        case HangUp(service):
            return f"then {service} is hung up"
        case EntityNew():
            return "then the end entity is New"
        case Refuse(refuses):
            return f"then the server's port {'refuses' if refuses else 'listens'}"
        case ChangeSettings(settings, slot):
            return " ".join(["then restart with", *(_shown(*pair) for pair in settings), *([f"in slot {slot}"] if slot else [])])


@dataclass(frozen=True, repr=False)
class Scenario:
    """One profile's story on one device.

    `settings` name parameters as profile 1 spells them; the planner writes them for the slot in which the scenario sits. The
    URL is the slot's own unless `MYCERTURL` is given, and its own over TLS where that is `HTTPS`. `slot` pins the scenario.
    The k-th entry of `ca` answers the k-th request, its last one all that follow; what else is asked of the CA is answered as
    ever. `mates` are scenarios of other slots that must share every boot with this one. One that is `alone` shares its boots
    with no other scenario. The device is told where the bench offers each of `services` over TLS. The CA plays `persona`;
    without one it is the bench's own.
    """

    settings: tuple[tuple[str, str], ...] = ()
    common: tuple[tuple[str, str], ...] = ()
    slot: int | None = None
    ca: tuple[Answer, ...] = (Issue(),)
    steps: tuple[Step, ...] = ()
    alone: bool = False
    mates: tuple[Scenario, ...] = field(default=())
    services: tuple[str, ...] = ()
    persona: str = ""

    def __repr__(self) -> str:
        return f"<scenario {self.text}>"

    def setting(self, name: str) -> str | None:
        """The value the scenario gives to `name`, spelled as for profile 1, or None where it gives none."""
        return dict((*self.settings, *self.common)).get(name)

    @property
    def has_url(self) -> bool:
        """Whether the profile is told a SCEP server."""
        return self.setting("MYCERTURL") != ""

    @property
    def enrols(self) -> bool:
        """Whether an unattended phone that keeps to the documents asks for a certificate, where the bench can see it.

        It waits for a person where SCEPPASSWORD is empty, and takes none while one is deleted (J100 template).
        """
        trusts = not self.over_tls or bool(self.services or self.setting("TRUSTCERTS"))
        return self.has_url and trusts and not (self.deletes or self.deletes_an_only_one or self.setting("SCEPPASSWORD") == "")

    @property
    def deletes(self) -> bool:
        """Whether the profile's certificate is deleted."""
        return self.setting("DELETE_SCEP_CERT") == "1"

    @property
    def deletes_an_only_one(self) -> bool:
        """Whether the phone is told to delete its certificate if it has but one, and to install none in any profile."""
        return self.setting("DELETE_MY_CERT") == "1"

    @property
    def over_tls(self) -> bool:
        """Whether the SCEP server is spoken to over TLS."""
        return self.enhanced or self.setting("MYCERTURL") == HTTPS

    @property
    def has_own_port(self) -> bool:
        """Whether the profile's SCEP server is told at a TCP port of its own, which can refuse."""
        return any(isinstance(step, Refuse) for step in self.steps)

    @property
    def enhanced(self) -> bool:
        """Whether an entity class counts, which makes the phone speak https."""
        in_aura = self.setting("ENABLE_AVAYA_ENVIRONMENT") != "0" and self.setting("ENABLE_3PCC_ENVIRONMENT") == "0"
        return in_aura and bool(self.setting("SCEP_ENTITY_CLASS"))

    @property
    def text(self) -> str:
        """The scenario in one line, as reports and progress show it."""
        words = [_shown(name, value) for name, value in (*self.settings, *self.common)]
        words += [*(repr(answer) for answer in self.ca if answer != Issue()), *map(_told, self.steps)]
        named = {"services": " ".join(self.services), "CA": self.persona, "slot": self.slot}.items()
        words += [*(f"{name} {value}" for name, value in named if value), *(f"with ({mate.text})" for mate in self.mates)]
        return " ".join(words) or "defaults"

    @property
    def key(self) -> str:
        """What tells this scenario from every other, the same in each run."""
        mates = tuple(mate.key for mate in self.mates)
        told: tuple[object, ...] = (self.settings, self.common, self.slot, self.ca, self.steps, self.alone, mates)
        # What came later counts only where it is used, so that no older scenario has another key than before.
        told += tuple((name, value) for name in ("services", "persona") if (value := getattr(self, name)))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
