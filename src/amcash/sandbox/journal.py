"""The journal: every request of a client with its answer and why, newest first. The only home of what an entry says."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

ENTRIES_MAX: Final = 500
"""Of one client; a request and its answer are below 40 KiB, mostly 2."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Entries that were asked for."""

    entries: list[Json]
    more: bool
    """Older ones match too."""


class Journal:
    """The entries of all clients, in memory."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._entries: dict[str, deque[Json]] = {}

    def add(self, client: str, entry: Json) -> int:
        """Write one entry down, and return the id that it gets: it rises, whoever the client is."""
        number = next(self._ids)
        entries = self._entries.setdefault(client, deque(maxlen=ENTRIES_MAX))
        entries.appendleft({"id": number, **entry})
        return number

    def newest(self, client: str) -> int:
        """Return the newest id of a client, 0 where there is none."""
        entries = self._entries.get(client)
        return int(entries[0]["id"]) if entries else 0

    def read(self, client: str, wanted: Mapping[str, str], *, after: int, before: int | None, limit: int) -> Page:
        """Return a client's entries, newest first.

        Args:
            client: whose.
            wanted: members of an entry, and the value that each must have.
            after: only entries with a greater id.
            before: only entries with a smaller id; None for all.
            limit: the most to return.
        """
        found: list[Json] = []
        for entry in self._matching(client, wanted, after, before):
            if len(found) == limit:
                return Page(found, more=True)
            found.append(entry)
        return Page(found, more=False)

    def _matching(self, client: str, wanted: Mapping[str, str], after: int, before: int | None) -> Iterator[Json]:
        for entry in self._entries.get(client, ()):
            if entry["id"] <= after:
                return
            if (before is None or entry["id"] < before) and all(entry[name] == wanted[name] for name in wanted):
                yield entry

    def clear(self, client: str) -> int:
        """Empty a client's journal; return how many entries it had."""
        return len(self._entries.pop(client, ()))
