"""Whether a PostgreSQL server is one on which nothing that was committed is lost and every text can be kept."""

from sqlalchemy import Engine, text

OLDEST_VERSION = 130_000
"""PostgreSQL 13; what is older has no more care from its makers."""


def unfit(engine: Engine) -> list[str]:
    """Return what is wrong with the server and the database on it, a sentence each; nothing for SQLite."""
    if engine.dialect.name == "sqlite":
        return []
    names = ("server_version_num", "server_encoding", "fsync", "full_page_writes")
    with engine.connect() as connection:
        version, encoding, fsync, pages = (
            connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one() for name in names
        )
    wrong = []
    if int(version) < OLDEST_VERSION:
        wrong.append(f"PostgreSQL {int(version) // 10_000} is too old; 13 is the oldest that will do")
    if encoding != "UTF8":
        wrong.append(f"its encoding is {encoding}; create the database with ENCODING 'UTF8'")
    if "off" in {fsync, pages}:
        wrong.append("the server runs with fsync or full_page_writes off: a power cut would lose what was paid")
    return wrong
