"""Where secrets come from: the environment, or a file that only its owner may read; never the testbed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from hil.bench.source import Source
from hil.errors import Misuse
from hil.secret import Secret


def given_secret(
    what: str, *, env: str | None, file: str | None, folder: str, testbed: str | Source, key: str = "power"
) -> Secret | None:
    """The secret called `what`, whose places are the testbed's `<what>_env` and `<what>_file` under `key`; None without a place.

    `file` is relative to `folder`. `Misuse` where both places are named, or where the one named holds no secret.
    """
    if env and file:
        raise Misuse(f"two places for one {what}", file=testbed, key=f"{key}.{what}_env", remedy="leave one out")
    if env:
        text = os.environ.get(env)
        if not text:
            raise Misuse(f"the environment has no {env}", file=testbed, key=f"{key}.{what}_env", remedy=f"export {env}")
        return Secret(text)
    if file:
        return read_secret(Path(folder) / file, named_by=f"{testbed}: {key}.{what}_file")
    return None


def read_secret(file: Path, *, named_by: str) -> Secret:
    """First line of a file that only its owner may read; `Misuse` if others may, or if it is empty or missing."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            text = stream.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'not text'}"
        raise Misuse(problem, file=file, remedy=f"named by {named_by}") from error
    if mode & 0o077:
        raise Misuse(f"others may read this secret (mode {mode:03o})", file=file, remedy=f"chmod 600 {file}")
    if not text:
        raise Misuse("holds no secret", file=file, remedy=f"named by {named_by}")
    return Secret(text)
