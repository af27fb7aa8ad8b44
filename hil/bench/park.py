"""The testbed's `park`: what the lab's phones are told when no test has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from hil.bench.source import Source
from hil.bench.strict import Strict
from hil.errors import Misuse

MOST_FILES, MOST_OCTETS = 200, 64 * 2**20


class Park(Strict):
    """The lab's normal settings: served by the bench once, or by a server of the lab."""

    settings: str | None = Field(
        default=None, description="the lab's 46xxsettings.txt, or a folder with it and files that it names, relative to this one"
    )
    option_242: Annotated[str, Field(pattern=r"^[A-Z0-9_]+=[^\s]+$", max_length=247)] | None = Field(
        default=None, description="instead: DHCP option 242 that sends phones to the lab's own server, such as HTTPSRVR=10.0.0.5"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.settings is None) == (self.option_242 is None):
            raise ValueError("needs either settings or option_242")
        return self

    def files(self, testbed: Source, settings_file: str) -> Mapping[str, bytes]:
        """What to serve, by name, `settings_file` among it, none where the lab does; `Misuse` where it cannot be read."""
        if self.settings is None:
            return {}
        place = testbed.file.parent / self.settings
        if not place.is_dir():
            return {settings_file: _read(place, testbed)}
        named = {str(file.relative_to(place)): file for file in sorted(place.rglob("*")) if file.is_file()}
        if settings_file not in named:
            raise _unfit(f"{place} has no {settings_file}", testbed, "put it there")
        sizes = [file.stat().st_size for file in named.values()]
        if len(sizes) > MOST_FILES or sum(sizes) > MOST_OCTETS:
            problem = f"{place} holds {len(sizes)} files with {sum(sizes)} octets"
            raise _unfit(problem, testbed, f"leave at most {MOST_FILES} files with {MOST_OCTETS} octets")
        return {name: _read(file, testbed) for name, file in named.items()}


def _read(file: Path, testbed: Source) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unfit(f"{file} cannot be read: {error.strerror}", testbed, "name the lab's settings") from error


def _unfit(problem: str, testbed: Source, remedy: str) -> Misuse:
    return Misuse(problem, file=testbed, key="park.settings", remedy=remedy)
