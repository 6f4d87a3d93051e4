"""Templates to answers: one Jinja environment for all pages, strict about names it does not know."""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.web.pages.charts import chart_json, sketch
from gateway.web.pages.forms import amount_pattern
from gateway.web.theme import theme_of
from gateway.web.wording import exactly, money, unit_name

HERE = Path(__file__).resolve().parent.parent
STATIC = HERE / "static"
SPRITE = "/static/vendor/icons.svg"


@cache
def _drawings() -> frozenset[str]:
    return frozenset(re.findall(r'<symbol[^>]* id="([^"]+)"', (STATIC / "vendor" / "icons.svg").read_text("utf-8")))


def icon(name: str, cls: str = "") -> Markup:
    """Return one drawing of the sprite; it says nothing by itself, so words stand beside it.

    What a device or a maker named that is not among the drawings gets a parcel.
    """
    name = name if name in _drawings() else "package"
    drawing = '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>'
    return Markup(drawing).format(cls, SPRITE, name)  # noqa: S704 — a constant; format escapes what goes in


@cache
def asset(name: str) -> str:
    """Return the address of one of our own files, with what it holds in it: a browser may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


@cache
def environment() -> Environment:
    """Return the templates, ready to render."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(icon=icon, asset=asset, sketch=sketch, chart_json=chart_json)
    env.globals.update(amount_pattern=amount_pattern, exactly=exactly, money=money, unit_name=unit_name)
    return env


def render(name: str, context: Mapping[str, Any]) -> str:
    """Return a template's text."""
    return environment().get_template(name).render(context)


def came_from(request: Request) -> str:
    """Return the page of ours that led here, else the first one: where an error leads back to."""
    path = request.headers.get("referer", "").removeprefix(str(request.base_url).rstrip("/"))
    leads_on = path.startswith("/") and not path.startswith("//") and path.partition("?")[0] != request.url.path
    return path if leads_on else "/"


def answer(
    request: Request,
    name: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a rendered page; what a household sees is never kept by a cache."""
    text = render(name, {"theme": theme_of(request), "came_from": came_from(request), **context})
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store", "Vary": "HX-Request", **(headers or {})})


def is_partial(request: Request) -> bool:
    """Whether htmx asks for a part of the page; without script the same form gets a redirect."""
    return request.headers.get("hx-request") == "true"
