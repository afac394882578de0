"""All that a sandbox keeps beside the ledger: in memory, by client, gone with the process."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from amcash.domain.commands import OutcomeKey
from amcash.domain.vocabulary import ConfirmationNumber
from amcash.sandbox.clocks import Clocks
from amcash.sandbox.faults import Faults
from amcash.sandbox.journal import Journal
from amcash.sandbox.restoring import Restorer

READY_KEPT_MAX: Final = 10_000


@dataclass(slots=True)
class State:
    """Clocks, faults and journals; and the way to put collectors back."""

    clocks: Clocks
    restorer: Restorer
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Of a request to a magic collector: nobody comes between its state and its decision."""
    _ready: OrderedDict[OutcomeKey, ConfirmationNumber] = field(default_factory=OrderedDict)

    def ready(self, key: OutcomeKey) -> ConfirmationNumber | None:
        """Return what a confirmation number stood for when a request with this key came before: a retry means it."""
        return self._ready.get(key)

    def remember(self, key: OutcomeKey, number: ConfirmationNumber) -> None:
        """Keep it, among the last `READY_KEPT_MAX`."""
        self._ready[key] = number
        if len(self._ready) > READY_KEPT_MAX:
            self._ready.popitem(last=False)

    def forget(self, client: str) -> None:
        """Clear what is a client's own."""
        self.clocks.clear(client)
        self.faults.clear(client)
        self.journal.clear(client)
