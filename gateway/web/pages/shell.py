"""What makes the pages an app: the manifest, the service worker with its offline page."""

import hashlib

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from gateway.web.pages.rendering import answer, asset, render

router = APIRouter()


@router.get("/manifest.webmanifest")
def manifest() -> Response:
    """How the app is called and drawn on a phone's first screen."""
    described = {
        "name": "Replenish",
        "short_name": "Replenish",
        "id": "/",
        "start_url": "/",
        "display": "standalone",
        "background_color": "#f1f6f4",
        "theme_color": "#f1f6f4",
        "icons": [{"src": asset("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    return JSONResponse(described, media_type="application/manifest+json")


@router.get("/sw.js")
def service_worker() -> Response:
    """The offline shell's worker; it changes when what it keeps changes."""
    version = hashlib.sha256(f"{asset('app.css')}{asset('icon.svg')}".encode()).hexdigest()[:8]
    text = render("sw.js", {"shell_version": version})
    return Response(text, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


@router.get("/offline")
def offline(request: Request) -> Response:
    """What is shown while the gateway cannot be reached."""
    return answer(request, "offline.html", {})
