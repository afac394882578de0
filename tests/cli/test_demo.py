"""`amcash demo`."""

import re
import subprocess


def test_the_story_fits_into_80_columns_and_nothing_is_cut(program, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    done = subprocess.run([*program, "demo"], capture_output=True, check=True, text=True, encoding="utf-8", timeout=60)
    assert max(map(len, done.stdout.splitlines())) <= 79
    assert "…" not in done.stdout
    assert "sponsor:LOY1:redeemed" in done.stdout
    assert re.search(r"txnConfirmationNumber [0-9]{16}$", done.stdout, re.MULTILINE)
