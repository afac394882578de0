"""What became of one collector: transfers, deliveries, requests and their answers, read back. It writes nothing.

For a person who asks "what happened, and why?". The statements are plain SQL that every store runs.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from itertools import islice
from typing import Any

from amcash.domain.codes import Endpoint
from amcash.domain.outcomes import Outcome
from amcash.domain.transfers import Context, Entry, Kind, Transfer, from_microseconds
from amcash.domain.vocabulary import CollectorNumber, ConfirmationNumber, SponsorCode, Wallet
from amcash.ledger.records import outcome_from
from amcash.ledger.store import Session

_CONTEXT = tuple(item.name for item in fields(Context))  # the columns are named like the fields
_ENTRY = ", ".join(("seq, kind, wallet, source, target, miles, balance, at, previous", *_CONTEXT))

_EVERY = 2**63 - 1
"""As a LIMIT: none."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was decided on the collector's account, as it was sent, and what it was answered."""

    at: datetime
    sponsor: SponsorCode
    endpoint: Endpoint
    idempotency_key: str | None
    """The `Idempotency-Key` header; None where none was sent, and the content is the key (R-IDEM-2)."""
    confirmation: ConfirmationNumber | None
    """The number in the answer."""
    sent: Mapping[str, str]
    outcome: Outcome

    def is_about(self, confirmation: ConfirmationNumber) -> bool:
        """Tell whether it made, or asked to reverse, the redemption with this number."""
        return confirmation in {self.confirmation, self.sent.get("redemptionConfirmationNum")}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the answer to a redemption (R-DLV)."""

    state: str
    """`open`, `delivered` or `cancelled`."""
    open_until: datetime | None = None
    """While it is open."""
    cancelled_at: datetime | None = None


def transfers_total(session: Session) -> int:
    """Return how many transfers the ledger says it has."""
    return next(int(total) for (total,) in session.run("SELECT coalesce(sum(transfers), 0) FROM collector"))


def entries(session: Session, number: CollectorNumber, limit: int | None = None) -> list[Entry]:
    """Return a collector's transfers, newest first, at most `limit` of them."""
    rows = session.run(
        f"SELECT {_ENTRY} FROM transfer WHERE collector = ? ORDER BY seq DESC LIMIT ?",
        number,
        _EVERY if limit is None else limit,
    )
    return [_entry(number, row) for row in rows]


def entries_of(session: Session, number: CollectorNumber, confirmation: ConfirmationNumber) -> list[Entry]:
    """Return the transfers of one redemption, oldest first: itself, and what reversed or cancelled it."""
    rows = session.run(
        f"SELECT {_ENTRY} FROM transfer WHERE collector = ? AND confirmation = ? ORDER BY seq", number, confirmation
    )
    return [_entry(number, row) for row in rows]


def delivery(session: Session, number: CollectorNumber, confirmation: ConfirmationNumber) -> Delivery | None:
    """Return what became of a redemption's delivery; None where there is no such redemption.

    Only open deliveries are kept: what is neither open nor cancelled was handed over (R-DLV-2), or has been reversed,
    for which its till had to know the number.
    """
    for (open_until,) in session.run(
        "SELECT open_until FROM open_delivery WHERE collector = ? AND confirmation = ?", number, confirmation
    ):
        return Delivery("open", open_until=from_microseconds(open_until))
    kinds = {entry.kind: entry.at for entry in entries_of(session, number, confirmation)}
    if Kind.CANCELLATION in kinds:
        return Delivery("cancelled", cancelled_at=kinds[Kind.CANCELLATION])
    return Delivery("delivered") if Kind.REDEMPTION in kinds else None


def requests_about(
    session: Session, number: CollectorNumber, confirmation: ConfirmationNumber, limit: int | None = None
) -> list[Request]:
    """Return the recorded requests that made a redemption or asked to reverse it, oldest first, at most `limit`.

    A request is kept as long as outcomes are (R-IDEM-8); the transfers stay for ever.
    """
    rows = session.run(
        "SELECT at, sponsor, endpoint, key, confirmation, request, answer FROM outcome "
        "WHERE collector = ? AND (confirmation = ? OR request LIKE ?) ORDER BY at, endpoint, key",
        number,
        confirmation,
        f'%"{confirmation}"%',  # also finds the number in another parameter's place; is_about does not
    )
    return list(islice(_about(rows, confirmation), limit))


def _about(rows: Iterator[tuple[Any, ...]], confirmation: ConfirmationNumber) -> Iterator[Request]:
    for at, sponsor, endpoint, key, answered, request, answer in rows:
        item = Request(
            at=from_microseconds(at),
            sponsor=SponsorCode(sponsor),
            endpoint=Endpoint(endpoint),
            # The first character says which kind of key it is: k and a header, or c and a digest of the content.
            idempotency_key=key[1:] if key.startswith("k") else None,
            confirmation=answered,
            sent=json.loads(request),
            outcome=outcome_from(answer),
        )
        if item.is_about(confirmation):
            yield item


def _entry(number: CollectorNumber, row: tuple[Any, ...]) -> Entry:
    seq, kind, wallet, source, target, miles, balance, at, previous, *behind = row
    return Entry(
        collector=number,
        seq=seq,
        kind=Kind(kind),
        wallet=Wallet(wallet),
        transfer=Transfer(source, target, miles),
        balance=balance,
        at=from_microseconds(at),
        context=_context(behind),
        previous=previous,
    )


def _context(values: Sequence[Any]) -> Context:
    named = dict(zip(_CONTEXT, values, strict=True))
    if named["cap_day"] is not None:
        named["cap_day"] = date.fromisoformat(named["cap_day"])
    return Context(**named)
