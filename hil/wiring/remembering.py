"""What phones last said of themselves to the bench's file server, kept with the bench until they say it again."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from hil.bench.state import make_private, replace_whole
from hil.bench.testbed import Phone
from hil.errors import LabFault
from hil.wiring.sayings import Said, by_http

_FOLDER = "agents"


def remember(state: Path, phone: Phone, user_agent: str, at: datetime) -> None:
    """Keep the User-Agent of a phone's file request; `state` is the bench's folder."""
    file = make_private(state / _FOLDER) / f"{phone.name}.json"
    try:
        replace_whole(file, json.dumps({"mac": phone.mac, "user_agent": user_agent, "at": at.isoformat(timespec="seconds")}))
    except OSError as error:
        problem = "what the phone says of itself cannot be kept"
        raise LabFault(problem, phone=phone.name, tried=f"write {file}", seen=str(error)) from error


def remembered(state: Path, phone: Phone) -> Said | None:
    """What that phone said when it last asked for a file of a run; None where it never did, or not as a J100.

    What was said while the testbed gave this name to another MAC is another phone's.
    """
    file = state / _FOLDER / f"{phone.name}.json"
    try:
        kept = json.loads(file.read_bytes())
        mac, user_agent, at = kept["mac"], str(kept["user_agent"]), kept["at"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabFault(
            "what the phone last said of itself cannot be read; remove the file, the next run writes it anew",
            phone=phone.name,
            tried=f"read {file}",
            seen=f"{type(error).__name__}: {error}",
        ) from error
    return by_http(user_agent, f"file request of {at}") if mac == phone.mac else None
