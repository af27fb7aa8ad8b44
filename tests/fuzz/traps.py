"""Inputs that are made to cost a reader more than they cost who sends them, each by name with its kind in `limited`."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, repeat
from struct import pack

import by_hand
from by_hand import SYN
from targets import lab, pki
from targets.changes import rebuilt

from hil import asn1
from hil.scep import algorithms, build, cms, envelope, messages

SIZE = 10_000_000
CAPTURE = 2_000_000
SETTINGS = 2 * 2**20
_ADDRESSES = bytes((10, 0, 0, 7)), bytes((10, 0, 0, 1))


@dataclass(frozen=True)
class Trap:
    """An input by its kind, made when it is needed."""

    kind: str
    make: Callable[[], bytes]


# Messages


def _signed(content: bytes, *attributes: bytes, certificates: Iterable[bytes] = (), digest: str = "sha256") -> bytes:
    signer = lab.certificate("phone")
    named = [
        cms.attribute(messages.MESSAGE_TYPE, asn1.printable_or_utf8("19")),
        cms.attribute(messages.TRANSACTION_ID, asn1.printable_or_utf8(pki.TRANSACTION_ID)),
        cms.attribute(messages.SENDER_NONCE, asn1.octet_string(pki.NONCE)),
    ]
    carried = [replace(signer, der=der) for der in certificates] or [signer]
    return cms.write_signed_data(
        content, (*named, *attributes), signer=signer, key=lab.key("phone"), digest=digest, certificates=carried
    )


def _sealed(content: bytes) -> bytes:
    return _signed(envelope.write_enveloped_data(content, lab.authority().certificate, "aes-256-cbc"))


def _certificate(*, public_key: bytes = b"", name: bytes = b"", serial: bytes = b"", extension: bytes = b"") -> bytes:
    """A certificate with the names and number of the phone's, where nothing else is given; its signature is no signature."""
    phone = lab.certificate("phone")
    number = serial or asn1.integer(phone.serial)
    algorithm = algorithms.signature_identifier("sha256")
    dates = asn1.sequence(asn1.time(lab.NOW), asn1.time(lab.NOW))
    subject, key = name or phone.subject_der, public_key or phone.public_key_der
    version = asn1.explicit(0, asn1.integer(2))
    body = asn1.sequence(version, number, algorithm, name or phone.issuer_der, dates, subject, key, extension)
    return asn1.sequence(body, algorithm, asn1.bit_string(b"\0" + bytes(range(1, 256))))


def _rsa(modulus: bytes, exponent: bytes) -> bytes:
    numbers = asn1.sequence(asn1.tlv(asn1.INTEGER, b"\0", modulus), asn1.tlv(asn1.INTEGER, b"\0", exponent))
    return asn1.sequence(algorithms.rsa_identifier(), asn1.bit_string(numbers))


def _certificates_of(key_octets: int, exponent_octets: int) -> list[bytes]:
    return [
        _certificate(public_key=_rsa(bytes((0xC0 + number % 32, number)) + b"\xab" * (key_octets - 2), b"\xcd" * exponent_octets))
        for number in range(100)
    ]


def _name(text: bytes) -> bytes:
    return asn1.sequence(asn1.tlv(0x31, asn1.sequence(asn1.oid("2.5.4.3"), asn1.tlv(asn1.UTF8_STRING, text))))


def _extension(number: int) -> bytes:
    return asn1.sequence(asn1.oid("1.2.3"), asn1.octet_string(bytes((number,))))


def _named_with_large_attribute() -> bytes:
    carried = [_certificate(extension=asn1.explicit(3, asn1.sequence(_extension(number)))) for number in range(100)]
    return _signed(b"x", cms.attribute("1.2.3", asn1.octet_string(bytes(SIZE))), certificates=carried, digest="sha512")


