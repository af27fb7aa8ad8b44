"""The page in a real browser: it is painted, and a timeline is drawn when it is opened and not before."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.report.html import render
from hil.report.record import Record
from hil.report.view import View

Write = Callable[[Record], Path]
Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Runs headless Chromium on a page with the arguments given, and returns what it printed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync"

    def run(url: str, *arguments: str) -> str:
        command = [chromium, *flags.split(), "--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", *arguments, url]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        return done.stdout

    return run


def test_the_page_is_painted(browse: Browse, bad_night: Record, lay_down: Write, tmp_path: Path) -> None:
    picture = tmp_path / "report.png"
    browse(render(lay_down(bad_night)).as_uri(), f"--screenshot={picture}", "--window-size=1280,2000")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert (int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")) == (1280, 2000)
    assert len(content) > 50_000  # an empty page of this size has about 10,000


def test_a_timeline_is_drawn_when_it_is_opened(browse: Browse, bad_night: Record, lay_down: Write) -> None:
    page = render(lay_down(bad_night)).as_uri()
    closed = browse(page, "--dump-dom")
    assert 'class="plot"' in closed
    assert "main-svg" not in closed
    anchor = View(bad_night).sitting_anchors["j179-1", "s02"] + "-boot-2"
    opened = browse(f"{page}#{anchor}", "--virtual-time-budget=20000", "--dump-dom")
    drawn = re.findall(r'<div class="plot[^>]*data-drawn="yes"', opened)
    assert len(drawn) == 1
    for text in ("phone, slot 1", "reference, slot 3", "PKCSReq", "phone seconds since power-on"):
        assert re.search(rf"<text[^>]*>[^<]*{text}", opened), text
