"""What a merchant adapter is given: all of the world that it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MerchantContext:
    """One shop's account. An adapter is made as `Adapter(context)`.

    `settings` are the adapter's own, as the operator wrote them; `secret` is the shop's, unsealed; `currency` is what
    the account pays in.
    """

    settings: Mapping[str, Any]
    secret: str = field(repr=False)
    currency: str
