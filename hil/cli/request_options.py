"""The options that `hil enroll` and `hil renew` share: how a request is made, and how long it is waited for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.errors import Misuse
from hil.scep.polling import Patience
from hil.secret import Secret


class CipherName(StrEnum):
    """Content encryption of the request."""

    DES = "des"
    DES3 = "3des"
    AES128 = "aes128"
    AES256 = "aes256"


class DigestName(StrEnum):
    """Digest of the request and of the CSR's signature."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


ChallengeEnv = Annotated[str | None, typer.Option(metavar="NAME", help="Variable that holds the challenge password.")]
ChallengeFile = Annotated[Path | None, typer.Option(metavar="FILE", help="File of mode 600 that holds it.")]
Cipher = Annotated[CipherName | None, typer.Option(help="Best that the server offers, if not given.")]
Digest = Annotated[DigestName | None, typer.Option(help="SHA-256 if the server offers it, if not given.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not poll for what is pending; a later run does.")]
PollFirst = Annotated[
    float, typer.Option(min=0.1, max=86400, help="Seconds before the first poll; each pause is twice the last.")
]
PollLongest = Annotated[float, typer.Option(min=0.1, max=86400, help="Longest pause in seconds.")]
PollLimit = Annotated[float, typer.Option(min=0, max=31 * 86400, help="Seconds after which polling ends.")]
PollCount = Annotated[int, typer.Option(min=0, max=10_000, help="Most polls.")]
Restart = Annotated[bool, typer.Option("--restart", help="Discard the request of a run that was interrupted.")]

PATIENCE = Patience()

_CIPHERS = {
    CipherName.DES: "des-cbc",
    CipherName.DES3: "des-ede3-cbc",
    CipherName.AES128: "aes-128-cbc",
    CipherName.AES256: "aes-256-cbc",
}


@dataclass(frozen=True)
class Manner:
    """How to ask: `cipher` and `digest` None for the best that the server offers, `restart` to begin anew."""

    cipher: CipherName | None
    digest: DigestName | None
    patience: Patience
    restart: bool

    @property
    def content_cipher(self) -> str | None:
        """The cipher as the codec calls it."""
        return _CIPHERS[self.cipher] if self.cipher else None

    @property
    def parameters(self) -> dict[str, str]:
        """What must be the same again for an interrupted request to be gone on with."""
        return {"--cipher": self.cipher or "auto", "--digest": self.digest or "auto"}


def manner(
    cipher: CipherName | None,
    digest: DigestName | None,
    *,
    first: float,
    longest: float,
    limit: float,
    count: int,
    no_wait: bool,
    restart: bool,
) -> Manner:
    """How to ask, by the options."""
    patience = Patience(first, longest, limit, polls=0 if no_wait else count)
    return Manner(cipher, digest, patience, restart)


def challenge_of(variable: str | None, file: Path | None) -> Secret | None:
    """The challenge password from the one place that was named, None where none was."""
    if variable is not None and file is not None:
        raise Misuse("two places for one password", key="--challenge-env", remedy="name a variable or a file, not both")
    if variable is not None:
        text = os.environ.get(variable)
        if not text:
            raise Misuse("no variable of that name is set", key="--challenge-env", remedy="name one that holds it, and export it")
        return Secret(text)
    if file is None:
        return None
    try:
        open_to_others = file.stat().st_mode & 0o077
        text = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot be read ({error})", file=file, key="--challenge-file", remedy="the path of a text file") from error
    if open_to_others:
        raise Misuse("others may read it", file=file, key="--challenge-file", remedy=f"chmod 600 {file}")
    return Secret(text)
