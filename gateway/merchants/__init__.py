"""The shops the gateway orders at: an adapter for each kind of shop, reached by name. See README.md."""

from gateway.merchants.context import MerchantContext
from gateway.merchants.registry import InstalledMerchants, MerchantMisconfigured, UnknownMerchant

__all__ = ["InstalledMerchants", "MerchantContext", "MerchantMisconfigured", "UnknownMerchant"]
