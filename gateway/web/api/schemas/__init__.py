"""The bodies of the API: pydantic models with an example each."""
