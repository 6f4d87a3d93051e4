"""The JSON API under /api/v1: bearer tokens, problem+json, every list paged."""
