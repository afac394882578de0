"""Bugs to plant, one at a time: a simulation that cannot find them would prove nothing by finding nothing.

Each is a mistake that somebody could make in good faith, as a change of the product for as long as a `with` lasts.
"""

import datetime as dt
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

from amcash.domain import calendar, commands, rules
from amcash.domain.book import Book
from amcash.domain.commands import OutcomeKey, Reverse
from amcash.domain.transfers import Kind
from amcash.domain.vocabulary import Cents, OpenDelivery
from amcash.ledger import handover, sqlite, sweeper
from amcash.ledger.handover import Journals, Marks
from amcash.ledger.settle import Settler
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import StoreError
from amcash.ledger.sweeper import Sweeper
from amcash.service import Service, _redemption_of

BUGS = {}


def bug(plant):
    """Name a bug after the function that gives (where, name, what stands there instead) for each of its changes."""

    @contextmanager
    def planted():
        patches = [mock.patch.object(*change) for change in plant()]
        for patch in patches:
            patch.start()
        try:
            yield
        finally:
            for patch in reversed(patches):
                patch.stop()

    BUGS[plant.__name__] = planted
    return planted


def with_standing(rule, change):
    """Have a rule look at another standing: `change` makes it of the command, the right one and the moment."""
    right = getattr(rules, rule)

    def wrong(command, standing, now, *rest):
        return right(command, change(command, standing, now), now, *rest)

    return rules, rule, wrong


# --- the transaction -------------------------------------------------------------------------------------------------


@bug
def reads_before_the_lock():
    class LateLock:
        def __init__(self, connection):
            self._session = sqlite._SqliteSession(connection)
            self._connection = connection
            self.load, self.run, self.run_many = self._session.load, self._session.run, self._session.run_many

        def append(self, book):
            self._connection.execute("BEGIN IMMEDIATE")
            self._session.append(book)

        def purge(self, older_than, place):
            self._connection.execute("BEGIN IMMEDIATE")
            return self._session.purge(older_than, place)

    @contextmanager
    def write(self, **_how):
        connection = self._connection
        with sqlite._translated():
            try:
                yield LateLock(connection)
                if connection.in_transaction:
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    yield SqliteStore, "write", write


@bug
def key_written_after_the_commit():
    append, settle = sqlite._SqliteSession.append, Settler.settle
    late = {}

    def append_without(self, book):
        late[id(self._connection)] = list(book.outcomes)
        book.outcomes = []
        append(self, book)

    def settle_then_write(self, jobs):
        mine = id(self._store.inner._connection)
        late[mine] = []
        settled = settle(self, jobs)
        if not isinstance(settled[0], StoreError) and late[mine]:
            try:
                with self._store.write() as session:
                    append(session._session, Book(outcomes=late[mine]))
            except StoreError:
                pass
        return settled

    yield sqlite._SqliteSession, "append", append_without
    yield Settler, "settle", settle_then_write


@bug
def answers_before_the_commit():
    settle, decide = Settler.settle, Book.decide
    made = []

    def remember(self, ask, register):
        decision = decide(self, ask, register)
        if made:
            made[-1].append(decision)
        return decision

    def settle_at_once(self, jobs):
        made.append([])
        try:
            settled = settle(self, jobs)
            decided = made[-1][-len(jobs) :]
        finally:
            made.pop()
        return decided if isinstance(settled[0], StoreError) and len(decided) == len(jobs) else settled

    yield Book, "decide", remember
    yield Settler, "settle", settle_at_once


# --- idempotency -----------------------------------------------------------------------------------------------------


@bug
def replays_a_cancelled_approval():
    def change(_command, standing, _now):
        recorded = standing.recorded
        return standing if recorded is None else replace(standing, recorded=replace(recorded, cancelled=False))

    yield with_standing("redeem", change)


@bug
def fresh_retry_reuses_the_old_confirmation():
    redeem = rules.redeem

    def wrong(command, standing, now, number, *rest):
        recorded = standing.recorded
        if recorded is not None and recorded.cancelled:
            number = recorded.outcome.confirmation
        return redeem(command, standing, now, number, *rest)

    yield rules, "redeem", wrong


@bug
def digest_ignores_the_date_time():
    digest = commands.content_digest

    def wrong(endpoint, sent):
        return digest(endpoint, {name: value for name, value in sent.items() if name != "dateTime"})

    yield commands, "content_digest", wrong


@bug
def a_declined_retry_is_decided_anew():
    recorded = Book._recorded

    def wrong(self, key):
        found = recorded(self, key)
        return found if found is not None and found.outcome.confirmation is not None else None

    yield Book, "_recorded", wrong


@bug
def another_request_under_a_key_is_a_replay():
    def change(command, standing, _now):
        recorded = standing.recorded
        return standing if recorded is None else replace(standing, recorded=replace(recorded, digest=command.digest))

    yield with_standing("redeem", change)


@bug
def the_scope_of_a_key_has_no_sponsor():
    identify = commands._identify

    def wrong(command):
        identify(command)
        key = OutcomeKey(command.collector, "LOY1", command.endpoint, command.key.key)
        object.__setattr__(command, "key", key)

    yield commands, "_identify", wrong


