"""What TLS carried, read with the secrets of a key log (RFC 5246 section 6, RFC 8446 section 5 and 7).

TLS 1.2 with AES-GCM, AES-CBC or ChaCha20-Poly1305, and TLS 1.3. A connection whose secrets are not in the log is not TLS
to whoever reads on, and stays sealed. Resumed sessions are read as well: the log has their secrets too.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from hil.capture.http import Reader
from hil.capture.keylog import KeyLog
from hil.capture.records import (
    APPLICATION,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    ENCRYPT_THEN_MAC,
    HANDSHAKE,
    HEARTBEAT,
    MAX_MESSAGE,
    MAX_RECORD,
    SERVER_HELLO,
    SUPPORTED_VERSIONS,
    extensions,
)

_FINISHED, _KEY_UPDATE = 20, 24
_RETRY: Final = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446 section 4.1.3
_BLOCK = _TAG = 16

Kind = Literal["gcm", "chacha", "cbc"]


class Suite(NamedTuple):
    """A cipher suite: how records are sealed, octets of its key and of its MAC, the digest that keys are derived with."""

    kind: Kind
    key: int
    digest: str
    mac: int = 0


def _suites(suite: Suite, *numbers: int) -> dict[int, Suite]:
    return dict.fromkeys(numbers, suite)


SUITES: Final[Mapping[int, Suite]] = {
    **_suites(Suite("gcm", 16, "sha256"), 0x1301, 0xC02F, 0xC02B, 0x009C, 0x009E),
    **_suites(Suite("gcm", 32, "sha384"), 0x1302, 0xC030, 0xC02C, 0x009D, 0x009F),
    **_suites(Suite("chacha", 32, "sha256"), 0x1303, 0xCCA8, 0xCCA9, 0xCCAA),
    **_suites(Suite("cbc", 16, "sha256", 20), 0xC013, 0xC009, 0x002F, 0x0033),
    **_suites(Suite("cbc", 32, "sha256", 20), 0xC014, 0xC00A, 0x0035, 0x0039),
    **_suites(Suite("cbc", 16, "sha256", 32), 0xC027, 0xC023, 0x003C, 0x0067),
    **_suites(Suite("cbc", 32, "sha256", 32), 0x003D, 0x006B),
    **_suites(Suite("cbc", 32, "sha384", 48), 0xC028, 0xC024),
}


class Opening:
    """What both sides of a connection have shown of how it is sealed; `opened` once its secrets are found."""

    def __init__(self, log: KeyLog, problem: Callable[[str], None]) -> None:
        self.problem = problem
        self._log = log
        self._secrets: Mapping[str, bytes] = {}
        self._randoms = {True: b"", False: b""}
        self._suite: Suite | None = None
        self._authenticates_sealed = False
        self.newest = False
        """Whether it is TLS 1.3."""

    @property
    def opened(self) -> bool:
        return bool(self._secrets)

    def client_hello(self, body: bytes) -> bool:
        """Whether the log has the secrets of the client that says so."""
        self._randoms[True] = body[2:34]
        self._secrets = self._log.get(body[2:34], {})
        return self.opened

    def server_hello(self, body: bytes) -> None:
        """The server's choices; a request for another ClientHello is none."""
        if body[2:34] == _RETRY or len(body) < 38:
            return
        told = extensions(body)
        after_session = 35 + body[34]
        self._randoms[False] = body[2:34]
        self._suite = SUITES.get(int.from_bytes(body[after_session : after_session + 2], "big"))
        self._authenticates_sealed = ENCRYPT_THEN_MAC in told
        self.newest = told.get(SUPPORTED_VERSIONS) == b"\x03\x04"

    def seal(self, from_client: bool, *, handshake: bool = False) -> Seal | None:
        """How a side's records are sealed from here on, None where nobody can tell."""
        suite = self._suite
        if suite is None:
            return None
        if self.newest:
            side = "CLIENT" if from_client else "SERVER"
            secret = self._secrets.get(f"{side}_HANDSHAKE_TRAFFIC_SECRET" if handshake else f"{side}_TRAFFIC_SECRET_0")
            return Seal.of_traffic(suite, secret) if secret else None
        master = self._secrets.get("CLIENT_RANDOM")
        return self._of_master(suite, master, from_client) if master else None

    def _of_master(self, suite: Suite, master: bytes, from_client: bool) -> Seal:
        """RFC 5246 section 6.3: the client's MAC key, the server's, then keys, then what is fixed of nonces."""
        fixed = {"gcm": 4, "chacha": 12, "cbc": 0}[suite.kind]
        size = 2 * (suite.mac + suite.key + fixed)
        block = _expanded(master, b"key expansion" + self._randoms[False] + self._randoms[True], size, suite.digest)
        place = 2 * suite.mac + (0 if from_client else suite.key)
        fixed_at = 2 * (suite.mac + suite.key) + (0 if from_client else fixed)
        key, iv = block[place : place + suite.key], block[fixed_at : fixed_at + fixed]
        return Seal(suite, key, iv, newest=False, authenticates_sealed=self._authenticates_sealed)


