"""Merchants: adapters that quote, take and follow orders, reached through a registry."""
