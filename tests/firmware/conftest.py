"""Firmware onto virtual phones: images, testbeds, and the command `hil` in a network of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.virtual.phone import image

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("ip", "unshare", "snmpd", "dnsmasq")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def described(*names: str) -> dict[str, Any]:
    """The virtual testbed with the phones of these names, quick to boot, and no 802.1X."""
    raw: dict[str, Any] = yaml.safe_load((ROOT / "testbeds" / "virtual.yaml").read_text())
    raw["phones"] = [phone for phone in raw["phones"] if phone["name"] in names]
    for phone in raw["phones"]:
        phone["virtual"] |= {"boot_delay": 5}
    raw["times"] |= {"boot_limit": 120}
    del raw["network"]["radius"]
    return raw


@pytest.fixture
def two_phones(tmp_path: Path) -> Path:
    """The testbed of j139-1 and j179-1."""
    file = tmp_path / "two.yaml"
    file.write_text(yaml.safe_dump(described("j139-1", "j179-1")))
    return file


@pytest.fixture
def bench(tmp_path: Path) -> dict[str, Any]:
    """A virtual testbed with j179-1 alone, quick to boot, as YAML has it; `virtual.yaml` beside the test's files is the same."""
    raw = described("j179-1")
    (tmp_path / "virtual.yaml").write_text(yaml.safe_dump(raw))
    return raw


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Make the image of a release such as `4.1.5.0.6` for virtual phones."""

    def make(release: str, after: image.After = "comes-up", *, damaged: bool = False, model: str = "J179") -> Path:
        file = tmp_path / f"FW_S_{model}_R{release.replace('.', '_')}.bin"
        image.write(file, 300_000, after, damaged)
        return file

    return make


@pytest.fixture
def run(own_network: list[str], tmp_path: Path) -> Run:
    """A program of this Python in a network of its own, with the state of this test."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")

    def begin(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HIL_STATE": str(tmp_path / "state"), "PYTHONPATH": str(ROOT)}
        command = [*own_network, sys.executable, *words]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)

    return begin