class Seal:
    """Opens the records of one side, each in its turn."""

    def __init__(
        self, suite: Suite, key: bytes, iv: bytes, *, newest: bool, secret: bytes = b"", authenticates_sealed: bool = False
    ) -> None:
        self._suite, self._key, self._iv, self._newest, self._secret = suite, key, iv, newest, secret
        self._authenticates_sealed = authenticates_sealed
        self._turn = 0

    @classmethod
    def of_traffic(cls, suite: Suite, secret: bytes) -> Seal:
        """By a traffic secret of TLS 1.3 (RFC 8446 section 7.3)."""
        key, iv = _labelled(secret, b"key", suite.key, suite.digest), _labelled(secret, b"iv", 12, suite.digest)
        return cls(suite, key, iv, newest=True, secret=secret)

    def renewed(self) -> Seal:
        """The next one, after a KeyUpdate (RFC 8446 section 7.2)."""
        size = hashlib.new(self._suite.digest).digest_size
        return Seal.of_traffic(self._suite, _labelled(self._secret, b"traffic upd", size, self._suite.digest))

    def open(self, kind: int, payload: bytes) -> tuple[int, bytes]:
        """Content type and plaintext of a record; ValueError where it does not open."""
        turn = self._turn.to_bytes(8, "big")
        self._turn += 1
        try:
            if self._suite.kind == "cbc":
                return kind, self._open_blocks(payload)
            return self._open_authenticated(kind, payload, turn)
        except (InvalidTag, IndexError) as closed:
            raise ValueError("a record does not open") from closed

    def _open_authenticated(self, kind: int, payload: bytes, turn: bytes) -> tuple[int, bytes]:
        cipher = AESGCM(self._key) if self._suite.kind == "gcm" else ChaCha20Poly1305(self._key)
        counted = bytes(a ^ b for a, b in zip(self._iv.rjust(12, b"\0"), turn.rjust(12, b"\0"), strict=True))
        if self._newest:
            head = bytes((APPLICATION, 3, 3)) + len(payload).to_bytes(2, "big")
            inner = cipher.decrypt(counted, payload, head).rstrip(b"\0")
            return inner[-1], inner[:-1]
        told = 8 if self._suite.kind == "gcm" else 0  # octets of the nonce that stand in the record
        if len(payload) < told + _TAG:
            raise InvalidTag
        nonce = self._iv + payload[:told] if told else counted
        head = turn + bytes((kind, 3, 3)) + (len(payload) - told - _TAG).to_bytes(2, "big")
        return kind, cipher.decrypt(nonce, payload[told:], head)

    def _open_blocks(self, payload: bytes) -> bytes:
        """The MAC is not looked at: who has the key log has what was received as the bench had it."""
        mac = self._suite.mac
        sealed = payload[:-mac] if self._authenticates_sealed else payload
        opener = Cipher(algorithms.AES(self._key), modes.CBC(sealed[:_BLOCK])).decryptor()
        plain = opener.update(sealed[_BLOCK:]) + opener.finalize()
        plain = plain[: -1 - plain[-1]]
        return plain if self._authenticates_sealed else plain[:-mac]


