"""Moving money through whichever provider the customer uses: what may be asked, what may come back, who owes whom.

Start at adapter.py (the interface), errors.py (what may be done next) and README.md (write an adapter). Import from the
modules by name; nothing is loaded that is not used.
"""

__all__ = ["adapter", "context", "errors", "ledger", "mandate", "money", "registry", "transport"]
