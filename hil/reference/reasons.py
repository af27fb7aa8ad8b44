"""Why a phone that keeps to the documents decides as it does: one sentence for each decision."""

from __future__ import annotations

from hil.reference.decisions import AskUser, Blocked, Decision, Delete, Enrol, Hold, Idle


def reason(decision: Decision) -> str:
    """What the decision follows from; the sources are those of `hil.reference.decisions`."""
    match decision:
        case Enrol(profile):
            return f"{profile.url} is its server, and it holds no certificate from there"
        case Hold(_, url, expired):
            return f"it holds a certificate from {url}" + (", expired" if expired else "")
        case Delete(_, setting):
            return f"{setting} is 1"
        case Blocked(_, setting):
            return f"nothing may be installed while {setting} is 1"
        case AskUser():
            return "the challenge password is empty, so a person is asked"
        case Idle():
            return "no server is set"
