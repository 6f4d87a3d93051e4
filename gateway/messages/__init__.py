"""Messages: the channels by which people are told, reached through a registry."""