def _ten_recipients() -> bytes:
    receiver = lab.authority().certificate
    key, algorithm, encrypted = algorithms.encrypt("des-ede3-cbc", bytes(SIZE))
    sealed_key = asn1.octet_string(receiver.public_key.encrypt_key(key))
    info = asn1.sequence(asn1.integer(0), receiver.issuer_and_serial, algorithms.rsa_identifier(), sealed_key)
    content = asn1.sequence(asn1.oid(cms.DATA), algorithm, asn1.tlv(asn1.CONTEXT_0, encrypted))
    body = asn1.sequence(asn1.integer(0), asn1.tlv(0x31, *[info] * envelope.MAX_RECIPIENTS), content)
    return _signed(asn1.sequence(asn1.oid(cms.ENVELOPED_DATA), asn1.explicit(0, body)))


def _csr(name: bytes, *attributes: bytes) -> bytes:
    info = asn1.sequence(asn1.integer(0), name, lab.certificate("phone").public_key_der, asn1.explicit(0, *attributes))
    return asn1.sequence(info, algorithms.signature_identifier("sha256"), asn1.bit_string(bytes(128)))


def _nested_strings() -> bytes:
    content = asn1.octet_string(bytes(SIZE))
    for _ in range(asn1.MAX_DEPTH - 8):
        content = asn1.tlv(asn1.OCTET_STRING | asn1.CONSTRUCTED, asn1.octet_string(b"x"), content)
    whole = asn1.read(_signed(b"?"))
    encapsulated = whole.children[1].only_child().children[2]
    return rebuilt(whole, encapsulated.children[1].only_child(), content)


