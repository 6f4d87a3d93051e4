"""The pages: plain forms and links that htmx makes live. A handler reads a view or calls a step, and renders."""

from fastapi import APIRouter

from gateway.web.pages import decisions, devices, live, mandates, money, orders, settings, shell, sign_in, supplies
from gateway.web.pages.live import end_streams_when

__all__ = ["end_streams_when", "router"]

router = APIRouter()
for page in (supplies, decisions, orders, devices, money, mandates, settings, sign_in, live, shell):
    router.include_router(page.router)
