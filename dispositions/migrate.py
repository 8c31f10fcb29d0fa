"""Schema migrations: alembic, run from the program, with the scripts that ship inside the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.engine import Engine

from dispositions import schema
from dispositions.errors import SchemaError


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to `revision`. Does nothing when it is there. Raises `SchemaError` for one that a newer
    program made."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect().execution_options(writes=True) as connection:
        config.attributes["connection"] = connection
        config.attributes["version_table"] = schema.VERSION_TABLE
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise SchemaError(f"cannot migrate: {error}") from error
