"""The API's description as a page to read and try: Swagger UI from our own files, no CDN, no inline script."""

from fastapi import APIRouter, Response

router = APIRouter()

VENDOR = "/static/vendor"
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replenish API</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{VENDOR}/swagger-ui.css">
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


@router.get("/docs")
def docs_page() -> Response:
    """Return the page."""
    return Response(PAGE, media_type="text/html")


@router.get("/docs/start.js")
def docs_start() -> Response:
    """Return the script that starts it."""
    return Response(START, media_type="text/javascript")
