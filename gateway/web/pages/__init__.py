"""The pages: plain forms and links that htmx makes live."""

from fastapi import APIRouter

router = APIRouter()

__all__ = ["router"]
