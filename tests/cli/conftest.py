"""A ledger with a small programme in it, fresh for each test."""

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.operating import PROGRAMME, CommandLine, Ledger


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("AMCASH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loaded")
    (folder / "programme.toml").write_text(PROGRAMME)
    CommandLine().done("load", str(folder / "programme.toml"), "--database", f"sqlite:///{folder / 'amcash.db'}")
    return folder / "amcash.db"


@pytest.fixture
def ledger(loaded, tmp_path):
    return Ledger(Path(shutil.copy(loaded, tmp_path / "ledger.db")))


@pytest.fixture
def amcash(ledger):
    """Run commands against the loaded ledger."""
    return CommandLine({"AMCASH_DATABASE": ledger.url})


@pytest.fixture
def bare():
    """Run commands with nothing but the defaults, in an empty folder."""
    return CommandLine()


@pytest.fixture
def hours_from_now():
    return lambda hours: datetime.now(UTC) + timedelta(hours=hours)


@pytest.fixture
def program():
    """Return the command line's own program, for a real process."""
    return [sys.executable, "-m", "amcash"]
