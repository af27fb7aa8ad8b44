"""A virtual bench whose phones meet Debian's scepserver, which the test's plugin starts in the network of the bench's PC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from interop_seats import PASSWORD, SCEPSERVER_PORT, make_scepserver_ca
from night_rig import VIRTUAL, Rig

__all__ = ["PASSWORD", "bench_with", "made_ca", "plugin"]

URL = f"http://127.0.0.1:{SCEPSERVER_PORT}/scep"

_INTEROP = Path(__file__).parents[1] / "interop"
# A pytest plugin: once the virtual bench is open, the server listens in its network; its CA is made beforehand.
PLUGIN = """
import sys

sys.path.insert(0, {interop!r})

from contextlib import ExitStack
from pathlib import Path

from interop_seats import scepserver
from hil.virtual.bench import VirtualBench

opening, closing, running = VirtualBench.open, VirtualBench.close, ExitStack()


def open_with_server(bench):
    opening(bench)
    running.enter_context(scepserver(Path({depot!r})))


def close_with_server(bench):
    running.close()
    closing(bench)


VirtualBench.open, VirtualBench.close = open_with_server, close_with_server
"""


def made_ca(depot: Path) -> Path:
    """The folder `depot`, with a new CA for scepserver."""
    make_scepserver_ca(depot)
    return depot


def plugin(depot: Path) -> str:
    """The source of the plugin that serves with the CA in `depot`."""
    return PLUGIN.format(interop=str(_INTEROP), depot=str(depot))


def bench_with(rig: Rig, name: str, external: Mapping[str, object], defects: Mapping[str, Sequence[str]]) -> Path:
    """A virtual bench with the phones of `defects`, each with its defects, and that real CA.

    The password of slot 2 is wrong.
    """
    bench = yaml.safe_load(VIRTUAL.read_text())
    bench["phones"] = [phone for phone in bench["phones"] if phone["name"] in defects]
    for phone in bench["phones"]:
        phone["virtual"] |= {"boot_delay": 5, "defects": [*defects[phone["name"]]]}
    variables = ("CA_PASSWORD", "WRONG_PASSWORD", "CA_PASSWORD")
    entities = [{"common_name": f"$SERIALNO {slot}", "password_env": name} for slot, name in enumerate(variables, 1)]
    bench["ca"] = {"persona": "system-manager", "external": {"url": URL, "entities": entities, **external}}
    file = rig.folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(bench, sort_keys=False))
    return file
