"""What a provider must be able to do before a household may link an account there."""

from gateway.domain.errors import Invalid
from payments.adapter import Capabilities

NEEDED = {
    "partial_capture": "capture a part of what it holds",
    "void": "give a hold back",
    "lookup_by_reference": "say what became of an operation",
}


def require_served(capabilities: Capabilities, currency: str) -> None:
    """Refuse a provider by which the river could not be paid: each parcel is billed as it ships, and unknown looked up.

    One that captures a hold only once is served: what is still due after it is held anew.

    Raises:
        Invalid: it does not do the household's currency, or cannot do what is needed.
    """
    title = capabilities.title
    if capabilities.currencies is not None and currency not in capabilities.currencies:
        raise Invalid("adapter", f"{title} does not do {currency}, the currency of this household")
    missing = [words for name, words in NEEDED.items() if not getattr(capabilities, name)]
    if missing:
        raise Invalid("adapter", f"{title} cannot {', nor '.join(missing)}; this gateway needs that")
