"""How a chart reaches the page: its numbers as JSON for the script, and a sketch that stands where no script runs."""

import dataclasses
import json
from dataclasses import dataclass

from markupsafe import Markup

from gateway.web.views.levels import Chart

WIDE, HIGH = 600.0, 240.0
BACK_S, AHEAD_S = 14 * 86400, 21 * 86400


@dataclass(frozen=True, slots=True)
class Sketch:
    """SVG paths on a canvas of 600 by 240; `reorder_y` is None without a reorder point."""

    history: str
    likely: str
    band: str
    reorder_y: float | None
    now_x: float


def chart_json(chart: Chart) -> Markup:
    """Return the chart as JSON fit for an attribute in single quotes."""
    text = json.dumps(dataclasses.asdict(chart), separators=(",", ":"), default=str)
    rounded = json.loads(text, parse_float=lambda figure: round(float(figure), 3))
    safe = json.dumps(rounded, separators=(",", ":"))
    return Markup(safe.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;"))  # noqa: S704 — escaped here


def sketch(chart: Chart) -> Sketch:
    """Draw two weeks back and three ahead as paths."""
    now_s = chart.x[chart.now_index]
    first_s, last_s = max(chart.x[0], now_s - BACK_S), min(chart.x[-1], now_s + AHEAD_S)
    span = max(last_s - first_s, 1)

    def across(at_s: int) -> float:
        return WIDE * (at_s - first_s) / span

    def points(values: tuple[float | None, ...]) -> list[str]:
        return [
            f"{across(at_s):.1f},{HIGH * (1 - value / chart.top):.1f}"
            for at_s, value in zip(chart.x, values, strict=True)
            if value is not None and first_s <= at_s <= last_s
        ]

    return Sketch(
        history=" ".join(points(chart.history)),
        likely=" ".join(points(chart.likely)),
        band=" ".join([*points(chart.high), *reversed(points(chart.low))]),
        reorder_y=None if chart.reorder is None else HIGH * (1 - chart.reorder / chart.top),
        now_x=across(now_s),
    )
