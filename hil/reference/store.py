"""Where the reference phone keeps the certificates it got by SCEP: one per slot, with the URL it came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hil.errors import Misuse
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.kept_key import read_kept_key


@dataclass(frozen=True)
class Held:
    """A certificate installed in a slot: the URL it was got from, its key, and the other certificates that came with it."""

    slot: int
    url: str
    certificate: Certificate
    key: RSAPrivateKey = field(repr=False)
    chain: tuple[Certificate, ...]
    installed: datetime


class CertificateStore(Protocol):
    """The part of a phone's flash that survives a power cycle."""

    def held(self, slot: int) -> Held | None:
        """What is installed in `slot`."""

    def all(self) -> tuple[Held, ...]:
        """What is installed in any slot, by slot."""

    def install(self, held: Held) -> None:
        """Put `held` in its slot, in place of what was there."""

    def delete(self, slot: int) -> None:
        """Empty `slot`; it may be empty already."""


class MemoryStore:
    """A store that lives as long as the process."""

    def __init__(self, held: Iterable[Held] = ()) -> None:
        self._held = {one.slot: one for one in held}

    def held(self, slot: int) -> Held | None:
        return self._held.get(slot)

    def all(self) -> tuple[Held, ...]:
        return tuple(self._held[slot] for slot in sorted(self._held))

    def install(self, held: Held) -> None:
        self._held[held.slot] = held

    def delete(self, slot: int) -> None:
        self._held.pop(slot, None)


class FolderStore:
    """A store on disk: a file of mode 600 per slot, replaced whole, so that a crash leaves the former one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def held(self, slot: int) -> Held | None:
        try:
            return _read(self._file(slot), slot)
        except FileNotFoundError:
            return None

    def all(self) -> tuple[Held, ...]:
        slots = sorted(int(file.stem.removeprefix("slot-")) for file in self._folder.glob("slot-[0-9].json"))
        return tuple(_read(self._file(slot), slot) for slot in slots)

    def install(self, held: Held) -> None:
        record = {
            "url": held.url,
            "installed": held.installed.isoformat(),
            "certificate": held.certificate.der.hex(),
            "chain": [certificate.der.hex() for certificate in held.chain],
            "key": key_pem(held.key).decode(),
        }
        replace_private({self._file(held.slot): json.dumps(record, indent=1).encode()})

    def delete(self, slot: int) -> None:
        self._file(slot).unlink(missing_ok=True)

    def _file(self, slot: int) -> Path:
        return self._folder / f"slot-{slot}.json"


def key_pem(key: RSAPrivateKey) -> bytes:
    """A private key in PKCS #8, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def replace_private(files: Mapping[Path, bytes]) -> None:
    """Write files that only their owner can read, in place of what was there; `Misuse` where that cannot be.

    The former ones stay until every new one is whole, and on disk, beside them.
    """
    drafts = {file: file.with_name(f"{file.name}.part") for file in files}
    try:
        for file, draft in drafts.items():
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(files[file])
                out.flush()
                os.fsync(out.fileno())
        for file, draft in drafts.items():
            draft.replace(file)
        for folder in {file.parent for file in files}:
            _sync(folder)
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
        raise Misuse(problem, file=error.filename, remedy="it must be in a folder that is yours") from error


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path, slot: int) -> Held:
    try:
        record = json.loads(file.read_bytes())
        return Held(
            slot,
            record["url"],
            read_certificate(bytes.fromhex(record["certificate"])),
            read_kept_key(record["key"].encode()),
            tuple(read_certificate(bytes.fromhex(der)) for der in record["chain"]),
            datetime.fromisoformat(record["installed"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misuse(
            f"is not a stored certificate: {error}", file=file, remedy="delete it; the phone then enrols anew"
        ) from error