_ATTRIBUTES = (cms.attribute("1.2.3", asn1.octet_string(bytes(480))),) * 19_000
_PHONE = lab.certificate("phone")
_MESSAGES = {
    "nested without end": lambda: b"\x30\x80" * (SIZE // 2),
    "small elements": lambda: asn1.tlv(0x30, b"\x30\x80" + b"\x05\0" * (SIZE // 2) + b"\0\0"),
    "lengths that lie": lambda: b"\x30\x88" + b"\x7f\xff\xff\xff\xff\xff\xff\xff\x30\x88" * (SIZE // 10),
    "strings within strings": _nested_strings,
    "many attributes": lambda: _signed(b"x", *_ATTRIBUTES),
    "a hundred signers and a large attribute": _named_with_large_attribute,
    "a hundred slow exponents": lambda: _signed(b"x", certificates=_certificates_of(384, 383)),
    "a hundred long keys": lambda: _signed(b"x", certificates=_certificates_of(2048, 8)),
    "a long modulus": lambda: _signed(b"x", certificates=[_certificate(public_key=_rsa(b"\xab" * SIZE, b"\1\0\1"))]),
    "a long exponent": lambda: _signed(b"x", certificates=[_certificate(public_key=_rsa(b"\xab" * 256, b"\xab" * SIZE))]),
    "a long serial number": lambda: _signed(b"x", certificates=[_certificate(serial=asn1.tlv(asn1.INTEGER, b"\1" * SIZE))]),
    "a long name": lambda: _signed(b"x", certificates=[_certificate(name=_name(b"," * (SIZE // 2)))]),
    "ten recipients": _ten_recipients,
    "a long name in a CSR": lambda: _sealed(_csr(_name(b"," * SIZE))),
    "many attributes in a CSR": lambda: _sealed(_csr(_PHONE.subject_der, *_ATTRIBUTES)),
}


def _target(message: bytes) -> bytes:
    return b"/?operation=PKIOperation&message=" + message


_TARGETS = {
    "many parameters": lambda: _target(b"") + b"&" * SIZE,
    "percent escapes": lambda: _target(b"%41" * (SIZE // 3)),
    "octets beyond UTF-8": lambda: _target(b"\xff" * SIZE),
    "base64": lambda: _target(base64.b64encode(bytes(SIZE))),
}

# Settings


def _lines(line: bytes) -> Callable[[], bytes]:
    return lambda: line * (SETTINGS // len(line))


def _jumps() -> bytes:
    """Each jump leads to the one above it."""
    steps = b"".join(b"# %d\nGOTO %d\n" % (number, number - 1) for number in range(24_000, 0, -1))
    return b"GOTO 24000\n" + steps + b"# 0\nGOTO 24000\n"


_SETTINGS = {
    "unknown parameters": _lines(b"SET a b\n"),
    "broken lines": _lines(b"IF a\n"),
    "odd bytes": _lines(b"IF " + b"\xff" * 4_000 + b"\n"),
    "labels": _lines(b"# a\n"),
    "jumps": _jumps,
    "one line": lambda: b"SET MYCERTURL " + b"a" * SIZE,
    "files that are missing": _lines(b"GET b\n"),
    "blanks": _lines(b"SET " + b" " * 2_000 + b"a" + b" " * 2_000 + b"b c\n"),
}

# Captures


def _segment(
    port: int, sequence: int, payload: bytes = b"", *, flags: int = by_hand.ACK, answer: bool = False, jumbo: bool = False
) -> bytes:
    """A frame of the connection from `port` and 65536 more; a `jumbo` one leaves its length to the network card."""
    ports = pack(">HH", 80 + port // 65_536, port % 65_536) if answer else pack(">HH", port % 65_536, 80 + port // 65_536)
    addresses = b"".join(reversed(_ADDRESSES) if answer else _ADDRESSES)
    total = 0 if jumbo else 40 + len(payload)
    head = pack(">BBHHHBBH", 0x45, 0, total, 1, 0, 64, 6, 0) + addresses
    return by_hand.ethernet(head + ports + pack(">IIBBHHH", sequence % 2**32, 0, 0x50, flags, 64_000, 0, 0) + payload)


def _capture(frames: Callable[[], Iterable[bytes]]) -> Callable[[], bytes]:
    """The first frames, as many as `CAPTURE` octets hold."""

    def make() -> bytes:
        held, size = [], 0
        for frame in frames():
            held.append(frame)
            size += 16 + len(frame)
            if size > CAPTURE:
                break
        return by_hand.pcap(held)

    return make


def _stream(head: bytes, pieces: Iterable[bytes], *, step: int = 0, port: int = 5_000, jumbo: bool = False) -> Iterator[bytes]:
    """A connection whose client sends `head`, then the pieces, `step` octets missing before each."""
    yield _segment(port, 999, flags=SYN)
    yield _segment(port, 1_000, head)
    at = 1_000 + len(head)
    for piece in pieces:
        at += step
        yield _segment(port, at, piece, jumbo=jumbo)
        at += len(piece)


def _each_answered(request: bytes, replies: Iterable[bytes]) -> Iterator[bytes]:
    asked = answered = 1_000
    yield _segment(5_000, 999, flags=SYN)
    yield _segment(5_000, 999, flags=SYN | by_hand.ACK, answer=True)
    for reply in replies:
        yield _segment(5_000, asked, request)
        yield _segment(5_000, answered, reply, answer=True)
        asked, answered = asked + len(request), answered + len(reply)


def _answered_early(port: int) -> Iterator[bytes]:
    yield from _stream(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", (), port=port)
    yield _segment(port, 1_000, b"HTTP/1.1 204 A\r\n\r\n", answer=True)


def _blanks() -> Iterator[bytes]:
    """Heads of 200 kB, whose request line is blank but for its ends."""
    while True:
        yield b"GET /" + b" " * 60_000
        yield from (b" " * 60_000,) * 3
        yield b" \r\n\r\n"


def _stranger(number: int) -> bytes:
    """A certificate as others have it, but for its last octets."""
    return by_hand.reply(lab.certificate("phone").der[:-4] + number.to_bytes(4, "big"))


def _inflating() -> bytes:
    """A reply of a few octets that gzip makes megabytes of."""
    compressor = zlib.compressobj(wbits=31)
    body = compressor.compress(bytes(4_000_000)) + compressor.flush()
    return by_hand.reply(body, extra=f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n")


def _learnt() -> Iterator[bytes]:
    """Answers with certificates that share a name and number, then messages that name none of them by octets."""
    asked = by_hand.request("/?operation=GetCACert&message=a")
    carried = [_certificate(extension=asn1.explicit(3, asn1.sequence(_extension(number)))) for number in range(100)]
    yield from _each_answered(asked, [by_hand.reply(build.degenerate([replace(_PHONE, der=der) for der in carried]))])
    signer = replace(_PHONE, issuer_and_serial=_PHONE.issuer_and_serial.replace(b"19WZ", b"19wz"))
    message = cms.write_signed_data(b"x", (), signer=signer, key=lab.key("phone"), digest="sha256", certificates=())
    posted = by_hand.request("/?operation=PKIOperation", "POST", message)
    yield from chain.from_iterable(_stream(posted, (), port=port) for port in count(6_000))


def _parts() -> Iterator[bytes]:
    """Packets in a hundred parts each, of which the first never comes."""
    for number in count():
        for part in range(1, 120):
            place = part | (0x2000 if part < 119 else 0)
            head = pack(">BBHHHBBH", 0x45, 0, 28, number % 65_536, place, 64, 6, 0) + b"".join(_ADDRESSES)
            yield by_hand.ethernet(head + bytes(8))


_POST = b"POST /?operation=PKIOperation HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n"
_CHUNKED = b"POST /?operation=PKIOperation HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
_MANY_HEADERS = b"GET /?operation=a HTTP/1.1\r\n" + b"".join(b"%x:\n" % number for number in range(100)) + b"\r\n"
_NO_CONTENT = b"HTTP/1.1 204 A\r\n\r\n"
_CAPTURES: dict[str, Callable[[], Iterable[bytes]]] = {
    "SYN after SYN": lambda: (_segment(port, 999, flags=SYN) for port in count()),
    "connections that say nothing": lambda: (_segment(port, 999, b"x") for port in count()),
    "a head in single octets": lambda: _stream(b"GET /", (b"a" for _ in count())),
    "chunks of one octet": lambda: _stream(_CHUNKED, (b"1\r\na\r\n" for _ in count())),
    "every other octet": lambda: _stream(_POST, (b"a" for _ in count()), step=1),
    "large gaps": lambda: chain.from_iterable(_stream(_POST, (b"x",), step=4_000_000, port=port) for port in count()),
    "large gaps that stay open": lambda: chain.from_iterable(
        _stream(_POST, (b"x",) * 4_098, step=900, port=port) for port in count()
    ),
    "blanks": lambda: _stream(b"", _blanks()),
    "requests in one segment": lambda: _stream(b"", (b"GET / HTTP/1.1\r\n\r\n\r\n" * 13_000 for _ in count()), jumbo=True),
    "what gzip makes more of": lambda: _each_answered(by_hand.request("/?operation=GetCACert&message=a"), repeat(_inflating())),
    "learnt certificates": _learnt,
    "parts of packets": _parts,
    "header lines": lambda: chain.from_iterable(_stream(_MANY_HEADERS, (), port=port) for port in count()),
    "answers to nothing": lambda: _each_answered(b"GET / HTTP/1.1\r\n\r\n" * 900, (_NO_CONTENT * 900 for _ in count())),
    "empty operations": lambda: _each_answered(b"GET /?operation HTTP/1.1\r\n\r\n" * 900, (_NO_CONTENT * 900 for _ in count())),
    "early answers": lambda: chain.from_iterable(_answered_early(port) for port in count()),
    "many certificates": lambda: _each_answered(by_hand.request("/?operation=GetCACert&message=a"), map(_stranger, count())),
}

TRAPS: dict[str, Trap] = {
    **{f"message: {name}": Trap("message", make) for name, make in _MESSAGES.items()},
    "certificates: a hundred long keys": Trap(
        "certificates", lambda: build.degenerate([replace(_PHONE, der=der) for der in _certificates_of(2048, 8)])
    ),
    "post: a hundred signers and a large attribute": Trap("post", _named_with_large_attribute),
    "post: ten recipients": Trap("post", _ten_recipients),
    **{f"get: {name}": Trap("get", make) for name, make in _TARGETS.items()},
    **{f"settings: {name}": Trap("settings", make) for name, make in _SETTINGS.items()},
    "settings: files without end": Trap("settings without end", lambda: b"SET a b\n" * 3_000),
    **{f"capture: {name}": Trap("capture", _capture(frames)) for name, frames in _CAPTURES.items()},
}
