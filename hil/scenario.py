"""What one profile is told, how the CA answers it, and what happens meanwhile: frozen data."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass, field, fields
from inspect import signature
from typing import Literal, get_args, get_origin, get_type_hints

FailInfo = Literal["badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId"]
Chain = Literal["absent", "leaf first", "leaf last"]
Forgery = Literal["recipientNonce", "transactionID", "signer", "signature", "certificate"]
When = Literal["before", "during", "after"]


@dataclass(frozen=True, repr=False)
class Issue:
    """The CA grants the request: validity in days, notBefore that many days before the instant of issue.

    A negative `backdated` is a certificate of the future. `chain` says whether the CA's certificates
    stand in the CertRep too, before or after the leaf; None leaves it to the CA.
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

    `recipientNonce`, `transactionID`: not those of the request. `signer`: signed by a stranger with a
    certificate of the CA's name. `signature`: signed by a stranger in the name of the CA's own
    certificate. `certificate`: issued by the CA for a key that the client does not have.
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

_DAY = 86_400
_MOST = 1_000_000_000
_LONGEST_TEXT = 1000


def layers(answer: Answer) -> tuple[Answer, ...]:
    """The answer, what it is made of, and so on: the last is what the CA does, or what stands in its place."""
    found: list[Answer] = [answer]
    while isinstance(inner := found[-1], Forge | WireFault):
        found.append(inner.of)
    return tuple(found)


def on_the_wire(answer: Answer) -> bool:
    """Whether the HTTP answer is another than a CertRep sent whole."""
    return any(isinstance(layer, InPlaceOfCa | WireFault) for layer in layers(answer))


def read_answer(text: str) -> Answer:
    """The answer that `text` spells as Python would, such as `Drip(64, of=HttpError(503))`; nothing is evaluated.

    `ValueError` says what is wrong.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"an answer of {len(text)} characters; at most {_LONGEST_TEXT} are read")
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text[:60]!r} is no answer: {error.args[0]}") from error
    if not isinstance(value, Answer):
        raise ValueError(f"{text[:60]!r} is no answer; write for example Issue() or Reset('during', of=Reject('badTime'))")
    return value


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.Call(ast.Name(name)):
            return _answer(name, node)
    raise ValueError(f"{ast.unparse(node)!r} is neither an answer, nor a text, a number or None")


def _answer(name: str, call: ast.Call) -> object:
    kinds = {kind.__name__: kind for kind in get_args(Answer)}
    kind = kinds.get(name)
    if kind is None:
        raise ValueError(f"there is no answer {name}; there are {', '.join(sorted(kinds))}")
    given = {word.arg: _value(word.value) for word in call.keywords if word.arg}
    if len(given) < len(call.keywords):
        raise ValueError(f"{name}: each parameter is named once, without **")
    try:
        bound = signature(kind).bind(*map(_value, call.args), **given)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
    hints = get_type_hints(kind)
    for parameter, value in bound.arguments.items():
        if not _fits(value, hints[parameter]):
            raise ValueError(f"{name}: {parameter} cannot be {value!r}")
    built: object = kind(*bound.args, **bound.kwargs)
    return built


def _fits(value: object, hint: object) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_args(hint):
        return any(_fits(value, one) for one in get_args(hint))
    if isinstance(value, bool):
        return False
    wanted = (int, float) if hint is float else hint
    return isinstance(value, wanted)  # type: ignore[arg-type]  # hints of answers are classes, where they are no unions


def _require(value: object, literal: object, name: str) -> None:
    allowed = get_args(literal)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}; one of {', '.join(map(repr, allowed))} is wanted")


def _within(value: float, least: float, most: float, name: str) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it lies between {least:g} and {most:g}")


@dataclass(frozen=True)
class Restart:
    """Power off once the profile is settled, and on again with the same settings."""


@dataclass(frozen=True)
class ChangeSettings:
    """Restart with these settings laid over the scenario's own."""

    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PassTime:
    """Let `span` seconds of phone time pass with the power on."""

    span: float


Step = Restart | ChangeSettings | PassTime


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
        case ChangeSettings(settings):
            return f"then restart with {' '.join(_shown(name, value) for name, value in settings)}"


@dataclass(frozen=True, repr=False)
class Scenario:
    """One profile's story on one device.

    `settings` name parameters as profile 1 spells them; the planner writes them for the slot in
    which the scenario sits. The URL is the slot's own unless `MYCERTURL` is given. `slot` pins the
    scenario. The k-th entry of `ca` answers the k-th request, its last one all that follow; what is
    asked of the CA besides certificates (capabilities, its own certificate) is answered as ever.
    `mates` are scenarios of other slots that must share every boot with this one. One that is
    `alone` shares its boots with no other scenario.
    """

    settings: tuple[tuple[str, str], ...] = ()
    common: tuple[tuple[str, str], ...] = ()
    slot: int | None = None
    ca: tuple[Answer, ...] = (Issue(),)
    steps: tuple[Step, ...] = ()
    alone: bool = False
    mates: tuple[Scenario, ...] = field(default=())

    def __repr__(self) -> str:
        return f"<scenario {self.text}>"

    def setting(self, name: str) -> str | None:
        """The value the scenario gives to `name`, spelled as for profile 1, or None where it gives none."""
        return dict(self.settings).get(name)

    @property
    def has_url(self) -> bool:
        """Whether the profile is told a SCEP server."""
        return self.setting("MYCERTURL") != ""

    @property
    def enrols(self) -> bool:
        """Whether an unattended phone that keeps to the documents asks for a certificate.

        A profile whose challenge password is empty waits for a person, and one whose certificate is
        being deleted takes no other (J100 template, SCEPPASSWORD and DELETE_SCEP_CERT).
        """
        return self.has_url and self.setting("SCEPPASSWORD") != "" and not self.deletes

    @property
    def deletes(self) -> bool:
        """Whether the profile's certificate is deleted."""
        return self.setting("DELETE_SCEP_CERT") == "1"

    @property
    def text(self) -> str:
        """The scenario in one line, as reports and progress show it."""
        words = [_shown(name, value) for name, value in (*self.settings, *self.common)]
        words += [repr(answer) for answer in self.ca if answer != Issue()]
        words += [_told(step) for step in self.steps]
        words += [f"slot {self.slot}"] if self.slot else []
        words += [f"with ({mate.text})" for mate in self.mates]
        return " ".join(words) or "defaults"

    @property
    def key(self) -> str:
        """What tells this scenario from every other, the same in each run."""
        mates = tuple(mate.key for mate in self.mates)
        told = (self.settings, self.common, self.slot, self.ca, self.steps, self.alone, mates)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
