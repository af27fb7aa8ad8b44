"""`hil ca`: one of the CAs that the bench plays, by itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.foreground import listening, read_script, serve
from hil.cli.naming import named
from hil.cli.request_options import ChallengeEnv, ChallengeFile, challenge_of
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.reference.store import replace_private
from hil.scep.authority import Authority
from hil.scep.personas import Admission, Persona, persona
from hil.scep.signers import EndEntities
from hil.secret import Secret
from hil.services.events import EventStream
from hil.services.ledger import Ledger
from hil.services.scep import CaDesk, Seat

ONE_TIME_FILE = "one-time-passwords"


def ca(
    name: Annotated[str, typer.Argument(metavar="PERSONA", help="Whose behaviour it shows: one of docs/scep.md.")],
    state: Annotated[Path, typer.Option(metavar="DIR", help="Folder of CA and ledger; made at the first run.")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0 takes a free one.")] = "127.0.0.1:0",
    script: Annotated[
        list[str] | None,
        typer.Option(metavar="ANSWER", help="Answer to the next request for a certificate, such as 'Pend(2)'; repeatable."),
    ] = None,
    challenge_env: ChallengeEnv = None,
    challenge_file: ChallengeFile = None,
    entity: Annotated[list[str] | None, typer.Option(metavar="CN", help="End entity whose status is New; repeatable.")] = None,
    levels: Annotated[int, typer.Option(min=1, max=5, help="CAs in the chain, where the CA is made.")] = 1,
) -> None:
    """Play a CA at whatever path it is asked; Ctrl-C ends it. Without a password whoever asks gets a certificate."""
    with named(persona="PERSONA"):
        who = persona(name)
    answers, clock = read_script(script), ScaledClock()
    admission = _admission(challenge_of(challenge_env, challenge_file), entity or ())
    with listening(listen) as listener:
        authority = _authority(who, state, clock, levels)
        if who.name == "ndes":
            passwords = [admission.one_time.new(clock.now()).reveal() for _ in range(5)]
            replace_private({state / ONE_TIME_FILE: "".join(f"{password}\n" for password in passwords).encode()})
        service = who.service(authority, admission, clock=clock, script=answers)
        events = EventStream(clock)
        with ThreadPoolExecutor(2) as pool, closing(Ledger(state / "ca-ledger.jsonl")) as ledger:
            seat = Seat("ca", 1, CaDesk(who.endpoint(service), pool), events, ledger)
            serve(seat, listener, events, f"{authority.certificate.subject}, a CA as {who.name}")


def _authority(who: Persona, state: Path, clock: ScaledClock, levels: int) -> Authority:
    folder = state / "ca"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not folder.exists():
            who.authority(f"CA {who.name}", clock, levels=levels).save(folder)
        return Authority.load(folder)
    except OSError as error:
        raise Misuse(f"cannot be written ({error})", file=state, key="--state", remedy="name a folder of your own") from error


def _admission(password: Secret | None, entities: Sequence[str]) -> Admission:
    passwords = dict.fromkeys(entities, password) if password is not None else {}
    return Admission(password, EndEntities(entities, passwords))
