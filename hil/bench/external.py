"""The testbed's `ca.external`: a real CA, which answers the phones through the bench's recording proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hil.bench.secrets import given_secret
from hil.bench.source import Source
from hil.bench.strict import Strict
from hil.errors import Misuse
from hil.secret import Secret

KEY = "ca.external"
_SLOTS = 3

Words = Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]


class EndEntity(Strict):
    """Whom the CA knows in one slot: what a phone is told there where a test tells it nothing else."""

    common_name: Annotated[str, Field(pattern=r'^[^"\r\n]*\$(SERIALNO|MACADDR)[^"\r\n]*$', max_length=100)] = Field(
        description="its name, as MYCERTCN has it, with $SERIALNO or $MACADDR in it, which stand for the phone's own"
    )
    password_env: str | None = Field(
        default=None, description="environment variable with its password (SCEPPASSWORD); null: the phone's default"
    )
    password_file: str | None = Field(default=None, description="file of mode 600 that holds it, relative to this one")


class External(Strict):
    """A SCEP server of the lab. One of `fingerprint` and `certificate` says which CA is meant."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s@#]+$", max_length=500)] = Field(
        description="its SCEP URL, such as https://ca.example.com/scep/pkiclient.exe"
    )
    identifier: str = Field(default="", max_length=100, description="name of the CA there, where the server has several")
    fingerprint: Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}:?){20}(([0-9A-Fa-f]{2}:?){12})?$")] | None = Field(
        default=None, description="SHA-256 fingerprint of its CA's certificate, in quotes; or SHA-1"
    )
    certificate: str | None = Field(default=None, description="PEM file with its CA's certificate, relative to this one")
    tls_trust: str | None = Field(
        default=None,
        description="PEM file with what an https server's certificate must chain to, relative to this one; null: the system's",
    )
    entities: Annotated[tuple[EndEntity, ...], Field(max_length=_SLOTS)] = Field(
        default=(), description="the end entities of slots 1, 2 and 3, in this order; none: names and passwords are the tests'"
    )
    prepare: Words | None = Field(
        default=None, description="words of the command that sets an end entity to New; null: the CA grants to whoever asks"
    )
    limit: Annotated[float, Field(gt=0, le=600)] = Field(default=30.0, description="longest run of that command [real s]")
    patience: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="longest wait for an answer of the CA [real s]"
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.fingerprint is None) == (self.certificate is None):
            raise ValueError("needs either fingerprint or certificate, to know the CA by")
        if self.tls_trust is not None and not self.url.startswith("https:"):
            raise ValueError("tls_trust is for an https url")
        if len(self.entities) not in (0, _SLOTS):
            raise ValueError("entities are three, of slots 1, 2 and 3, or none")
        if len({entity.common_name for entity in self.entities}) < len(self.entities):
            raise ValueError("two slots share an end entity, which serves once")
        if self.prepare is not None and not self.entities:
            raise ValueError("prepare needs entities, one for each slot")
        return self

    def passwords(self, testbed: Source) -> tuple[Secret | None, ...]:
        """The password of each of `entities`; `Misuse` where one cannot be had."""
        return tuple(
            given_secret(
                "password",
                env=entity.password_env,
                file=entity.password_file,
                folder=str(testbed.file.parent),
                testbed=testbed,
                key=f"{KEY}.entities[{index}]",
            )
            for index, entity in enumerate(self.entities)
        )

    def certificate_file(self, testbed: Source) -> Path | None:
        """The file with the CA's certificate; `Misuse` where it is not there."""
        return _there(self.certificate, "certificate", testbed)

    def tls_trust_file(self, testbed: Source) -> Path | None:
        """The file with what an https server must chain to; `Misuse` where it is not there."""
        return _there(self.tls_trust, "tls_trust", testbed)


def _there(name: str | None, key: str, testbed: Source) -> Path | None:
    if name is None:
        return None
    file = testbed.file.parent / name
    if not file.is_file():
        raise Misuse(f"there is no {file}", file=testbed, key=f"{KEY}.{key}", remedy="ask the CA's administrator for it")
    return file
