"""The command line of the virtual switch as its management: who may log in, where, and whose commands it takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hil.virtual.agent import Agent

KNOWN_HOSTS = "known_hosts"
"""File with the switch's key, in the switch's folder."""

CONSOLE = "console"
"""Link to the switch's serial console, in the switch's folder."""


@dataclass(frozen=True)
class CommandLineConfig:
    """A command line of `dialect` for `user`, whose passwords are the word in a file; at a serial console where `ssh` is None.

    `ports` has group and port by the name that the command line shows.
    """

    dialect: str
    user: str
    word_file: str
    ssh: tuple[str, int] | None
    ports: Mapping[str, tuple[int, int]]

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> CommandLineConfig:
        """The configuration whose fields, as JSON has them, these are."""
        ports = {name: (group, port) for name, (group, port) in raw["ports"].items()}
        return cls(**{**raw, "ssh": raw["ssh"] and tuple(raw["ssh"]), "ports": ports})


class CommandAgent(Agent):
    """`hil.virtual.command_line` with its configuration and log in `folder`."""

    name = "command-line"

    def __init__(self, folder: Path, config: CommandLineConfig) -> None:
        super().__init__(folder)
        self._config = config
        self._sign = folder / (CONSOLE if config.ssh is None else KNOWN_HOSTS)

    def _prepare(self) -> tuple[list[str], dict[str, str]]:
        self._sign.unlink(missing_ok=True)
        (self._folder / "commands.json").write_text(json.dumps(asdict(self._config), indent=1))
        return [sys.executable, "-P", "-m", "hil.virtual.command_line", "commands.json"], {}

    def _listens(self) -> bool:
        return self._sign.exists()
