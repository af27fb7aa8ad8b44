"""802.1X by EAP-TLS: a real wpa_supplicant on the phone's port.

A phone that is shut out has no settings but those of the boot before, and what it holds in flash.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Collection
from pathlib import Path

from hil.virtual.phone.flash import Stored
from hil.virtual.phone.habits import Habits, everywhere
from hil.virtual.phone.parameters import Settings, slotted
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.usage import assignment

SERVICE = "8021X"
REMEMBERED = ("DOT1XSTAT", "DOT1XEAPS", "FORCE_DOT1XID_TLS", *(slotted("SCEP_USAGE", slot) for slot in (1, 2, 3)))
"""Parameters that the phone must know before it can read any."""

_OUTCOMES = {"CTRL-EVENT-EAP-SUCCESS": True, "CTRL-EVENT-EAP-FAILURE": False}


def presented_slot(settings: Settings, habits: Habits, held: Collection[int]) -> int | None:
    """The profile whose certificate the phone presents to its port, None where it speaks no EAP-TLS there."""
    told = settings["DOT1XSTAT"] != "0" and settings["DOT1XEAPS"] == "TLS"
    if not (told and habits.speaks_8021x):
        return None
    return habits.at_port(assignment(settings, habits, held).get(SERVICE), held)


def identity(settings: Settings, unit: Unit, habits: Habits) -> str:
    """The name that goes with the certificate."""
    macros = {"$MACADDR": habits.mac_at_port(unit), "$SERIALNO": unit.serial.lower(), "$SERIALNO_UPPER": unit.serial.upper()}
    return everywhere(settings["FORCE_DOT1XID_TLS"], macros)


class Supplicant:
    """wpa_supplicant at work on `interface`, until `end`; `folder` takes what it reads."""

    def __init__(self, interface: str, folder: Path, stored: Stored, name: str, habits: Habits) -> None:
        self._outcomes: queue.Queue[bool] = queue.Queue()
        path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
        command = [shutil.which("wpa_supplicant", path=path) or "wpa_supplicant", "-D", "wired", "-i", interface]
        self._process = subprocess.Popen(
            [*command, "-c", str(_configuration(folder, stored, name, habits))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def outcome(self, within: float) -> bool | None:
        """Whether the port let the phone through; None where nobody has said so for `within` real seconds."""
        try:
            return self._outcomes.get(timeout=within)
        except queue.Empty:
            return None

    def end(self) -> None:
        """Speak no more; the port may shut."""
        self._process.terminate()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            for mark, passed in _OUTCOMES.items():
                if mark in line:
                    self._outcomes.put(passed)


def _configuration(folder: Path, stored: Stored, name: str, habits: Habits) -> Path:
    own = _private(folder / "supplicant.pem", f"{stored.certificate}\n{stored.key}\n")
    return _private(
        folder / "supplicant.conf",
        f"ap_scan=0\neapol_version={habits.eapol_version}\nopenssl_ciphers=DEFAULT:@SECLEVEL=0\n"
        "network={\n"
        f" key_mgmt=IEEE8021X\n eap=TLS\n eapol_flags=0\n fragment_size={habits.eap_fragment}\n"
        f' identity={name.encode().hex()}\n client_cert="{own}"\n private_key="{own}"\n'
        "}\n",
    )


def _private(file: Path, content: str) -> Path:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(content)
    return file
