"""Writes the next step of the tables' history from the difference between tables.py and the steps so far.

usage: python tools/write_migration.py "what changes"     then read and correct what it wrote
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

from qingting.storage.database import Database
from qingting.storage.upgrading import MIGRATIONS


def main(message: str) -> None:
    """Upgrade an empty database by the steps so far, and compare."""
    steps = len(list((MIGRATIONS / "versions").glob("[0-9]*.py")))
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{Path(folder) / 'empty.sqlite'}")
        with database.write() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=f"{steps + 1:04d}")
        database.close()
    written = sorted(str(path) for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    subprocess.run(["ruff", "check", "--fix", "--quiet", *written], check=False)
    subprocess.run(["ruff", "format", "--quiet", *written], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
