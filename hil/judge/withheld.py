"""Passwords that a bundle keeps apart from the settings files in which they stood.

A bundle is handed on, and its settings files are read by people, so a placeholder stands where a password stood; the
passwords are kept with the keys. Whoever judges a bundle puts them back, for a verdict may rest on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from hil.errors import Misuse

FILE: Final = "passwords.json"
_PLACEHOLDER: Final = re.compile(rb"withheld-(\d+)")
_Passwords: Final = TypeAdapter(dict[str, str])


def placeholder(number: int) -> str:
    """What stands in the place of a password; a settings file takes it with or without quotes."""
    return f"withheld-{number}"


def read_passwords(keys: Path) -> Mapping[str, str]:
    """By placeholder the passwords that are kept with the keys of a run; none where nothing was withheld."""
    file = keys / FILE
    if not file.exists():
        return {}
    try:
        return _Passwords.validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        remedy = "unpack the bundle again"
        raise Misuse(f"cannot be read: {str(error).partition(chr(10))[0]}", file=file, remedy=remedy) from None


def restored(content: bytes, passwords: Mapping[str, str]) -> bytes:
    """A settings file as it was served."""

    def password(found: re.Match[bytes]) -> bytes:
        known = passwords.get(found[0].decode())
        return found[0] if known is None else known.encode("utf-8", "surrogateescape")

    return _PLACEHOLDER.sub(password, content) if passwords else content
