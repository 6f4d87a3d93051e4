"""What the gateway remembers: SQLModel tables, the unit of work over them, the inbox, sealed secrets, migrations."""
