"""The JSON API under /api/v1: bearer tokens, problem+json, every list paged; described at /api/docs."""

from fastapi import APIRouter, Security

from gateway.web.api import accounts, carts, docs, export, household, money, withdrawals
from gateway.web.identity import bearer

DESCRIPTION = """One household, as its member's token sees it. Instants are ISO 8601 in UTC, amounts integer minor units
with their currency, lists pages of at most 200 (`next` is the following page's `cursor`), errors RFC 9457 problems."""

TAGS = [
    {"name": "household", "description": "Whom the token acts for."},
    {"name": "supplies", "description": "What is left, when it runs out, what is planned."},
    {"name": "policies", "description": "How each supply is kept."},
    {"name": "devices", "description": "The things that report, and what of it could not be counted."},
    {"name": "carts", "description": "What is proposed, and decisions about it."},
    {"name": "orders", "description": "What was ordered, shipped, delivered and seen."},
    {"name": "payments", "description": "What was held, debited and given back, with the chain of reasons."},
    {"name": "ledger", "description": "The household's double-entry book."},
    {"name": "mandates", "description": "Permissions to debit and their limits."},
    {"name": "methods", "description": "Linked accounts."},
]

router = APIRouter()
for part in (household.router, export.router, carts.router, money.router, accounts.router, withdrawals.router):
    router.include_router(part, prefix="/api/v1", dependencies=[Security(bearer)])
router.include_router(docs.router, prefix="/api", include_in_schema=False)

__all__ = ["DESCRIPTION", "TAGS", "router"]
