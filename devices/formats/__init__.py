"""The formats devices speak, one file each: bytes ↔ readings."""
