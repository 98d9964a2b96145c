"""Where the store is: an address as settings give it, as a person may read it, and what to do when it fails."""

from __future__ import annotations

import os
import re
from pathlib import Path

import sqlalchemy as sa
from platformdirs import user_data_path
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

REMEDIES = {
    "not a database": "The file is damaged or is something else: move it away, and a new store is made.",
    "malformed": "The file is damaged: move it away, and a new store is made in its place.",
    "database is locked": "Another program holds it for too long: close what else has it open, then try again.",
    "file is gone": "It was deleted or moved away: put it back, or start the program again with a new store.",
    "readonly": "It cannot be written: check the permissions of the file and its folder.",
    "unable to open": "It cannot be opened: check that the folder exists and may be written.",
    "disk is full": "The disk is full: free some space, or delete old runs.",
    "No space left": "The disk is full: free some space, or delete old runs.",
    "lock timeout": "Another program holds it for too long; try again in a moment.",
    "password authentication": "Check the user and the password in LSTM_LAB_DATABASE.",
    "permission denied": "The user of LSTM_LAB_DATABASE must own the database, or may at least create tables in it.",
    "too many clients": "The database has no connection to spare: raise its max_connections, or start fewer servers.",
    "FATAL:  database": "Make the database first, for instance with createdb, or correct LSTM_LAB_DATABASE.",
}


def database_url(url: str | None = None) -> str:
    """The database to use: `url` (or a path), else LSTM_LAB_DATABASE, else a file in the user's data folder."""
    url = url or os.environ.get("LSTM_LAB_DATABASE")
    if url and "://" in url:
        # The names that other programs have for it; ours comes with its driver.
        return re.sub(r"^(postgres|postgresql)://", "postgresql+psycopg://", url)
    path = Path(url) if url else user_data_path("lstm-lab") / "runs.sqlite3"
    return f"sqlite:///{path.expanduser().absolute()}"


def place(url: str) -> str:
    """The database as a person may read it: the file, or the address without its password."""
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError):
        return re.sub(r"//[^/]*@", "//***@", url.partition("?")[0])
    if parsed.get_backend_name() == "sqlite":
        return str(parsed.database)
    # Without its options: a password may be among them too.
    return parsed.set(query={}).render_as_string(hide_password=True)


def is_this_machine(host: str) -> bool:
    """Whether the name of a host, or its number, always means the machine that asks."""
    return host in ("", "localhost", "::1") or host.startswith("127.")


def only_here(url: str) -> bool:
    """Whether only this machine finds the database at this address: a file, or a server by a name of its own."""
    parsed = sa.make_url(url)
    return is_this_machine(str(parsed.host or parsed.query.get("host", "")))


def explain(error: Exception, url: str) -> str:
    """What is wrong with the database, and what would help."""
    try:
        sa.make_url(url)
    except (SQLAlchemyError, ValueError):
        return f"{place(url)!r} is no database address: set LSTM_LAB_DATABASE to a file or to postgresql+psycopg://…"
    cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    if isinstance(error, NoSuchModuleError | ImportError):
        what = f"No driver for {place(url)} is installed: {cause}."
        return f"{what} Install the extra with `pip install lstm-lab[cluster]`."
    remedy = next((words for sign, words in REMEDIES.items() if sign in cause), None)
    return f"The run store {place(url)} cannot be used ({cause.strip()}). " + (
        remedy or "Check LSTM_LAB_DATABASE and that the database is up."
    )