@bug
def outcomes_are_purged_at_once():
    purge = Sweeper.purge

    def wrong(self):
        self._retention = dt.timedelta(0)
        return purge(self)

    yield Sweeper, "purge", wrong


@bug
def the_purge_takes_open_ones():
    sql = sqlite._PURGE_OUTCOMES
    yield sqlite, "_PURGE_OUTCOMES", sql[: sql.index(" AND NOT EXISTS")]


# --- days and amounts ------------------------------------------------------------------------------------------------


@bug
def the_cap_day_is_utc():
    yield calendar, "cap_day", lambda now, _programme: now.astimezone(dt.UTC).date()


@bug
def the_reversal_window_is_a_day_long():
    yield calendar, "reversal_closes", lambda redeemed_at, _programme: redeemed_at + dt.timedelta(hours=24)


@bug
def reverses_twice():
    def change(_command, standing, _now):
        redemption = standing.redemption
        return standing if redemption is None else replace(standing, redemption=replace(redemption, closed=False))

    yield with_standing("reverse", change)


@bug
def a_cancellation_keeps_the_allowance():
    used = rules.allowance_used
    yield rules, "allowance_used", lambda entry: Cents(0) if entry.kind is Kind.CANCELLATION else used(entry)


@bug
def a_reversal_gives_back_todays_allowance():
    def change(_command, standing, now):
        redemption = standing.redemption
        if redemption is None:
            return standing
        return replace(standing, redemption=replace(redemption, cap_day=calendar.cap_day(now, standing.programme)))

    yield with_standing("reverse", change)


@bug
def an_earlier_days_use_counts_as_none():
    used = Book.used
    yield Book, "used", lambda self, number, day: Cents(0) if self.is_earlier(number, day) else used(self, number, day)


# --- delivery --------------------------------------------------------------------------------------------------------


@bug
def cancels_without_looking_at_the_row():
    cancel = Book._cancel

    def wrong(self, command, register, now):
        one = (command.collector, command.confirmation)
        self.closed.discard(one)
        if one in self.redemptions:
            row = self.deliveries.get(one)
            key = "" if row is None else row.key
            self.deliveries[one] = OpenDelivery(*one, self.redemptions[one].sponsor, key, now)
        return cancel(self, command, register, now)

    yield Book, "_cancel", wrong


@bug
def the_sweeper_cancels_without_grace():
    def change(_command, standing, now):
        return standing if standing.open_until is None else replace(standing, open_until=now)

    yield sweeper, "_EXPIRED", sweeper._EXPIRED.replace("open_until <= ?", "open_until > 0 AND ? > 0")
    yield with_standing("cancel", change)


@bug
def a_claim_does_not_prolong():
    follow = Book._follow_delivery

    def wrong(self, command, decision):
        follow(self, command, decision)
        self.prolonged.clear()

    yield Book, "_follow_delivery", wrong


@bug
def a_reversal_leaves_the_delivery_open():
    follow = Book._follow_delivery

    def wrong(self, command, decision):
        if not isinstance(command, Reverse):
            follow(self, command, decision)

    yield Book, "_follow_delivery", wrong


@bug
def marked_before_the_hand_over():
    about = Service.about_to_hand_over

    def wrong(self, command, decision, began):
        about(self, command, decision, began)
        if decision.open_until is not None:
            self._marks.add(*_redemption_of(command, decision))

    yield Service, "about_to_hand_over", wrong


@bug
def marked_though_the_hand_over_failed():
    failed = Service.not_handed_over

    def wrong(self, command, decision):
        failed(self, command, decision)
        self.handed_over(command, decision)

    yield Service, "not_handed_over", wrong


@bug
def a_failed_transaction_loses_its_marks():
    @contextmanager
    def riding(self, shard=0):
        marks = list(self._waiting[shard])
        self._waiting[shard].clear()
        yield marks
        self._on_committed(marks)

    yield Marks, "riding", riding


@bug
def journalled_after_the_hand_over():
    handed_over = Service.handed_over

    def later(self, command, decision):
        if decision.open_until is not None:
            self._journal.append(*_redemption_of(command, decision))
        handed_over(self, command, decision)

    yield Service, "about_to_hand_over", lambda _self, _command, _decision, _began: None
    yield Service, "handed_over", later


@bug
def handed_over_however_late():
    def wrong(self, command, decision, _began):
        if decision.open_until is not None:
            self._journal.append(*_redemption_of(command, decision))

    yield Service, "about_to_hand_over", wrong


@bug
def the_journals_of_the_dead_are_thrown_away():
    take_in = Journals.take_in

    def wrong(self, store):
        with mock.patch.object(handover, "_standing", return_value=set()):
            return take_in(self, store)

    yield Journals, "take_in", wrong


@bug
def withdrawn_lines_count():
    def wrong(path, _among=None):
        try:
            lines = path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return set()
        return {tuple(word.decode() for word in line[1:].split(b" ")) for line in lines if line[:1] == b"+"}

    yield handover, "_standing", wrong


@bug
def what_the_living_have_journalled_is_cancelled():
    yield Journals, "standing", lambda _self, _among: set()
