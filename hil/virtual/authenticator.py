"""802.1X on a port of the virtual switch: a real hostapd that talks EAPOL with the phone and asks the bench's RADIUS server."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hil.virtual.namespaces import program

_OPENED, _CLOSED = "AP-STA-CONNECTED", "AP-STA-DISCONNECTED"
_REAUTHENTICATES_EVERY = 3600
"""Real seconds, as hostapd has it of itself."""


@dataclass(frozen=True)
class RadiusConfig:
    """The RADIUS server that the switch asks, and the file of the secret that they share."""

    address: str
    port: int
    secret_file: str


class Authenticator:
    """Guards `link`, which must be up; `decided` is called with whether the station on it may pass, `failed` where hostapd ends.

    `own_address` is the switch's. hostapd's configuration holds the secret, so `folder` is its owner's alone.
    """

    def __init__(
        self,
        link: str,
        radius: RadiusConfig,
        own_address: str,
        folder: Path,
        *,
        decided: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        self._decided = decided
        self._failed = failed
        self._heard = b""
        self._last_line = "it said nothing"
        self._process = subprocess.Popen(
            [program("hostapd"), str(_configuration(folder, link, radius, own_address))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        asyncio.get_running_loop().add_reader(self._output, self._read)

    @property
    def _output(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def stop(self) -> None:
        """End hostapd; it decides nothing more."""
        asyncio.get_running_loop().remove_reader(self._output)
        self._process.kill()
        self._process.communicate()

    def _read(self) -> None:
        said = os.read(self._output, 65_536)
        if not said:
            asyncio.get_running_loop().remove_reader(self._output)
            self._failed(f"hostapd ended: {self._last_line}")
            return
        *lines, self._heard = (self._heard + said).split(b"\n")
        for line in lines:
            self._last_line = line.decode(errors="replace")
            if _OPENED in self._last_line:
                self._decided(True)
            elif _CLOSED in self._last_line:
                self._decided(False)


def _configuration(folder: Path, link: str, radius: RadiusConfig, own_address: str) -> Path:
    settings = {
        "interface": link,
        "driver": "wired",
        "logger_stdout": "-1",
        "logger_stdout_level": "2",
        "ieee8021x": "1",
        "eapol_version": "2",
        "eap_reauth_period": str(_REAUTHENTICATES_EVERY),
        "own_ip_addr": own_address,
        "radius_client_addr": own_address,
        "auth_server_addr": radius.address,
        "auth_server_port": str(radius.port),
        "auth_server_shared_secret": Path(radius.secret_file).read_text().strip(),
    }
    file = folder / f"{link}.conf"
    with suppress(FileNotFoundError):
        file.unlink()
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.writelines(f"{name}={value}\n" for name, value in settings.items())
    return file
