"""The web application: pages for people, the API for programs, a door for notices. Made from its services."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from gateway.web import api, notices, pages, problems
from gateway.web.api.schemas.common import PROBLEM_SCHEMA
from gateway.web.identity import Gate
from gateway.web.pages.errors import error_page
from gateway.web.security import Guard
from gateway.web.services import WebServices

STATIC = Path(__file__).parent / "static"
COMPRESS_FROM_BYTES = 500
FOR_EVER = "public, max-age=31536000, immutable"
FOR_AN_HOUR = "public, max-age=3600"
API_VERSION = "1"


def create_app(services: WebServices) -> FastAPI:
    """Return the application that serves these services."""
    app = FastAPI(
        title="Replenish",
        version=API_VERSION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    app.state.gate = Gate()
    # The last added is the first to see a request: the guard also puts its headers on what is compressed.
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESS_FROM_BYTES)
    app.add_middleware(Guard, base_url=services.base_url, secure=services.secure_cookies)
    problems.install(app, error_page)
    app.include_router(api.router)
    app.include_router(notices.router)
    app.include_router(pages.router, include_in_schema=False)
    app.add_api_route("/healthz", healthz, include_in_schema=False)
    app.add_api_route("/readyz", readyz, include_in_schema=False)
    app.mount("/static", Assets(directory=STATIC), name="static")
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def healthz() -> JSONResponse:
    """Say that the process answers."""
    return JSONResponse({"status": "alive"})


def readyz(request: Request) -> JSONResponse:
    """Say whether everything the gateway needs is there; 503 with the reasons when it is not."""
    services: WebServices = request.app.state.services
    reasons = services.not_ready()
    if reasons:
        return JSONResponse({"status": "waiting", "reasons": list(reasons)}, 503)
    return JSONResponse({"status": "ready"})


class Assets(StaticFiles):
    """Files of ours: kept for ever under an address that names their content (?v=), else asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return one file with how long it may be kept."""
        response = await super().get_response(path, scope)
        versioned = "v" in parse_qs(scope["query_string"].decode("latin-1"))
        response.headers["Cache-Control"] = FOR_EVER if versioned else FOR_AN_HOUR
        return response


def _operation_id(route: APIRoute) -> str:
    return route.name


def _describe(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        described = get_openapi(
            title="Replenish API",
            version=API_VERSION,
            summary="Supplies, forecasts, carts, orders and payments of one household.",
            description=api.DESCRIPTION,
            routes=app.routes,
            tags=api.TAGS,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        )
        described["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        app.openapi_schema = described
    return app.openapi_schema