class TlsReader:
    """Feeds a reader of HTTP what one side sent, be it sealed or not; once bytes of sealed records are missing, no more."""

    def __init__(self, inner: Reader, opening: Opening) -> None:
        self._inner = inner
        self._opening = opening
        self._plain: bool | None = None  # not known before the first octets
        self._from_client = False
        self._records = bytearray()
        self._messages = bytearray()
        self._seal: Seal | None = None
        self._sealed = False
        self._lost = False

    @property
    def foreign(self) -> bool:
        return self._inner.foreign

    @property
    def recognised(self) -> bool:
        return self._inner.recognised or (self._plain is False and self._opening.opened and not self._inner.foreign)

    @property
    def exact(self) -> bool:
        return self._inner.exact and not self._lost

    @property
    def lost(self) -> bool:
        return self._lost or (self._plain is not False and self._inner.lost)

    def feed(self, data: bytes, frame: int, time: int) -> None:
        """The next bytes in order, and the frame that brought them into order."""
        if self._plain is None:
            self._plain = not data.startswith(b"\x16\x03")
        if self._plain:
            self._inner.feed(data, frame, time)
            return
        if self._lost:
            return
        self._records += data
        try:
            while len(self._records) >= 5 and not self._plain:
                kind, size = self._records[0], int.from_bytes(self._records[3:5], "big")
                if not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT or size > MAX_RECORD:
                    raise ValueError("not a TLS record")
                if len(self._records) < 5 + size:
                    return
                payload = bytes(self._records[5 : 5 + size])
                self._record(kind, payload, frame, time)
                del self._records[: 5 + size]
        except ValueError as problem:
            self._lost = True
            self._records.clear()
            self._opening.problem(f"frame {frame}: {problem}, so the rest of its connection stays sealed")

    def _record(self, kind: int, payload: bytes, frame: int, time: int) -> None:
        if kind == CHANGE_CIPHER_SPEC and not self._opening.newest:
            self._sealed, self._seal = True, self._opening.seal(self._from_client)
            return
        if kind == APPLICATION and self._opening.newest and not self._sealed:
            self._sealed, self._seal = True, self._opening.seal(self._from_client, handshake=True)
        if self._sealed and kind != CHANGE_CIPHER_SPEC:
            if self._seal is None:
                raise ValueError("its cipher suite or its secret is not known")
            kind, payload = self._seal.open(kind, payload)
        if kind == APPLICATION:
            self._inner.feed(payload, frame, time)
        elif kind == HANDSHAKE and (not self._sealed or self._opening.newest):
            self._handshake(payload, frame, time)

    def _handshake(self, payload: bytes, frame: int, time: int) -> None:
        self._messages += payload
        while len(self._messages) >= 4:
            end = 4 + int.from_bytes(self._messages[1:4], "big")
            if end > MAX_MESSAGE:
                raise ValueError(f"a handshake message of {end} bytes")
            if len(self._messages) < end:
                return
            kind, body = self._messages[0], bytes(self._messages[4:end])
            del self._messages[:end]
            self._message(kind, body, frame, time)

    def _message(self, kind: int, body: bytes, frame: int, time: int) -> None:
        if kind == CLIENT_HELLO and not self._sealed:
            self._from_client = True
            if not self._opening.client_hello(body):
                self._plain = True
                self._inner.feed(bytes(self._records), frame, time)  # which finds that it is no HTTP
        elif kind == SERVER_HELLO and not self._sealed:
            self._opening.server_hello(body)
        elif kind == _FINISHED and self._opening.newest:
            self._seal = self._opening.seal(self._from_client)
        elif kind == _KEY_UPDATE and self._seal is not None:
            self._seal = self._seal.renewed()

    def skip(self, count: int, /) -> None:
        """That many bytes are missing here."""
        if self._plain is False:
            self._lost = True
            self._records.clear()
        self._inner.skip(count)

    def end(self, frame: int, time: int) -> None:
        """The sender closed its direction in that frame."""
        self._inner.end(frame, time)

    def stop(self, reason: str) -> None:
        """Nothing more comes, for `reason`."""
        self._inner.stop(reason)


def _expanded(secret: bytes, seed: bytes, size: int, digest: str) -> bytes:
    """The PRF of TLS 1.2 (RFC 5246 section 5)."""
    found, chained = b"", seed
    while len(found) < size:
        chained = hmac.digest(secret, chained, digest)
        found += hmac.digest(secret, chained + seed, digest)
    return found[:size]


def _labelled(secret: bytes, label: bytes, size: int, digest: str) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446 section 7.1), of no more than one digest's size."""
    full = b"tls13 " + label
    return hmac.digest(secret, size.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0\1", digest)[:size]
