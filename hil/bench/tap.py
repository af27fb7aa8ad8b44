"""The testbed's `tap`: another machine that records what passes on the bench, reached over SSH."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hil.bench.network import Port
from hil.bench.secrets import given_secret
from hil.bench.source import Source
from hil.bench.strict import Asked, Strict
from hil.errors import Misuse
from hil.secret import Secret


class Tap(Strict):
    """Where frames are recorded, if not at the PC's own port. Its key must be known already: none is taken on trust."""

    address: Annotated[str, Field(min_length=1, max_length=255)] = Field(description="name or address of the tap")
    port: Port = Field(default=22, description="TCP port of its SSH server")
    user: Annotated[str, Field(min_length=1, max_length=64)] = Field(description="name of a user who may run dumpcap there")
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")] = Field(
        description="its interface that the switch mirrors the PC's port to"
    )
    known_hosts: str = Field(description="file with the tap's key, as ssh-keyscan writes it, relative to this one")
    key_file: Annotated[str | None, Asked()] = Field(
        default=None, description="our private key, mode 600, relative to this one; null: by password"
    )
    key_env: str | None = Field(default=None, description="environment variable that holds the key's passphrase")
    password_env: Annotated[str | None, Asked()] = Field(
        default=None, description="environment variable that holds the user's password"
    )
    password_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")
    dumpcap: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./-]{1,200}$")] = Field(
        default="dumpcap", description="the program that records there, with its path where PATH has it not"
    )
    timeout: Annotated[float, Field(gt=0, le=300)] = Field(default=15.0, description="longest wait for one answer of it [real s]")

    def known_hosts_file(self, testbed: Source) -> Path:
        """The file with its key; `Misuse` where there is none."""
        file = testbed.file.parent / self.known_hosts
        if not file.is_file():
            remedy = f"compare the key's fingerprint on the tap, then: ssh-keyscan -p {self.port} {self.address} > {file}"
            raise Misuse(f"there is no {file}", file=testbed, key="tap.known_hosts", remedy=remedy)
        return file

    def private_key_file(self, testbed: Source) -> Path | None:
        """Our key, None where the testbed names none; `Misuse` where others may read it."""
        if self.key_file is None:
            return None
        file = testbed.file.parent / self.key_file
        if not file.is_file():
            raise Misuse(f"there is no {file}", file=testbed, key="tap.key_file", remedy="make one with ssh-keygen")
        if file.stat().st_mode & 0o077:
            raise Misuse(f"others may read {file}", file=testbed, key="tap.key_file", remedy=f"chmod 600 {file}")
        return file

    def password(self, testbed: Source) -> Secret | None:
        """The user's password; `Misuse` where there is neither that nor a key, or it cannot be had."""
        password = self._secret("password", self.password_env, self.password_file, testbed)
        if password is None and self.key_file is None:
            remedy = "add key_file, password_env or password_file; a password must not stand here"
            raise Misuse("no way to log in", file=testbed, key="tap", remedy=remedy)
        return password

    def passphrase(self, testbed: Source) -> Secret | None:
        """What opens our key, None where nothing has to."""
        return self._secret("key", self.key_env, None, testbed)

    def _secret(self, what: str, env: str | None, file: str | None, testbed: Source) -> Secret | None:
        folder = str(testbed.file.parent)
        return given_secret(what, env=env, file=file, folder=folder, testbed=testbed, key="tap")
