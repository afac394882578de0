"""Newman, the runner of Postman collections, from npm: one version, in a cache folder outside the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VERSION = "6.2.2"
INSTALL_S = 90
RUN_S = 60


def newman():
    """Return the program; skip the test, and say why, where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("newman needs node and npm, which are not here")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "amcash" / f"newman-{VERSION}"
    program = folder / "node_modules" / ".bin" / "newman"
    ready = folder / "ready"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--fetch-retries=0",
            "--prefix",
            str(folder),
        ]
        command.append(f"newman@{VERSION}")
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"newman {VERSION} could not be installed from npm: {error}")
        ready.touch()
    return program


def run_collection(collection, environment, address):
    """Run a whole collection against a server, with its environment; give what newman printed, and its exit code."""
    command = [str(newman()), "run", str(collection), "--environment", str(environment), "--color", "off"]
    return subprocess.run(
        [*command, "--env-var", f"baseUrl={address}"], check=False, capture_output=True, text=True, timeout=RUN_S
    )
