"""What can go wrong with sealed secrets.

VaultError
"""


class VaultError(Exception):
    """A secret cannot be sealed or opened; the message says why and what to do."""
