"""A testbed around a simulator, on the loopback interface."""

from __future__ import annotations

from collections.abc import Sequence

import yaml
from power_rigs import PHONES, Rig

from hil.bench.testbed import Testbed, load


def around(rig: Rig, phones: Sequence[str] = PHONES) -> Testbed:
    """The testbed whose phones hang on the outlets of `rig`, read from its file."""
    described = {
        "name": "lab",
        "kind": "real",
        "times": {"off_time": 0.01},
        "network": {"interface": "lo", "address": "127.0.0.1", "prefix": 24, "dhcp": False},
        "power": {**rig.power, "poll": 0.05},
        "phones": [
            {
                "name": name,
                "model": "J179",
                "mac": f"C8:1F:EA:00:00:0{number}",
                "serial": f"19WZ0000000{number}",
                "address": f"127.0.0.{100 + number}",
                "reference": f"127.77.{number}.1",
                "power": outlet,
            }
            for number, (name, outlet) in enumerate(zip(phones, rig.outlets, strict=False), start=1)
        ],
    }
    file = rig.folder / "lab.yaml"
    file.write_text(yaml.safe_dump(described))
    return load(file)
