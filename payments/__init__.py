"""Moving money through whichever provider the customer uses: what may be asked, what may come back, who owes whom.

Start at adapter.py (the interface), errors.py (what may be done next) and README.md (write an adapter). Import from the
modules: payments.money, payments.adapter, payments.registry, payments.ledger, payments.mandate, payments.errors.
"""

__all__ = ["adapter", "errors", "ledger", "mandate", "money", "registry"]
