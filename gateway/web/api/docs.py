"""The API's description as a page to read and try: Swagger UI from our own files, no CDN, no inline script."""

from fastapi import APIRouter, Request, Response

from gateway.web.theme import theme_of

router = APIRouter()

VENDOR = "/static/vendor"
PAGE = f"""<!doctype html>
<html lang="en" data-theme="THEME">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replenish API</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{VENDOR}/swagger-ui.css">
<script src="/api/docs/theme.js"></script>
</head>
<body>
<main id="swagger-ui"></main>
<script src="{VENDOR}/swagger-ui-bundle.js" defer></script>
<script src="/api/docs/start.js" defer></script>
</body>
</html>
"""
START = """window.addEventListener("DOMContentLoaded", () => SwaggerUIBundle({
  url: "/api/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, persistAuthorization: false,
}));
"""
THEMED = """const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement, chosen = root.dataset.theme;
const follow = () => root.classList.toggle("dark-mode", chosen === "dark" || (chosen === "auto" && dark.matches));
dark.addEventListener("change", follow);
follow();
"""


@router.get("/docs")
def docs_page(request: Request) -> Response:
    """Return the page, light or dark as the pages are."""
    return Response(PAGE.replace("THEME", theme_of(request), 1), media_type="text/html")


@router.get("/docs/theme.js")
def docs_theme() -> Response:
    """Return the script that puts the page in the light before anything is drawn."""
    return Response(THEMED, media_type="text/javascript")


@router.get("/docs/start.js")
def docs_start() -> Response:
    """Return the script that starts it."""
    return Response(START, media_type="text/javascript")
