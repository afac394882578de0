"""`python -m torture.planted BUG serve …`: the service with one bug, to show that a programme finds it.

Only tests start it. Each bug is one that somebody could write; none of them is in `src`.
"""

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

from amcash.cli import main
from amcash.domain import rules
from amcash.domain.book import Book
from amcash.edge.exchange import Handover
from amcash.edge.pipeline import Pipeline
from amcash.ledger import handover, sqlite, sweeper
from amcash.ledger.handover import Journal, Journals
from amcash.ledger.postgres import PostgresStore
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import StoreLostError
from amcash.ledger.sweeper import Sweeper
from amcash.service import Service


def answer_before_commit():
    """The lane's transaction is committed when the next one begins."""
    honest = sqlite._transaction

    @contextmanager
    def late(connection, begin):
        if begin != "BEGIN IMMEDIATE" or threading.current_thread().name != "writes":
            with honest(connection, begin):
                yield
            return
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute(begin)
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    sqlite._transaction = late


def no_idempotency_lookup():
    """A retry is a new request."""
    _redeem_with(lambda _standing: None)


def replays_what_is_cancelled():
    """A retry after the cancellation gets the old approval."""
    _redeem_with(lambda recorded: recorded and replace(recorded, cancelled=False, open=False))


def _redeem_with(change):
    honest = rules.redeem

    def redeem(command, standing, *rest):
        return honest(command, replace(standing, recorded=change(standing.recorded)), *rest)

    rules.redeem = redeem


def mark_before_hand_over():
    """An approval counts as handed over before it is, and whatever becomes of it."""

    def first(self, exchange, command, decision):
        self._service.about_to_hand_over(command, decision, exchange.began)
        self._service.handed_over(command, decision)
        return Handover(begin=lambda: None, done=lambda: None, failed=lambda: None)

    Pipeline._handover = first


def journal_not_read():
    """A journal of a dead process is deleted and not looked at."""
    handover._standing = lambda *_: set()


def journal_not_written():
    """Nothing tells what a killed process had handed over."""
    Journal.append = lambda *_: None


def sweeper_asleep():
    """Nothing is ever cancelled."""
    Sweeper.sweep = lambda _self: 0


def sweeper_takes_what_is_not_marked():
    """What a living process has handed over and could not mark yet is cancelled.

    Two things keep it from that, so both are taken away; and the sweeper looks often, to be there before the mark.
    """
    Journals.standing = lambda *_: set()
    sweeper.MARKABLE_S, sweeper.SWEEP_EVERY_S = 0.0, 0.05


def key_in_its_own_transaction():
    """The transfer is committed first, its idempotency key a moment later."""
    write, append = SqliteStore.write, sqlite._SqliteSession.append
    later = []

    def without_keys(self, book):
        later.extend(book.outcomes)
        append(self, replace(book, outcomes=[]))

    @contextmanager
    def in_two(self, **how):
        later.clear()
        with write(self, **how) as session:
            yield session
        if later and threading.current_thread().name == "writes":
            with write(self, **how) as session:
                append(session, Book(outcomes=list(later)))

    SqliteStore.write, sqlite._SqliteSession.append = in_two, without_keys


def blind_resettle():
    """After a lost connection the batch is settled again, as if nothing could have been committed."""
    write = PostgresStore.write
    lost = threading.local()

    @contextmanager
    def watched(self, **how):
        try:
            with write(self, **how) as session:
                yield session
        except StoreLostError:
            lost.now = True
            raise
        lost.now = False

    PostgresStore.write = watched
    _redeem_with(lambda recorded: None if getattr(lost, "now", False) else recorded)


def stale_inquiries():
    """An inquiry may be answered with what was true a moment ago."""
    honest, kept = Service.inquire, {}

    async def inquire(self, command):
        at, decision = kept.get(command.collector, (0.0, None))
        if time.monotonic() - at > 0.25:
            decision = await honest(self, command)
            kept[command.collector] = time.monotonic(), decision
        return decision

    Service.inquire = inquire


BUGS = {
    plant.__name__: plant
    for plant in (
        answer_before_commit,
        no_idempotency_lookup,
        replays_what_is_cancelled,
        mark_before_hand_over,
        journal_not_read,
        journal_not_written,
        sweeper_asleep,
        sweeper_takes_what_is_not_marked,
        key_in_its_own_transaction,
        blind_resettle,
        stale_inquiries,
    )
}

if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    sys.argv[0] = "amcash"
    main()
