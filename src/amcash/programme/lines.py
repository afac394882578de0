"""Where in a TOML text a table or a key stands: tomllib gives lines only for syntax errors, and people need them."""

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Keys, and the indices (from 0) of tables written `[[so]]`."""

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'|#[^\n]*|[^\"'#\n\[\]{}]+|.",
    re.DOTALL,
)
_KEY_PART = re.compile(r'"((?:\\.|[^"\\])*)"|' + r"'([^']*)'|([A-Za-z0-9_-]+)")
_KEY = re.compile(rf"(?:{_KEY_PART.pattern})(?:\s*\.\s*(?:{_KEY_PART.pattern}))*")


def find_lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) of each table and key of a valid TOML text; what stands inline is not looked into."""
    found: dict[Path, int] = {}
    tables_so_far: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        key = _KEY.search(statement)
        if key is None:
            continue
        parts = tuple(_name(*groups) for groups in _KEY_PART.findall(key[0]))
        if not statement.startswith("["):
            path = table + parts
        else:
            path = _resolve(parts, tables_so_far)
            if statement.startswith("[["):
                tables_so_far[path] = tables_so_far.get(path, -1) + 1
                found.setdefault(path, line)
                path = (*path, tables_so_far[path])
            table = path
        for end in range(1, len(path) + 1):  # a dotted key opens the tables on its way
            found.setdefault(path[:end], line)
    return found


def _name(quoted: str, literal: str, bare: str) -> str:
    if "\\" in quoted:
        return str(tomllib.loads(f'key = "{quoted}"')["key"])
    return quoted or literal or bare


def _resolve(parts: tuple[str, ...], tables_so_far: dict[Path, int]) -> Path:
    path: Path = ()
    for part in parts[:-1]:
        path = (*path, part)
        if path in tables_so_far:
            path = (*path, tables_so_far[path])
    return (*path, parts[-1])


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Give each statement that is not blank with the line it begins in: a line, or as many as its brackets span."""
    line = begun = 1
    depth = 0
    pieces: list[str] = []
    for match in _PIECE.finditer(text + "\n"):
        piece = match[0]
        if piece == "\n" and depth == 0:
            if statement := "".join(pieces).strip():
                yield begun, statement
            pieces.clear()
            begun = line + 1
        elif not piece.startswith("#"):
            pieces.append(piece)
            depth += (piece in "[{") - (piece in "]}")
        line += piece.count("\n")
