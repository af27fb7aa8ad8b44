"""Firmware images for virtual phones: what Avaya's hold nobody knows here, so these are this phone's own.

    python -m hil.virtual.phone.image FW_S_J179_R4_1_5_0_6.bin [--size OCTETS] [--after HOW] [--damaged]

A line of JSON, then octets that mean nothing. Model and release stand in the file's name, and again inside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

After = Literal["comes-up", "halts", "stays-dead"]
"""A release that works; one that asks for its upgrade file and goes no further; one that does nothing."""

_NAME = re.compile(r"FW_S_(?P<model>J1\d\d)A?_R(?P<release>\d+(?:_\d+)+)\.bin")
_LONGEST_HEAD = 1024


@dataclass(frozen=True)
class Image:
    """What an image says of itself; `digest` is the SHA-256 of its octets."""

    model: str
    release: str
    after: After
    digest: str


def named(name: str) -> tuple[str, str] | None:
    """Model and release that the name of an image tells, None where it is no such name."""
    found = _NAME.fullmatch(name)
    return (found["model"], found["release"].replace("_", ".")) if found else None


def read(file: Path) -> Image | None:
    """What an image says of itself, None where it is none."""
    with file.open("rb") as content:
        try:
            return Image(**json.loads(content.readline(_LONGEST_HEAD)))
        except (ValueError, TypeError):
            return None


def is_whole(file: Path, image: Image) -> bool:
    """Whether the octets are those that the image was made with."""
    with file.open("rb") as content:
        content.readline(_LONGEST_HEAD)
        return hashlib.file_digest(content, "sha256").hexdigest() == image.digest


def write(file: Path, size: int, after: After = "comes-up", damaged: bool = False) -> None:
    """Make the image that the file's name tells; one that is damaged shows so only once it is in flash."""
    model_release = named(file.name)
    if model_release is None:
        raise ValueError(f"{file.name!r} is no name of an image; for example FW_S_J179_R4_1_5_0_6.bin")
    octets = os.urandom(size)
    image = Image(*model_release, after, hashlib.sha256(octets + b"!" * damaged).hexdigest())
    file.write_bytes(json.dumps(asdict(image)).encode() + b"\n" + octets)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hil.virtual.phone.image", description="An image for virtual phones.")
    parser.add_argument("file", type=Path, help="for example FW_S_J179_R4_1_5_0_6.bin")
    parser.add_argument("--size", type=int, default=2_000_000, metavar="OCTETS")
    parser.add_argument("--after", choices=get_args(After), default="comes-up", help="what a phone does that runs it")
    parser.add_argument("--damaged", action="store_true", help="a phone finds out once it has written it")
    given = parser.parse_args(arguments)
    try:
        write(given.file, given.size, given.after, given.damaged)
    except (ValueError, OSError) as problem:
        parser.error(str(problem))


if __name__ == "__main__":
    main()
