"""What the service counts and measures, in Prometheus' terms: the only home of metric names."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from amcash.domain.codes import APPROVALS, TABLE, Code, Endpoint

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
NO_TOKEN = "none"  # noqa: S105 -- the label for an answer without a response code, as the library's table says it


_GAUGES: Final = "livesum"
FILE_BYTES = 65_536
"""Of a file of shared values: all series that there can be fit in."""
NOTE_S = 1.0
"""How old the length of a queue may be that another process tells."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Where the processes of one server keep their values, so that each can tell the sum of all.

    Prometheus' library calls it the multiprocess mode. Files are named by the place of a process, not by its id: who
    takes over a place counts on, so that a death costs no count, and nothing piles up.
    """

    folder: Path
    place: int

    def enter(self) -> None:
        """Keep the values of every metric that this process makes from now on in the folder.

        Raises:
            OSError: the folder's disk is full, or the folder was cleared away and somebody else's has its name.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)  # a system may clear its temporary folder while we run
        if self.folder.lstat().st_uid != os.geteuid():
            raise PermissionError(f"{self.folder} is somebody else's")
        for kind in ("counter", "histogram", f"gauge_{_GAUGES}"):
            path = self.folder / f"{kind}_{self.place}.db"
            if not path.exists():
                # Written, not only made long: a disk found full later would end the process by SIGBUS.
                path.with_suffix(".new").write_bytes(bytes(FILE_BYTES))
                path.with_suffix(".new").rename(path)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)
        values.ValueClass = values.MultiProcessValue(lambda: self.place)  # type: ignore[no-untyped-call]

    def forget_queues(self) -> None:
        """In the parent: nothing waits any more in the process that had this place; what it counted stays."""
        mark_process_dead(self.place, str(self.folder))  # type: ignore[no-untyped-call]


class Metrics:
    """The counters of one process; with `shared`, those of all processes of the server.

    A gauge must not be given a function (`set_function`): another process could not call it.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, shared: Shared | None = None) -> None:
        if shared is not None:
            shared.enter()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "amcash_requests",
            "Answers by endpoint and response code.",
            ["endpoint", "code"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "amcash_request_seconds",
            "From the request's headers to the answer handed over.",
            ["endpoint"],
            registry=self._registry,
            buckets=_LATENCY_S,
        )
        self._refusals = Counter(
            "amcash_refusals",
            "Refusals by the rule that decided.",
            ["endpoint", "rule"],
            registry=self._registry,
        )
        self._replays = Counter(
            "amcash_replays", "Retries that got a recorded outcome.", ["endpoint"], registry=self._registry
        )
        self.cancellations = Counter(
            "amcash_cancellations",
            "Redemptions cancelled because their approval was not handed over in time (R-DLV-5).",
            registry=self._registry,
        )
        self._tokens = Counter("amcash_tokens", "Answers of the token endpoint.", ["result"], registry=self._registry)
        self.batch = Histogram(
            "amcash_batch_commands",
            "Commands in one batch.",
            ["lane"],
            registry=self._registry,
            buckets=_BATCH,
        )
        self.commit = Histogram(
            "amcash_commit_seconds",
            "One write transaction, from its begin to its commit.",
            registry=self._registry,
            buckets=_LATENCY_S,
        )
        self._waiting = Gauge(
            "amcash_queue_commands",
            "Commands that wait.",
            ["lane"],
            registry=self._registry,
            multiprocess_mode=_GAUGES,
        )
        self._queues: list[tuple[Gauge, Callable[[], int]]] = []
        self._by_answer = {
            (endpoint, code): self._requests.labels(endpoint, code)
            for endpoint in Endpoint
            for code in (*Code, NO_TOKEN)
        }
        self._by_endpoint = {endpoint: self._latency.labels(endpoint) for endpoint in Endpoint}
        self._told = self._registry
        if shared is not None:
            self._told = CollectorRegistry()
            MultiProcessCollector(self._told, str(shared.folder))  # type: ignore[no-untyped-call]

    def answered(self, endpoint: Endpoint, code: Code | None, *, replayed: bool, seconds: float) -> None:
        """Count one answer; `code` is None where there was no valid token."""
        self._by_answer[endpoint, code or NO_TOKEN].inc()
        self._by_endpoint[endpoint].observe(seconds)
        if replayed:
            self._replays.labels(endpoint).inc()
        elif code is None:
            self._refusals.labels(endpoint, "R-ORDER-1").inc()
        elif code not in APPROVALS:
            self._refusals.labels(endpoint, TABLE[code].rule).inc()

    def token(self, result: str) -> None:
        """Count one answer of the token endpoint: `issued`, or the OAuth error."""
        self._tokens.labels(result).inc()

    def watch_queue(self, lane: str, waiting: Callable[[], int]) -> None:
        """Read how many commands wait in a lane whenever somebody looks."""
        self._queues.append((self._waiting.labels(lane), waiting))

    def note_queues(self) -> None:
        """Write down how many commands wait."""
        for gauge, waiting in self._queues:
            gauge.set(waiting())

    def keep_noting_queues(self) -> None:
        """Write it down now and again, for other processes to tell; call it on the event loop."""
        self.note_queues()
        asyncio.get_running_loop().call_later(NOTE_S, self.keep_noting_queues)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        self.note_queues()
        return generate_latest(self._told)
