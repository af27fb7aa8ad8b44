"""The CAs of a bench, each with one root for all its runs: a phone that trusts only an earlier root is stranded by a new one."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from hil.clock import Clock
from hil.errors import Misuse
from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority
from hil.scep.personas import Persona

FORESIGHT = timedelta(days=365)
"""How long before a root is over runs begin to say so: long enough to bring every phone a new one."""

RESTORE = "put back the bench's CA from its backup (docs/network.md); a new one strands phones that trust only this one"
RENEW = "make a new CA and bring it to the phones over plain HTTP, as docs/network.md has it"


def standing_authority(folder: Path, clock: Clock, who: Persona | None = None) -> Authority:
    """The bench's own CA, or that of a persona, the same in every run; made at the first.

    `Misuse` where what stands in `folder` cannot serve: unreadable, open to others, no pair, or over.
    """
    if not folder.exists():
        _make(folder, clock, who)
    for key in folder.glob("*.key"):
        if key.stat().st_mode & 0o077:
            raise Misuse("others may read this private key", file=key, remedy=f"chmod 600 {key}")
    try:
        authority = Authority.load(folder)
    except Misuse as unread:
        raise Misuse(unread.problem, file=unread.file, remedy=RESTORE) from unread
    if public_key_der(authority.key) != authority.certificate.public_key_der:
        raise Misuse("key and certificate do not belong together", file=folder, remedy=RESTORE)
    if clock.now() >= authority.certificate.not_after:
        over = f"the bench's CA is over since {authority.certificate.not_after:%Y-%m-%d}"
        raise Misuse(over, file=folder, remedy=RENEW)
    return authority


def soon_over(authority: Authority, now: datetime) -> str | None:
    """What to warn of where the root is over within a year, else None."""
    end = authority.certificate.not_after
    if end - now > FORESIGHT:
        return None
    return f"the bench's CA is over on {end:%Y-%m-%d}, in {(end - now).days} days: {RENEW}"


def _make(folder: Path, clock: Clock, who: Persona | None) -> None:
    """Make a CA; whoever looks meanwhile, or after a crash, finds all of it or none."""
    made = who.authority(f"J100 bench CA as {who.name}", clock) if who else Authority.create("J100 bench CA", clock)
    draft = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    made.save(draft)
    draft.rename(folder)
