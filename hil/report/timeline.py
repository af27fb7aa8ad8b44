"""The picture of a boot: what phone and reference did, second by second since power-on.

A figure is plain plotly JSON. Spans that would cover one another, or one another's label, are put
on rows of their own below each other, so that every label can be read.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hil.report.record import Boot, Span
from hil.report.values import printable

_PLOT_PIXELS = 900.0  # width of the plot in a page of 1280 pixels; what a second measures follows from it
_LETTER_PIXELS = 6.4
_LEAST_PIXELS = 3.0  # an instant is drawn this wide, or it would not be seen
_ROW_PIXELS = 22
_LONGEST_LABEL = 60
_COLOURS = {"phone": "#1f4e79", "reference": "#6f695c"}
_FONT = {"family": "'Segoe UI', 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif", "size": 12, "color": "#1b1f24"}


@dataclass(frozen=True)
class Bar:
    """A span on the row where it is drawn; rows count from 0 at the top."""

    span: Span
    row: int
    label: str
    length: float
    label_inside: bool


@dataclass(frozen=True)
class Lane:
    """Rows `first` to `last` that belong to one device and slot."""

    name: str
    first: int
    last: int


def lay_out(spans: Sequence[Span]) -> tuple[tuple[Lane, ...], tuple[Bar, ...]]:
    """Lanes from top to bottom (phone above reference, what belongs to no slot first) and the bars in them."""
    pixel = _extent(spans) / _PLOT_PIXELS
    lanes: list[Lane] = []
    bars: list[Bar] = []
    top = 0
    for device in ("phone", "reference"):
        for slot in sorted({span.slot for span in spans if span.lane == device}, key=lambda slot: slot or 0):
            inside = [span for span in spans if span.lane == device and span.slot == slot]
            packed = _pack(sorted(inside, key=lambda span: (span.begin, span.end)), top, pixel)
            bars += packed
            last = max(bar.row for bar in packed)
            lanes.append(Lane(f"{device}, slot {slot}" if slot else device, top, last))
            top = last + 1
    return tuple(lanes), tuple(bars)


def _extent(spans: Sequence[Span]) -> float:
    return max(1.0, max(span.end for span in spans) - min(0.0, min(span.begin for span in spans)))


def _pack(spans: Sequence[Span], top: int, pixel: float) -> list[Bar]:
    free_from: list[float] = []
    bars = []
    for span in spans:
        label = _label(span)
        length = max(span.end - span.begin, _LEAST_PIXELS * pixel)
        needed = (len(label) * _LETTER_PIXELS + 10) * pixel
        inside = needed <= length
        row = next((index for index, free in enumerate(free_from) if free <= span.begin), len(free_from))
        free_from[row : row + 1] = [span.begin + length + (0 if inside else needed) + 4 * pixel]
        bars.append(Bar(span, top + row, label, length, inside))
    return bars


def _label(span: Span) -> str:
    text = printable(span.label)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def figure(boot: Boot) -> dict[str, Any] | None:
    """Plotly's `data` and `layout` for a boot's timeline, or None where nothing was seen."""
    if not boot.timeline:
        return None
    lanes, bars = lay_out(boot.timeline)
    return {"data": [_trace(device, bars) for device in _COLOURS], "layout": _layout(lanes, bars)}


def _trace(device: str, bars: Sequence[Bar]) -> dict[str, Any]:
    mine = [bar for bar in bars if bar.span.lane == device]
    return {
        "type": "bar",
        "orientation": "h",
        "name": device,
        "y": [bar.row for bar in mine],
        "base": [bar.span.begin for bar in mine],
        "x": [bar.length for bar in mine],
        "width": 0.62,
        "marker": {"color": _COLOURS[device]},
        # plotly reads tags in a text: what came over the wire goes in escaped, and is shown as it was
        "text": [html.escape(bar.label) for bar in mine],
        "textposition": ["inside" if bar.label_inside else "outside" for bar in mine],
        "insidetextanchor": "start",
        "insidetextfont": {"color": "#ffffff"},
        "textangle": 0,
        "constraintext": "none",
        "cliponaxis": False,
        "customdata": [[html.escape(printable(bar.span.label)), _when(bar.span)] for bar in mine],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra>" + device + "</extra>",
    }


def _when(span: Span) -> str:
    times = f"{span.begin:.2f} s" if span.begin == span.end else f"{span.begin:.2f} to {span.end:.2f} s"
    return times if span.frame is None else f"{times}, frame {span.frame}"


def _layout(lanes: Sequence[Lane], bars: Sequence[Bar]) -> dict[str, Any]:
    rows = lanes[-1].last + 1
    pixel = _extent([bar.span for bar in bars]) / _PLOT_PIXELS
    left = min(0.0, min(bar.span.begin for bar in bars))
    right = max(
        bar.span.begin + bar.length + (0.0 if bar.label_inside else len(bar.label) * _LETTER_PIXELS * pixel) for bar in bars
    )
    return {
        "height": rows * _ROW_PIXELS + 64,
        "margin": {"l": 120, "r": 12, "t": 8, "b": 48},
        "barmode": "overlay",
        "showlegend": False,
        "font": _FONT,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "hoverlabel": {"align": "left"},
        "dragmode": "zoom",
        "xaxis": {
            "title": {"text": "phone seconds since power-on", "standoff": 8, "font": {"size": 12}},
            "range": [left, right + 6 * pixel],
            "gridcolor": "#e8eaed",
            "zeroline": True,
            "zerolinecolor": "#9aa1a9",
        },
        "yaxis": {
            "range": [rows - 0.5, -0.5],
            "fixedrange": True,
            "showgrid": False,
            "ticks": "outside",
            "ticklen": 8,
            "tickcolor": "#ffffff",
            "zeroline": False,
            "tickvals": [(lane.first + lane.last) / 2 for lane in lanes],
            "ticktext": [lane.name for lane in lanes],
        },
        "shapes": [_border(before, after) for before, after in pairwise(lanes)],
    }


def _border(before: Lane, after: Lane) -> dict[str, Any]:
    """The line between two lanes, strong where the reference begins."""
    devices = before.name.split(",")[0], after.name.split(",")[0]
    line = {"color": "#1b1f24", "width": 1.4} if devices[0] != devices[1] else {"color": "#d5d9de", "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": after.first - 0.5, "y1": after.first - 0.5, "line": line}
