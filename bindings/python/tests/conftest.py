"""A place for a vault, and cards to put into it."""

import json
import pickle
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import panseal

# 15 January 2027, so that no card of the tests runs out.
NOW = 1_800_000_000

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"

# Two SQLite libraries in one process break each other's locks: Python's own gets another process.
SQL = """
import pickle, sqlite3, sys
file, statement, values = pickle.load(sys.stdin.buffer)
cursor = sqlite3.connect(file, isolation_level=None).execute(statement, values)
rows = cursor.fetchall()
pickle.dump((rows, cursor.rowcount), sys.stdout.buffer)
cursor.connection.close()
"""


def random_visa() -> str:
    """A new card number of 16 digits that passes the Luhn check."""
    digits = "4" + "".join(secrets.choice("0123456789") for _ in range(14))
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(digits))
    return digits + str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def read_vectors(file: str) -> list[Any]:
    """The cases of a file of vectors, which every language runs."""
    content = json.loads((VECTORS / f"{file}.json").read_text())
    cases: list[Any] = content if isinstance(content, list) else content["cases"]
    return cases


@dataclass
class Place:
    """A folder with a root key and room for a vault."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "cards.db"

    @property
    def url(self) -> str:
        return f"sqlite:{self.file}"

    @property
    def key(self) -> Path:
        return self.folder / "cards.root"

    @property
    def root(self) -> str:
        return f"file:{self.key}"

    def open(self, **options: Any) -> panseal.Vault:
        return panseal.Vault.open(self.url, **{"root": self.root} | options)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """What somebody reads who has the vault's file and the program `sqlite3`."""
        return self._sql(statement, values)[0]

    def edit(self, statement: str, **values: object) -> None:
        """What somebody changes: one row."""
        assert self._sql(statement, values)[1] == 1

    def _sql(self, statement: str, values: object) -> tuple[list[Any], int]:
        message = pickle.dumps((str(self.file), statement, values))
        done = subprocess.run([sys.executable, "-c", SQL], input=message, capture_output=True, check=True)
        result: tuple[list[Any], int] = pickle.loads(done.stdout)
        return result


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    panseal.create_root_key(place.root)
    return place


@pytest.fixture
def vault(place: Place) -> Iterator[panseal.Vault]:
    with place.open(actor="tests") as vault:
        yield vault
