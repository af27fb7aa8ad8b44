"""`index.html` of a run: a folder that can be copied anywhere and read with no network.

The page runs one script, known to its Content-Security-Policy by hash; only what that script loads
(plotly, beside the page) may run besides. So text from the wire stays text even if escaping failed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hil.judge.verdict import Verdict
from hil.report import values
from hil.report.files import write_whole
from hil.report.record import InCapture, Record, Where
from hil.report.timeline import figure
from hil.report.verdicts import LETTERS, WORST_FIRST
from hil.report.view import View, needs_eyes, worst_findings

PAGE = "index.html"
PLOTLY = "plotly.min.js"

_MEANINGS = {
    Verdict.DEVIATES: "the phone is wrong",
    Verdict.BENCH_FAULT: "switch, CA, server or PC failed",
    Verdict.INCONCLUSIVE: "evidence missing or cut",
    Verdict.CHARACTERISED: "no document says; recorded",
    Verdict.CONFORMS: "as the documents say",
    Verdict.NOT_APPLICABLE: "cannot be shown here",
}


class Link(NamedTuple):
    """A file as the page names it; `href` is None where it is not on disk, so that no link leads nowhere."""

    name: str
    path: str
    href: str | None


def render(run_dir: Path) -> Path:
    """Write `index.html` (and, once, plotly beside it) into `run_dir` from its record; Misuse where that is broken."""
    record = Record.load(run_dir)
    page = _environment(_linker(run_dir, record.run.replay_of)).get_template(PAGE + ".j2").render(**_context(record))
    if any(boot.timeline for sitting in record.sittings for boot in sitting.boots):
        _provide_plotly(run_dir)
    return write_whole(run_dir / PAGE, page.encode("utf-8"))


def _context(record: Record) -> dict[str, object]:
    return {"view": View(record), "record": record, "run": record.run, "meanings": _MEANINGS, "verdicts": WORST_FIRST}


def _environment(link: Callable[[str], Link]) -> Environment:
    environment = Environment(
        loader=PackageLoader("hil.report"),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (_source(name) for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {"style": style, "script": script, "script_hash": f"sha256-{digest}", "letters": LETTERS}
    environment.globals |= {"link": link, "proof": partial(_proof, link), "figure": figure}
    environment.globals |= {"needs_eyes": needs_eyes, "worst_findings": worst_findings}
    environment.filters |= {"show": values.show, "span": values.span}
    environment.filters |= {"clock": values.clock_time, "kind": lambda verdict: Verdict(verdict).value.replace(" ", "-")}
    return environment


def _visible(value: object) -> object:
    """Every text on its way into the page: characters that hide or turn text are escaped, its lines stay lines."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(values.printable(line) for line in value.splitlines())


def _source(name: str) -> Markup:
    """A style sheet or script of ours, which goes into the page as it is."""
    return Markup((resources.files("hil.report") / "templates" / name).read_text("utf-8"))


def _linker(run_dir: Path, replay_of: str | None) -> Callable[[str], Link]:
    """Links to files of the run; a replay has its evidence in the run that it judged again, beside it."""

    @cache
    def link(path: str) -> Link:
        name = path.rsplit("/", 1)[-1]
        if (run_dir / path).is_file():
            return Link(name, path, quote(path))
        if replay_of is not None and (run_dir.parent / replay_of / path).is_file():
            return Link(name, path, quote(f"../{replay_of}/{path}"))
        return Link(name, path, None)

    return link


def _proof(link: Callable[[str], Link], where: Where) -> tuple[Link, str, str]:
    """Link, place in the file, and how to look at it."""
    if isinstance(where, InCapture):
        return link(where.file), f"frame {where.frame}", f"tshark -r {where.file} -Y frame.number=={where.frame} -V"
    return link(where.file), f"line {where.line}", f"sed -n {where.line}p {where.file}"


def _provide_plotly(run_dir: Path) -> None:
    from plotly.offline import get_plotlyjs  # slow to import, and most uses of this module do not draw

    source = get_plotlyjs().encode("utf-8")
    target = run_dir / PLOTLY
    if not target.is_file() or target.stat().st_size != len(source):
        write_whole(target, source)
