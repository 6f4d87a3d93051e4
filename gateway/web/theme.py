"""The theme a browser asked for, kept in its cookie."""

from starlette.requests import Request

THEMES = ("light", "auto", "dark")


def theme_of(request: Request) -> str:
    """Return light, dark, or auto: as the device has it."""
    chosen = request.cookies.get("theme", "auto")
    return chosen if chosen in THEMES else "auto"
