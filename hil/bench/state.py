"""Where a bench keeps what must outlive a run: journal, lease, and the virtual bench's flash."""

from __future__ import annotations

import os
from pathlib import Path

from hil.errors import Misuse


def state_folder(bench: str) -> Path:
    """Where the bench called `bench` keeps its state; nothing is made yet.

    `$HIL_STATE`, else `$XDG_STATE_HOME/j100-hil`, else `~/.local/state/j100-hil`; in it a folder for each bench.
    """
    own = os.environ.get("HIL_STATE")
    home = os.environ.get("XDG_STATE_HOME")
    root = Path(own) if own else (Path(home) if home else Path.home() / ".local" / "state") / "j100-hil"
    return root.absolute() / bench


def make_private(folder: Path) -> Path:
    """`folder`, made if missing, readable by its owner only; `Misuse` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        remedy = "choose another by the environment variable HIL_STATE"
        raise Misuse(f"cannot be made: {error.strerror}", file=folder, remedy=remedy) from error
    return folder
