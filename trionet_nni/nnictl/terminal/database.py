"""Whether NNI can go on with an experiment: its database is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from trionet_nni.errors import InputError
from trionet_nni.experiment.folder import ExperimentFolder

_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


def check_database(folder: ExperimentFolder) -> None:
    """Refuse a database that NNI's manager would die of, or find empty, after minutes of attempts.

    Raises:
        InputError: it is damaged or gone; how its results are taken all the same.
    """
    path = folder.root / "db" / "nni.sqlite"
    found = _damage(f"{path.resolve().as_uri()}?mode=ro") if path.exists() else "nothing"
    if found:
        kept = f"all results are kept, and a new experiment takes them: --from {folder.root.name}"
        raise InputError(f"{path}: found {found}, allowed: NNI's database; {kept}")


def _damage(address: str) -> str | None:
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as base:
            told = base.execute("pragma quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        damaged = getattr(error, "sqlite_errorcode", 0) in _DAMAGED  # what else is wrong is NNI's to say
        return f"a damaged one ({error})" if damaged else None
    return None if told is None or told[0] == "ok" else f"a damaged one ({told[0]})"
