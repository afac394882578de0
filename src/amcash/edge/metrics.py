"""What the service counts and measures, in Prometheus' terms: the only home of metric names."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from amcash.domain.codes import TABLE, Code, Endpoint

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
NO_TOKEN = "none"  # noqa: S105 -- the label for an answer without a response code, as the library's table says it


class Metrics:
    """The counters of one process."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
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
        self._waiting = Gauge("amcash_queue_commands", "Commands that wait.", ["lane"], registry=self._registry)
        self._by_answer = {
            (endpoint, code): self._requests.labels(endpoint, code)
            for endpoint in Endpoint
            for code in (*Code, NO_TOKEN)
        }
        self._by_endpoint = {endpoint: self._latency.labels(endpoint) for endpoint in Endpoint}

    def answered(self, endpoint: Endpoint, code: Code | None, *, replayed: bool, seconds: float) -> None:
        """Count one answer; `code` is None where there was no valid token."""
        self._by_answer[endpoint, code or NO_TOKEN].inc()
        self._by_endpoint[endpoint].observe(seconds)
        if replayed:
            self._replays.labels(endpoint).inc()
        elif code is None:
            self._refusals.labels(endpoint, "R-ORDER-1").inc()
        elif code not in {Code.APPROVED, Code.APPROVED_SUPPRESSED}:
            self._refusals.labels(endpoint, TABLE[code].rule).inc()

    def token(self, result: str) -> None:
        """Count one answer of the token endpoint: `issued`, or the OAuth error."""
        self._tokens.labels(result).inc()

    def watch_queue(self, lane: str, waiting: Callable[[], int]) -> None:
        """Read how many commands wait in a lane whenever somebody looks."""
        self._waiting.labels(lane).set_function(waiting)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
