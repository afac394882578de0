"""Every setting and limit of the service, named, its unit last; read once from options and the environment.

This file alone knows the `AMCASH_…` names and the defaults (surface.md).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class SettingsError(ValueError):
    """A value that cannot be used; the message names the setting."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. `AMCASH_` and the name in capitals is each one's environment variable."""

    database: str = "sqlite:///amcash.db"
    host: str = "127.0.0.1"
    port: int = field(default=8080, metadata={"least": 0, "most": 65_535})
    workers: int = field(default=1, metadata={"least": 1, "most": 64})
    sandbox: bool = False
    unsafe_durability: bool = False
    """Accept a PostgreSQL that can lose or damage what it has committed: for benchmarks and throw-away data."""
    programme: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    public_url: str = field(
        default="",
        metadata={
            "form": r"(?:https?://[^/?#\s]+(?:/[^?#\s]*)?)?",
            "sentence": "must be a URL such as https://tills.example.com, without ? and #",
        },
    )
    """Where clients reach this service; empty: made from host and port. It is the `iss` of tokens."""
    audience: str = field(default="amcash", metadata={"form": r".*\S.*", "sentence": "must not be empty"})
    """The `aud` of tokens."""
    budget_ms: int = field(default=5_000, metadata={"least": 50, "most": 60_000})
    """How long a request may take before it is answered `0008` (R-TIME-1)."""
    delivery_grace_s: int = field(default=30, metadata={"least": 1, "most": 86_400})
    """How long the delivery of an approval stays open before it is cancelled (R-DLV-1)."""
    outcome_retention_h: int = field(default=72, metadata={"least": 72, "most": 100_000})
    """How long recorded outcomes are kept at least (R-IDEM-8)."""
    state_dir: str = ""
    """Where a server on PostgreSQL keeps its journal of hand-overs; empty: ~/.local/state/amcash, or under
    XDG_STATE_HOME. A ledger in a file has it beside the file."""
    token_lifetime_s: int = field(default=86_400, metadata={"least": 1, "most": 31_536_000})
    batch_commands_max: int = field(default=256, metadata={"least": 1, "most": 10_000})
    batch_wait_us: int = field(default=500, metadata={"least": 0, "most": 10_000})
    """With several workers: so long a batch waits for more, where the one before held several. Each process's batches
    are small, and the database pays for a batch, whatever its size. One server alone fills them while it commits."""
    ledger_shards: int = field(default=1, metadata={"least": 1, "most": 1_024})
    """Over how many shards a distributed database spreads the collectors: a transaction touches one of them."""
    queue_commands_max: int = field(default=10_000, metadata={"least": 1, "most": 1_000_000})
    tokens_cached_max: int = field(default=10_000, metadata={"least": 1, "most": 1_000_000})
    register_poll_ms: int = field(default=250, metadata={"least": 10, "most": 900})
    """How often a server looks for changes that commands made; they take effect within a second."""
    shutdown_grace_s: int = field(default=10, metadata={"least": 1, "most": 600})
    log_level: str = field(default="info", metadata={"choices": ("debug", "info", "warning", "error", "critical")})
    log_requests: bool = True

    @classmethod
    def read(cls, environment: Mapping[str, str], **options: str | float | bool | None) -> "Settings":
        """Read the settings: an option first, then the environment, then the default.

        Raises:
            SettingsError: an unknown `AMCASH_…` name, or a value of the wrong kind or out of range.
        """
        values: dict[str, Any] = {}
        known = {f"AMCASH_{item.name.upper()}": item for item in fields(cls)}
        for name in environment:
            if name.startswith("AMCASH_") and name not in known and not name.startswith(_OTHERS):
                raise SettingsError(f"{name} is not a setting; `amcash config` lists them")
        for name, item in known.items():
            given = options.get(item.name)
            source = f"--{item.name.replace('_', '-')}" if given is not None else name
            raw = given if given is not None else environment.get(name)
            if raw is not None:
                values[item.name] = _value(source, str(raw), item.type, item.metadata)
        return cls(**values)

    @property
    def address(self) -> str:
        """The base URL under which this service is known."""
        if self.public_url:
            return self.public_url.rstrip("/")
        return self.listening_at(self.port)

    def listening_at(self, port: int) -> str:
        """Return the URL of `port` on the host in force; an IPv6 address stands in brackets there."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{port}"


_OTHERS = ("AMCASH_TEST_", "AMCASH_SANDBOX_")
"""Names that are no settings of a server: those of tests, and whom `amcash sandbox` talks to."""
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _value(source: str, raw: str, kind: object, limits: Mapping[str, Any]) -> str | int | bool:
    if kind is bool:
        if raw.lower() not in _TRUE | _FALSE:
            raise SettingsError(f"{source} must be true or false, not {raw!r}")
        return raw.lower() in _TRUE
    if kind is not int:
        return _text(source, raw, limits)
    try:
        number = int(raw)
    except ValueError:
        raise SettingsError(f"{source} must be a whole number, not {raw!r}") from None
    if not limits["least"] <= number <= limits["most"]:
        raise SettingsError(f"{source} must be from {limits['least']} to {limits['most']}, not {number}")
    return number


def _text(source: str, raw: str, limits: Mapping[str, Any]) -> str:
    if "choices" in limits:
        if raw.lower() not in limits["choices"]:
            raise SettingsError(f"{source} must be one of {', '.join(limits['choices'])}, not {raw!r}")
        return raw.lower()
    if "form" in limits and not re.fullmatch(limits["form"], raw):
        raise SettingsError(f"{source} {limits['sentence']}")  # not repeated: a URL may hold a password
    return raw
