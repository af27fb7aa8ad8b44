"""Fuzzes targets by atheris, each in a process of its own; see docs/robustness.md.

run.py SECONDS [TARGET...]
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS, FINDINGS = HERE / "corpus", HERE / "findings"
TARGETS = tuple(sorted(folder.name for folder in CORPUS.iterdir()))
PATHS = (HERE.parents[1], HERE, HERE.parent / "capture")
LONGEST_INPUT = 8_000
"""Octets; what larger inputs cost is the matter of `traps`."""
MOST_SECONDS = 1.0
"""Of processor time for one input, with the instruments that count coverage."""
MOST_MEMORY = 600
"""MiB of the whole process."""
PATIENCE = 20
"""Seconds after which an input is taken to hang."""

_TOLD = ("pulse", "INITED", "DONE", "stat::", "ERROR", "Error: ", "SlowInput", "artifact_prefix")


class SlowInput(Exception):
    """One input took more processor time than it may."""


def main(words: list[str]) -> int:
    """Exit code: 0 without a finding, 1 with one, 4 for words that make no sense."""
    if not words or not words[0].isdecimal() or not set(words[1:]) <= set(TARGETS):
        _say(f"bench fuzz SECONDS [TARGET...]; targets: {', '.join(TARGETS)}")
        return 4
    broken = [target for target in words[1:] or TARGETS if not _fuzzed(target, int(words[0]))]
    for target in broken:
        for path in _found(target) or [_log(target)]:
            _say(f"finding: {target}: {os.path.relpath(path)}")
    return 1 if broken else 0


def _fuzzed(target: str, seconds: int) -> bool:
    """Whether that many seconds went by without a finding."""
    _say(f"==> {target}, {seconds} s")
    FINDINGS.mkdir(exist_ok=True)
    command = [sys.executable, str(Path(__file__)), "--child", target, str(seconds)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    with (
        _log(target).open("w") as log,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as child,
    ):
        assert child.stdout is not None
        for line in child.stdout:
            log.write(line)
            if any(word in line for word in _TOLD):
                _say(f"    {line.rstrip()[:200]}")
    return child.returncode == 0


def _found(target: str) -> list[Path]:
    return sorted(path for path in (FINDINGS / target).glob("*") if path.is_file())


def _log(target: str) -> Path:
    return FINDINGS / f"{target}.log"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _child(target: str, seconds: str) -> None:
    import atheris  # type: ignore[import-untyped] # installed for fuzzing alone

    with atheris.instrument_imports(include=["hil"]):
        module = importlib.import_module(f"targets.{target}")
    grown = FINDINGS / target / "corpus"
    grown.mkdir(parents=True, exist_ok=True)

    def one(data: bytes) -> None:
        start = time.process_time()
        module.run(data)
        if time.process_time() - start > MOST_SECONDS:
            raise SlowInput(f"more than {MOST_SECONDS} s")

    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": PATIENCE,
        "rss_limit_mb": MOST_MEMORY,
        "artifact_prefix": f"{FINDINGS / target}/",
        "print_final_stats": 1,
    }
    # What was found before comes again until it is put right.
    folders = (grown, CORPUS / target, FINDINGS / target)
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), *map(str, folders)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
