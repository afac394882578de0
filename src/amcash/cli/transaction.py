"""`amcash transaction`: one redemption, for the support agent who is asked what happened and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from amcash.cli import options, printing
from amcash.cli.collector import described_entry, print_entries, when
from amcash.cli.failing import Refused
from amcash.domain import calendar
from amcash.domain.codes import TABLE, Code
from amcash.domain.outcomes import Basis
from amcash.domain.transfers import Entry, Kind
from amcash.domain.vocabulary import CollectorNumber, ConfirmationNumber, Language, Programme, masked
from amcash.ledger import history
from amcash.ledger.history import Delivery, Request


@click.group()
def transaction() -> None:
    """Look at one redemption: its transfers, its delivery, the requests about it.

    \b
    Example:  amcash transaction show 1234567890123456 --collector 84095202006
    """


@transaction.command()
@click.argument("confirmation", metavar="CONFIRMATION", type=options.CONFIRMATION)
@click.option(
    "--collector",
    "number",
    metavar="NUMBER",
    type=options.COLLECTOR_NUMBER,
    required=True,
    help="Whose it is: a confirmation number is looked up only together with its collector.",
)
@options.limit_option("requests")
@options.database_option
@options.json_option
def show(
    confirmation: ConfirmationNumber,
    number: CollectorNumber,
    limit: int | None,
    database: str | None,
    as_json: bool,
) -> None:
    """Show what happened to one redemption, and why.

    Its transfers; whether its answer is known to have reached the till; and each recorded request that made it or
    asked to reverse it: as sent, what it was answered, and what the decision was based on. Requests are kept as long
    as outcomes are (AMCASH_OUTCOME_RETENTION_H), transfers for ever. A retry that got the recorded answer again is
    not a request of its own.

    \b
    JSON: {"confirmation", "collector", "state", "transfers", "delivery",
           "requests": [{"at", "endpoint", "sponsor", "idempotency_key", "code",
                         "message", "confirmation", "sent", "basis"}]}

    The state is "standing", "reversed", "cancelled", or "unknown" where only requests name the number; transfers are
    as in `amcash collector show`, but the oldest first; delivery is {"state": "open" | "delivered" | "cancelled",
    "open_until", "cancelled_at"}, null where there is no redemption.

    \b
    Example:  amcash transaction show 1234567890123456 --collector 84095202006
    """
    with options.reading(database) as session:
        programme = options.register_of(session).programme
        story = _Story(
            number,
            confirmation,
            programme,
            history.entries_of(session, number, confirmation),
            history.delivery(session, number, confirmation),
            history.requests_about(session, number, confirmation, limit),
        )
    if not story.entries and not story.requests:
        raise Refused(f"collector {masked(number)} has no redemption {confirmation}, and no request names it")
    if as_json:
        printing.print_json(story.described())
    else:
        story.print()


@dataclass(frozen=True, slots=True)
class _Story:
    number: CollectorNumber
    confirmation: ConfirmationNumber
    programme: Programme
    entries: Sequence[Entry]
    delivery: Delivery | None
    requests: Sequence[Request]

    @property
    def state(self) -> str:
        kinds = {entry.kind for entry in self.entries}
        if Kind.REVERSAL in kinds:
            return "reversed"
        if Kind.CANCELLATION in kinds:
            return "cancelled"
        return "standing" if kinds else "unknown"

    def described(self) -> dict[str, object]:
        delivery = self.delivery
        return {
            "confirmation": self.confirmation,
            "collector": self.number,
            "state": self.state,
            "transfers": [described_entry(entry) for entry in self.entries],
            "delivery": None
            if delivery is None
            else {
                "state": delivery.state,
                "open_until": delivery.open_until,
                "cancelled_at": delivery.cancelled_at,
            },
            "requests": [_described(item) for item in self.requests],
        }

    def print(self) -> None:
        click.echo(f"Redemption {self.confirmation} of collector {self.number}")
        printing.print_pairs([*self._terms(), ("State", self._state_in_words()), ("Delivery", self._delivery())])
        if self.entries:
            click.echo(f"\nTransfers, oldest first, times in {self.programme.zone.key}")
            print_entries(self.entries, self.programme)
        click.echo("\nRequests on record, oldest first" if self.requests else "\nNo request is on record any more.")
        for item in self.requests:
            click.echo(f"\n{when(item.at, self.programme)}  {item.endpoint}: {item.outcome.code} {_message(item)}")
            printing.print_pairs(
                [
                    *self._why(item),
                    ("Decided on", _basis_in_words(item.outcome.basis)),
                    ("Key", _key(item)),
                    ("Sent", ", ".join(f"{name} {value}" for name, value in sorted(item.sent.items()))),
                ]
            )

    def _why(self, item: Request) -> list[tuple[str, str]]:
        """Say of a refused reversal what the ledger still shows of its reason; other codes say it themselves."""
        made = self.entries[0] if self.entries else None
        if item.outcome.code is Code.REVERSAL_WINDOW_OVER and made is not None:
            closed = when(calendar.reversal_closes(made.at, self.programme), self.programme)
            return [("Why", f"the redemption could be reversed until {closed}")]
        if item.outcome.code is not Code.INVALID_CONFIRMATION:
            return []
        if made is None:
            return [("Why", "no redemption of this collector has this number")]
        if made.context.sponsor != item.sponsor:
            return [("Why", f"the redemption is sponsor {made.context.sponsor}'s, not {item.sponsor}'s")]
        return [("Why", f"the redemption had been {self.state} before")]

    def _terms(self) -> list[tuple[str, str]]:
        if not self.entries:
            return []
        made = self.entries[0]
        context = made.context
        assert context.units is not None
        assert context.cents is not None
        units = "1 unit" if context.units == 1 else f"{context.units} units"
        return [
            ("Took", f"{made.transfer.miles:,} Cash Miles for ${printing.dollars(context.cents)}, {units}"),
            ("Offer", f"{context.offer_id}"),
            ("Where", f"sponsor {context.sponsor}, store {context.store}, device {context.device}"),
        ]

    def _state_in_words(self) -> str:
        if self.state == "unknown":
            return "there is no such redemption; only the requests below name it"
        if self.state == "standing":
            return "stands: neither reversed nor cancelled"
        last = self.entries[-1]
        at = when(last.at, self.programme)
        if self.state == "cancelled":
            return f"cancelled {at}: its answer did not reach the till in time, so the miles were given back"
        return f"reversed {at} at store {last.context.store}; the miles were given back"

    def _delivery(self) -> str:
        delivery = self.delivery
        if delivery is None:
            return "there was none"
        if delivery.open_until is not None:
            return f"open until {when(delivery.open_until, self.programme)}: not yet known to be handed over"
        if delivery.cancelled_at is not None:
            return f"cancelled at {when(delivery.cancelled_at, self.programme)}: not handed over in time"
        return "delivered: the answer was handed over"


def _described(item: Request) -> dict[str, object]:
    basis = item.outcome.basis
    return {
        "at": item.at,
        "endpoint": item.endpoint,
        "sponsor": item.sponsor,
        "idempotency_key": item.idempotency_key,
        "code": item.outcome.code,
        "message": _message(item),
        "confirmation": item.confirmation,
        "sent": dict(item.sent),
        "basis": None
        if basis is None
        else {
            "seq": basis.seq,
            "cash_miles": basis.cash,
            "cap_day": basis.cap_day,
            "cap_used_dollars": printing.dollars(basis.used),
            "cap_dollars": printing.dollars(basis.cap),
            "unit_miles": basis.unit_miles,
            "unit_dollars": None if basis.unit_cents is None else printing.dollars(basis.unit_cents),
            "over_request": "reduce" if basis.reduce else "decline",
        },
    }


def _message(item: Request) -> str:
    return TABLE[item.outcome.code].message(item.endpoint, Language.EN)


def _key(item: Request) -> str:
    if item.idempotency_key is not None:
        return f"Idempotency-Key {item.idempotency_key}"
    return "no Idempotency-Key was sent: an identical request is this one again"


def _basis_in_words(basis: Basis | None) -> str:
    if basis is None:
        return "not recorded"
    words = [
        f"{basis.cash:,} Cash Miles after transfer {basis.seq}",
        f"${printing.dollars(basis.used)} of ${printing.dollars(basis.cap)} used on cap day {basis.cap_day}",
    ]
    if basis.unit_miles is not None and basis.unit_cents is not None:
        words.append(f"{basis.unit_miles} miles = ${printing.dollars(basis.unit_cents)}")
    return "; ".join(words)
