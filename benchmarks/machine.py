"""What a measurement was taken on and with."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

_PROGRAMS = {
    "openssl": (("openssl", "version"), r"OpenSSL (\S+)"),
    "scepserver and scepclient": (("scepserver", "-version"), r"(\S+)"),
    "strongSwan": (("pki", "--help"), r"strongSwan (\S+)"),
    "nginx": (("nginx", "-v"), r"nginx/(\S+)"),
    "tshark": (("tshark", "--version"), r"Wireshark\) (\S+)"),
}


def facts() -> dict[str, str]:
    """By name: processor, cores, load, kernel, and the versions of what was measured."""
    told = {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))}, of which the server has one and the load another",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "cryptography": f"{version('cryptography')} with {backend.openssl_version_text()}",
        "pyshark": version("pyshark"),
    }
    return told | {name: _version(*how) for name, how in _PROGRAMS.items() if shutil.which(how[0][0])}


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(command: tuple[str, ...], pattern: str) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, said.stdout + said.stderr)
    return found[1].rstrip(".") if found else "unknown"
