"""What every store must do, as one suite. A store's own test subclasses it and says how to make the store.

class TestMyStore(StoreContract):
    def make_store(self, *, lock_wait_ms): ...
"""

import datetime as dt
import threading
from dataclasses import replace

import pytest

from amcash.domain import rules
from amcash.domain.book import Book, Needs
from amcash.domain.codes import Endpoint
from amcash.domain.commands import Cancel
from amcash.domain.transfers import Context, Entry, Kind, Transfer
from amcash.domain.vocabulary import (
    Cents,
    ConfirmationNumber,
    Miles,
    OpenDelivery,
    Outage,
    OverRequest,
    SigningKey,
    Sponsor,
    SponsorCode,
    Units,
    Wallet,
)
from amcash.ledger import history, register
from amcash.ledger.handover import Marks
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreBusyError, StoreConflictError, StoreError
from ledger.examples import (
    ANNA,
    BERT,
    LOY1,
    LOY2,
    NOW,
    OFFER,
    PROGRAMME,
    REGISTER,
    SPONSORS,
    balances,
    count,
    decided,
    enrol,
    opened,
    redeem,
    reverse,
    settle,
    taking,
)

LOCK_WAIT_MS = 5_000
DAY = dt.date(2026, 6, 15)
GRACE = dt.timedelta(seconds=30)
TABLES = ("transfer", "outcome", "open_delivery")


def use(store, day, number=ANNA):
    with store.read() as session:
        return session.load(Needs(collectors={number}, cap_days={(number, day)})).used(number, day)


def open_rows(store):
    with store.read() as session:
        rows = session.run("SELECT collector, confirmation, sponsor, key, open_until FROM open_delivery ORDER BY 1, 2")
        return list(rows)


def cancelled(decision):
    return decision.entry is not None


class StoreContract:
    def make_store(self, *, lock_wait_ms):
        """Return a connection to this test's own ledger: migrated and empty the first time, then the same again.

        It gives up waiting for a lock after `lock_wait_ms`.
        """
        raise NotImplementedError

    @pytest.fixture
    def connect(self):
        stores = []

        def connected(*, lock_wait_ms=LOCK_WAIT_MS):
            stores.append(self.make_store(lock_wait_ms=lock_wait_ms))
            return stores[-1]

        yield connected
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, connect):
        return connect()

    @pytest.fixture
    def other(self, store, connect):  # noqa: ARG002 -- the first connection comes first
        """A second connection to the same ledger."""
        return connect()

    # --- what is written comes back ---

    @pytest.mark.parametrize("flags", [(True, False, False), (False, True, False), (False, False, True)])
    def test_every_field_of_a_collector_comes_back(self, store, flags):
        book = opened((ANNA, 1900, 545), flags=flags)
        with store.write() as session:
            session.append(book)
        with store.read() as session:
            assert session.load(Needs(collectors={ANNA})).collectors == book.collectors

    def test_a_collector_without_a_transfer_comes_back(self, store):
        enrol(store, (ANNA, 0, 0))
        assert balances(store) == (0, 0)

    def test_what_is_not_there_is_not_in_the_book(self, store):
        key = redeem().key
        with store.read() as session:
            book = session.load(Needs({ANNA}, {(ANNA, DAY)}, {key}, {(ANNA, "1")}, {(ANNA, "1")}))
        assert book == Book()

    def test_every_field_of_a_transfer_comes_back(self, store):
        enrol(store, (ANNA, 1900, 545))
        with store.write() as session:
            book, _ = decided(session, redeem(dollars=20, trace="é-not-ascii"))
            session.append(book)
            written = book.entries
        with store.read() as session:
            assert history.entries(session, ANNA, 1) == written

    def test_a_transfer_with_every_field_different_comes_back(self, store):
        context = Context(
            confirmation=ConfirmationNumber("0000000000000007"),
            sponsor=LOY2,
            store="s",
            device="d",
            trace="t",
            acquirer="a",
            vendor="v",
            units=Units(3),
            cents=Cents(4),
            unit_miles=Miles(5),
            unit_cents=Cents(6),
            offer_id="o",
            cap_day=dt.date(2026, 3, 8),
            reason="Zoë's “reason” — ; DROP TABLE transfer; \U0001f600",
        )
        entry = Entry(
            collector=ANNA,
            seq=1,
            kind=Kind.ADJUSTMENT,
            wallet=Wallet.DREAM,
            transfer=Transfer("x", "y", Miles(8)),
            balance=Miles(9),
            at=NOW,
            context=context,
            previous=bytes(range(32)),
        )
        enrol(store, (ANNA, 0, 0))
        with store.write() as session:
            session.append(Book(entries=[entry]))
        with store.read() as session:
            assert history.entries(session, ANNA) == [entry]

    @pytest.mark.parametrize("kind", Kind)
    @pytest.mark.parametrize("wallet", Wallet)
    def test_every_kind_of_transfer_in_every_wallet_can_be_kept(self, store, kind, wallet):
        enrol(store, (ANNA, 0, 0))
        with store.write() as session:
            collector = session.load(Needs(collectors={ANNA})).collectors[ANNA]
            entry = replace(rules.opening(collector, wallet, Miles(5), NOW), kind=kind)
            session.append(Book(entries=[entry]))
        with store.read() as session:
            assert [item.kind for item in history.entries(session, ANNA)] == [kind]

    def test_amounts_beyond_32_bits_come_back(self, store):
        enrol(store, (ANNA, 1 << 40, 1 << 41))
        assert balances(store) == (1 << 40, 1 << 41)
        self.change_collector(store, cap_day=DAY, cap_used=Cents(1 << 40))
        assert use(store, DAY) == 1 << 40

    @pytest.mark.parametrize(
        "moment",
        [
            dt.datetime(2026, 3, 8, 6, 59, 59, 999999, tzinfo=dt.UTC),
            dt.datetime(2026, 11, 1, 6, 30, 0, 1, tzinfo=dt.UTC),
            dt.datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        ],
    )
    def test_a_moment_comes_back_to_the_microsecond(self, store, moment):
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem(key="k"), now=moment)
        with store.read() as session:
            book = session.load(Needs(keys={redeem(key="k").key}, redemptions={(ANNA, made.outcome.confirmation)}))
            (entry,) = history.entries(session, ANNA, 1)
        assert [item.outcome.at for item in book.recorded.values()] == [moment]
        assert [item.at for item in book.redemptions.values()] == [moment]
        assert entry.at == moment

    def test_a_redemption_is_found_under_its_number_with_every_field(self, store):
        enrol(store, (ANNA, 1900, 545))
        (made,) = settle(store, redeem(dollars=20))
        with store.read() as session:
            book = session.load(Needs(redemptions={(ANNA, made.outcome.confirmation)}))
        assert book.redemptions == {(ANNA, made.outcome.confirmation): made.redemption}

    def test_a_redemption_is_not_found_under_another_collector(self, store):
        enrol(store, (ANNA, 1900, 545), (BERT, 1900, 0))
        (made,) = settle(store, redeem())
        with store.read() as session:
            assert session.load(Needs(redemptions={(BERT, made.outcome.confirmation)})).redemptions == {}

    def test_a_reversed_redemption_is_found_closed(self, store):
        enrol(store, (ANNA, 1900, 545))
        (made,) = settle(store, redeem())
        settle(store, reverse(made.outcome.confirmation))
        with store.read() as session:
            book = session.load(Needs(redemptions={(ANNA, made.outcome.confirmation)}))
        assert list(book.redemptions.values()) == [made.redemption.close()]

    def test_a_cancelled_redemption_is_found_closed(self, store):
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem())
        with store.write() as session:
            book = session.load(Needs(collectors={ANNA}))
            book.enter(taking(book.collectors[ANNA], 95, made.outcome.confirmation, Kind.CANCELLATION))
            session.append(book)
        with store.read() as session:
            book = session.load(Needs(redemptions={(ANNA, made.outcome.confirmation)}))
        assert [item.closed for item in book.redemptions.values()] == [True]

    def test_the_use_of_a_day_comes_back_for_that_day_and_collector_alone(self, store):
        enrol(store, (ANNA, 1900, 0), (BERT, 1900, 0))
        settle(store, redeem(dollars=20))
        assert [use(store, DAY + dt.timedelta(days=n)) for n in (-1, 0, 1)] == [0, 2000, 0]
        assert use(store, DAY, BERT) == 0

    def test_the_use_of_a_day_is_replaced_by_the_next_batch(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem(trace="1", dollars=20))
        (second,) = settle(store, redeem(trace="2", dollars=30), numbers=["2000000000000000"])
        settle(store, reverse(second.outcome.confirmation))
        assert use(store, DAY) == 2000

    def test_the_use_of_a_day_before_the_latest_is_the_sum_of_its_transfers(self, store):
        """Redemptions add, reversals and cancellations give back; another day, kind or collector does not count."""
        enrol(store, (ANNA, 1900, 0), (BERT, 1900, 0))
        later = NOW + dt.timedelta(days=1)
        made = [
            settle(store, redeem(trace=str(i), dollars=10 * i), numbers=[f"{i:016}"], grace=GRACE)[0] for i in (1, 2, 3)
        ]
        settle(store, reverse(made[0].outcome.confirmation))
        settle(store, Cancel(ANNA, made[1].outcome.confirmation), now=NOW + GRACE)
        settle(store, redeem(trace="later", dollars=70), now=later, numbers=["7000000000000000"])
        settle(store, redeem(BERT, dollars=50))
        self.append_entry(store, lambda collector: taking(collector, 1, None, Kind.ADJUSTMENT))
        assert (use(store, DAY), use(store, DAY + dt.timedelta(days=1))) == (3000, 7000)
        (decision,) = settle(store, redeem(trace="back", dollars=730), numbers=["8000000000000000"])
        assert decision.outcome.code == "0051"
        settle(store, redeem(trace="back again", dollars=20), numbers=["9000000000000000"])
        assert (use(store, DAY), use(store, DAY + dt.timedelta(days=1))) == (5000, 7000)

    @pytest.mark.parametrize(
        ("flags", "command", "code"),
        [
            ((True, True, True), redeem(key="k", dollars=20), "0000"),
            ((True, False, True), redeem(key="k"), "0001"),
            ((False, True, True), redeem(key="k"), "0002"),
            ((True, False, False), redeem(key="k"), "0005"),
            ((True, True, False), redeem(key="k"), "0006"),
            ((True, True, True), redeem(key="k", dollars=500), "0051"),
            ((True, True, True), redeem(key="k", dollars=9999999999990), "0051"),
            ((True, True, True), reverse("4711"), "0057"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_an_outcome_is_found_again_under_its_key_with_the_same_value(self, store, flags, command, code):
        with store.write() as session:
            session.append(opened((ANNA, 1900, 545), flags=flags))
        (made,) = settle(store, command)
        assert made.outcome.code == code
        with store.read() as session:
            (found,) = session.load(Needs(keys={command.key})).recorded.values()
        assert (found.key, found.digest) == (command.key, command.digest)
        assert found.outcome == made.outcome
        assert type(found.outcome.code) is type(made.outcome.code)
        assert found.outcome.at.utcoffset() == dt.timedelta(0)

    def test_a_reversals_outcome_is_found_again_with_the_same_value(self, store):
        enrol(store, (ANNA, 1900, 545))
        (made,) = settle(store, redeem())
        command = reverse(made.outcome.confirmation, key="k")
        (undone,) = settle(store, command, register=replace(REGISTER, offers=()))
        with store.read() as session:
            (found,) = session.load(Needs(keys={command.key})).recorded.values()
        assert found.outcome == undone.outcome

    def test_an_outcome_is_not_found_under_a_key_of_another_scope(self, store):
        enrol(store, (ANNA, 1900, 545))
        command = redeem(key="k")
        settle(store, command)
        others = {
            command.key._replace(collector=BERT),
            command.key._replace(sponsor=LOY2),
            command.key._replace(endpoint=Endpoint.REVERSE),
            command.key._replace(key="kK"),
            command.key._replace(key="kk "),
        }
        with store.read() as session:
            assert session.load(Needs(keys=others)).recorded == {}

    def test_the_longest_key_with_every_visible_sign_is_found_again(self, store):
        enrol(store, (ANNA, 1900, 545))
        signs = "".join(map(chr, range(0x21, 0x7F)))
        command = redeem(key=(signs * 3)[:255])
        settle(store, command)
        with store.read() as session:
            assert len(session.load(Needs(keys={command.key})).recorded) == 1

    def test_many_accounts_are_loaded_at_once(self, store):
        numbers = [str(84000000000 + i) for i in range(150)]
        enrol(store, *((number, i, 0) for i, number in enumerate(numbers)))
        with store.write() as session:
            book = session.load(Needs(collectors={*numbers, "1"}))
        assert {number: item.cash for number, item in book.collectors.items()} == {
            number: i for i, number in enumerate(numbers)
        }

    # --- one transaction ---

    def test_a_row_is_visible_to_others_only_after_the_commit(self, store, other):
        enrol(store, (ANNA, 1900, 0))
        with store.write() as session:
            book, _ = decided(session, redeem())
            session.append(book)
            assert balances(other) == (1900, 0)
            assert count(other, "outcome") == 0
        assert balances(other) == (1805, 0)
        assert count(other, "outcome") == 1

    @pytest.mark.parametrize("error", [RuntimeError, AssertionError, KeyboardInterrupt])
    def test_an_exception_rolls_everything_back_and_passes_through(self, store, other, error):
        enrol(store, (ANNA, 1900, 0))

        def interrupted():
            with store.write() as session:
                book, _ = decided(session, redeem())
                session.append(book)
                raise error

        with pytest.raises(error):
            interrupted()
        for connection in (store, other):
            assert balances(connection) == (1900, 0)
            assert [count(connection, table) for table in TABLES] == [1, 0, 0]

    def test_a_connection_works_on_after_a_rollback(self, store):
        enrol(store, (ANNA, 1900, 0))
        with pytest.raises(StoreConflictError):
            enrol(store, (ANNA, 1900, 0))
        settle(store, redeem())
        assert balances(store) == (1805, 0)

    def test_an_exception_in_a_read_passes_through_and_the_connection_works_on(self, store):
        enrol(store, (ANNA, 1900, 0))
        with pytest.raises(RuntimeError), store.read():
            raise RuntimeError
        assert balances(store) == (1900, 0)

    def test_a_committed_row_is_there_for_a_connection_made_later(self, store, connect):
        enrol(store, (ANNA, 1900, 545))
        store.close()
        assert balances(connect()) == (1900, 545)

    # --- what the database itself refuses ---

    @pytest.mark.parametrize("wallet", Wallet)
    def test_a_negative_wallet_is_refused(self, store, wallet):
        enrol(store, (ANNA, 10, 10))

        def overdraw():
            with store.write() as session:
                book = session.load(Needs(collectors={ANNA}))
                book.collectors[ANNA] = replace(book.collectors[ANNA], **{wallet: Miles(-1)})
                book.changed.add(ANNA)
                session.append(book)

        with pytest.raises(StoreConflictError):
            overdraw()
        assert balances(store) == (10, 10)

    def test_a_transfer_that_leaves_less_than_nothing_is_refused(self, store):
        enrol(store, (ANNA, 10, 0))
        with pytest.raises(StoreConflictError):
            self.append_entry(store, lambda collector: taking(collector, 11, "1000000000000000"))

    def test_a_use_of_a_day_below_nothing_is_refused(self, store):
        enrol(store, (ANNA, 10, 0))
        with pytest.raises(StoreConflictError):
            self.change_collector(store, cap_day=DAY, cap_used=Cents(-1))
        with pytest.raises(StoreConflictError):
            self.change_collector(store, cap_day=None, cap_used=Cents(1))

    def test_a_number_that_stands_already_in_the_chain_is_refused(self, store):
        enrol(store, (ANNA, 1900, 0))
        with pytest.raises(StoreConflictError):
            self.append_entry(store, lambda collector: taking(collector, 95, "1000000000000000", seq=1))

    @pytest.mark.parametrize("seq", [0, 3, 1000])
    def test_a_gap_in_the_numbers_of_a_chain_is_refused(self, store, seq):
        enrol(store, (ANNA, 1900, 0), (BERT, 1, 1))
        with pytest.raises(StoreConflictError):
            self.append_entry(store, lambda collector: taking(collector, 95, "1000000000000000", seq=seq))

    @pytest.mark.parametrize("again", [Kind.REVERSAL, Kind.CANCELLATION])
    @pytest.mark.parametrize("once", [Kind.REVERSAL, Kind.CANCELLATION])
    def test_a_redemption_is_undone_at_most_once(self, store, once, again):
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem())
        self.append_entry(store, lambda collector: taking(collector, 95, made.outcome.confirmation, once))
        with pytest.raises(StoreConflictError):
            self.append_entry(store, lambda collector: taking(collector, 95, made.outcome.confirmation, again))
        assert balances(store) == (1900, 0)

    def test_a_confirmation_number_stands_for_one_redemption_of_a_collector(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem(trace="1"), numbers=["1000000000000000"])
        with pytest.raises(StoreConflictError):
            settle(store, redeem(trace="2"), numbers=["1000000000000000"])
        assert balances(store) == (1805, 0)

    def test_two_collectors_may_have_the_same_confirmation_number(self, store):
        enrol(store, (ANNA, 1900, 0), (BERT, 1900, 0))
        settle(store, redeem(ANNA), numbers=["1000000000000000"])
        settle(store, redeem(BERT), numbers=["1000000000000000"])
        assert (balances(store, ANNA), balances(store, BERT)) == ((1805, 0), (1805, 0))

    def test_a_key_has_one_outcome(self, store):
        enrol(store, (ANNA, 1900, 0))
        command = redeem(key="k")
        settle(store, command)
        with store.read() as session:
            book, _ = decided(session, redeem(key="other", trace="2"), numbers=["2000000000000000"])
        book.outcomes = [replace(item, key=command.key) for item in book.outcomes]
        with pytest.raises(StoreConflictError), store.write() as session:
            session.append(book)
        assert balances(store) == (1805, 0)

    def test_nothing_of_a_refused_batch_remains(self, store, other):
        enrol(store, (ANNA, 1900, 0), (BERT, 1900, 0))
        settle(store, redeem(BERT), numbers=["1000000000000000"])
        with pytest.raises(StoreConflictError):
            settle(
                store,
                *(redeem(ANNA), redeem(BERT, trace="2"), redeem(ANNA, trace="3")),
                numbers=["3000000000000000", "1000000000000000", "4000000000000000"],
            )
        for connection in (store, other):
            assert balances(connection, ANNA) == (1900, 0)
            assert balances(connection, BERT) == (1805, 0)
            assert [count(connection, table) for table in TABLES] == [3, 1, 0]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE transfer SET miles = miles + 1",
            "UPDATE transfer SET reason = 'x' WHERE seq = 1",
            "DELETE FROM transfer",
            "DELETE FROM transfer WHERE seq = 1",
        ],
    )
    def test_the_ledger_is_append_only(self, store, statement):
        enrol(store, (ANNA, 1900, 0))
        with pytest.raises(StoreError), store.write() as session:
            session.run(statement)
        with store.read() as session:
            assert [entry.transfer.miles for entry in history.entries(session, ANNA)] == [1900]

    def change_collector(self, store, **changes):
        with store.write() as session:
            book = session.load(Needs(collectors={ANNA}))
            book.collectors[ANNA] = replace(book.collectors[ANNA], **changes)
            book.changed.add(ANNA)
            session.append(book)

    def append_entry(self, store, make):
        with store.write() as session:
            book = session.load(Needs(collectors={ANNA}))
            entry = make(book.collectors[ANNA])
            book.entries.append(entry)
            book.collectors[ANNA] = rules.after(book.collectors[ANNA], entry)
            if entry.balance >= 0:
                book.changed.add(ANNA)
            session.append(book)

    # --- two connections ---

    def test_a_writer_who_may_not_wait_is_told_that_the_store_is_busy(self, store, connect):
        enrol(store, (ANNA, 1900, 0))
        hasty = connect(lock_wait_ms=10)
        with store.write() as session:
            book, _ = decided(session, redeem())
            with pytest.raises(StoreBusyError):
                settle(hasty, redeem(trace="2"))
            session.append(book)
        settle(hasty, redeem(trace="2"), numbers=["2000000000000000"])
        assert balances(store) == (1710, 0)

    def test_a_writer_who_waits_decides_on_what_the_other_left(self, store, other):
        enrol(store, (ANNA, 95, 0))
        waiting = threading.Event()
        decisions = []

        def redeem_too():
            waiting.set()
            decisions.extend(settle(other, redeem(trace="2"), numbers=["2000000000000000"]))

        thread = threading.Thread(target=redeem_too)
        with store.write() as session:
            book, _ = decided(session, redeem())
            thread.start()
            waiting.wait()
            session.append(book)
        thread.join()
        assert [item.outcome.code for item in decisions] == ["0051"]
        assert balances(store) == (0, 0)

    def test_a_reader_sees_one_state_however_long_it_looks(self, store, other):
        enrol(store, (ANNA, 1900, 0))
        with other.read() as session:
            before = session.load(Needs(collectors={ANNA}))
            settle(store, redeem())
            assert session.load(Needs(collectors={ANNA})) == before
            assert next(iter(session.run("SELECT count(*) FROM outcome"))) == (0,)
        assert balances(other) == (1805, 0)

    def test_a_reader_does_not_wait_for_a_writer(self, store, connect):
        enrol(store, (ANNA, 1900, 0))
        hasty = connect(lock_wait_ms=10)
        with store.write() as session:
            book, _ = decided(session, redeem())
            session.append(book)
            assert balances(hasty) == (1900, 0)

    def test_two_servers_with_one_key_execute_it_once(self, store, other):
        enrol(store, (ANNA, 1900, 0))
        both = threading.Barrier(2, timeout=60)
        answers = []

        def serve(connection):
            settler = Settler(connection, lambda: REGISTER, lambda: NOW)
            for trace in range(20):
                both.wait()
                answers.append((trace, *settler.settle([redeem(key=f"k{trace}", trace=str(trace))])))

        self.at_the_same_time(serve, store, other)
        for trace in range(20):
            first, second = (decision for number, decision in answers if number == trace)
            assert first.outcome == second.outcome
            assert {first.replayed, second.replayed} == {True, False}
        assert balances(store) == (0, 0)

    def test_two_servers_never_spend_a_mile_twice(self, store, other):
        enrol(store, (ANNA, 10 * 95, 0))
        codes = []

        def serve(connection):
            settler = Settler(connection, lambda: REGISTER, lambda: NOW)
            for trace in range(10):
                (decision,) = settler.settle([redeem(trace=f"{id(connection)}-{trace}")])
                codes.append(str(decision.outcome.code))

        self.at_the_same_time(serve, store, other)
        assert sorted(codes) == ["0000"] * 10 + ["0051"] * 10
        assert balances(store) == (0, 0)

    def at_the_same_time(self, serve, *connections):
        threads = [threading.Thread(target=serve, args=(connection,)) for connection in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # --- deliveries ---

    def test_an_approval_leaves_an_open_delivery_with_every_field(self, store):
        """R-DLV-1."""
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem(key="k"), grace=GRACE)
        one = (ANNA, made.outcome.confirmation)
        with store.write() as session:
            book = session.load(Needs(deliveries={one, (BERT, one[1]), (ANNA, "1")}))
        assert book.deliveries == {one: OpenDelivery(*one, LOY1, "kk", NOW + GRACE)}
        with store.read() as session:
            assert session.load(Needs(deliveries={one})).deliveries == book.deliveries

    def test_an_outcome_tells_whether_its_delivery_is_open_or_its_redemption_cancelled(self, store):
        enrol(store, (ANNA, 1900, 0), (BERT, 1900, 0))
        commands = [redeem(key=key, trace=key) for key in ("open", "handed over", "cancelled", "reversed")]
        made = settle(store, *commands, redeem(BERT, key="other"), grace=GRACE)
        numbers = [decision.outcome.confirmation for decision in made]
        with store.write() as session:
            session.append(Book(closed={(ANNA, numbers[1])}))
        settle(store, Cancel(ANNA, numbers[2]), reverse(numbers[3]), now=NOW + GRACE)
        with store.read() as session:
            book = session.load(Needs(keys={command.key for command in commands}))
        told = [(book.recorded[command.key].open, book.recorded[command.key].cancelled) for command in commands]
        assert told == [(True, False), (False, False), (False, True), (False, False)]
        assert [row[:2] for row in open_rows(store)] == [(BERT, numbers[4]), (ANNA, numbers[0])]

    def test_a_claim_moves_the_end_of_a_delivery(self, store):
        """R-DLV-4."""
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem(key="k"), grace=GRACE)
        (again,) = settle(store, redeem(key="k"), now=NOW + GRACE, grace=GRACE)
        assert (again.replayed, again.open_until) == (True, NOW + 2 * GRACE)
        assert [row[4] for row in open_rows(store)] == [(NOW + 2 * GRACE - EPOCH_UTC) // MICROSECOND]

    def test_a_cancelled_redemption_is_given_back_whole(self, store):
        """R-DLV-5."""
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem(dollars=20, trace="its trace"), grace=GRACE)
        (decision,) = settle(store, Cancel(ANNA, made.outcome.confirmation), now=NOW + GRACE)
        assert cancelled(decision)
        assert (balances(store), use(store, DAY), open_rows(store)) == ((1900, 0), 0, [])
        with store.read() as session:
            back, redemption, _ = history.entries(session, ANNA)
        assert (back.kind, back.context) == (Kind.CANCELLATION, redemption.context)

    def test_a_retry_after_the_cancellation_is_the_next_attempt_and_the_first_stays(self, store):
        """R-DLV-6."""
        enrol(store, (ANNA, 1900, 0))
        command = redeem(key="k")
        for attempt in (1, 2, 3):
            (made,) = settle(store, command, numbers=[f"{attempt:016}"], grace=GRACE)
            assert not made.replayed
            with store.read() as session:
                (found,) = session.load(Needs(keys={command.key})).recorded.values()
            assert (found.attempt, found.outcome) == (attempt, made.outcome)
            if attempt < 3:
                settle(store, Cancel(ANNA, made.outcome.confirmation), now=NOW + GRACE)
        assert count(store, "outcome") == 3
        assert balances(store) == (1805, 0)

    def test_what_is_opened_and_closed_in_one_batch_leaves_no_row(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem(), reverse("1000000000000000"), numbers=["1000000000000000"] * 2, grace=GRACE)
        assert open_rows(store) == []

    def test_whoever_cancels_waits_for_whoever_marks_and_sees_the_mark(self, store, other):
        """R-DLV-4: a mark holds no collector's lock, so the delivery's own row is what both wait for."""
        enrol(store, (ANNA, 1900, 0))
        (made,) = settle(store, redeem(), grace=GRACE)
        one = (ANNA, made.outcome.confirmation)
        begun = threading.Event()
        decisions = []

        def cancel():
            begun.set()
            decisions.extend(settle(other, Cancel(*one), now=NOW + GRACE))

        thread = threading.Thread(target=cancel)
        with store.write() as session:
            session.append(Book(closed={one}))
            session.run("SELECT 1")  # what is appended is sent now
            thread.start()
            begun.wait()
        thread.join()
        assert [cancelled(decision) for decision in decisions] == [False]
        assert balances(store) == (1805, 0)

    def test_two_sweepers_and_a_retry_on_one_delivery_leave_one_result(self, store, other, connect):
        """R-DLV-4."""
        third, rounds = connect(), 15
        enrol(store, (ANNA, 95, 0), (BERT, 95 * rounds, 0))
        moment = [NOW]
        all_three = threading.Barrier(3, timeout=60)
        results = [[] for _ in range(rounds)]
        commands = [redeem(BERT, key=f"k{i}", trace=str(i)) for i in range(rounds)]
        made = [settle(store, command, numbers=[f"{i:016}"], grace=GRACE)[0] for i, command in enumerate(commands)]
        moment[0] = NOW + GRACE

        def serve(connection, jobs):
            settler = Settler(connection, lambda: REGISTER, lambda: moment[0], grace=GRACE)
            for i, job in enumerate(jobs):
                all_three.wait()
                results[i] += settler.settle([job])

        cancels = [Cancel(BERT, decision.outcome.confirmation) for decision in made]
        threads = [
            threading.Thread(target=serve, args=pair)
            for pair in ((store, cancels), (other, cancels), (third, commands))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for first, answers in zip(made, results, strict=True):
            assert not any(isinstance(item, StoreError) for item in answers), answers
            (retry,) = (item for item in answers if item.awaits_delivery)
            cancellations = [item for item in answers if cancelled(item) and item is not retry]
            assert len(cancellations) == (0 if retry.replayed else 1)
            assert (retry.outcome.confirmation == first.outcome.confirmation) is retry.replayed
        assert balances(store, BERT) == (0, 0)
        assert len(open_rows(store)) == rounds

    def test_marks_of_many_deliveries_at_once_end_every_wait(self, store, other):
        """Two that close the same deliveries in another order each: nobody waits for ever, nothing is left."""
        enrol(store, (ANNA, 95 * 20, 0))
        rows = [
            (ANNA, settle(store, redeem(trace=str(i)), numbers=[f"{i:016}"], grace=GRACE)[0].outcome.confirmation)
            for i in range(20)
        ]

        def mark(connection):
            marks = Marks()
            for one in rows if connection is store else reversed(rows):
                marks.add(*one)
            Settler(connection, lambda: REGISTER, lambda: NOW, marks=marks).flush()
            assert marks.waiting == 0

        self.at_the_same_time(mark, store, other)
        assert open_rows(store) == []

    # --- purge ---

    def purge_all(self, store, older_than, pieces_max=1000):
        gone, place = 0, 0
        for _ in range(pieces_max):
            with store.write() as session:
                piece = session.purge(older_than, place)
            gone, place = gone + piece.outcomes, piece.place
            if place is None:
                break
        return gone

    def horizon(self, store):
        with store.read() as session:
            ((at,),) = session.run("SELECT horizon FROM purge")
        return EPOCH_UTC + at * MICROSECOND

    def test_what_is_older_is_purged_and_nothing_else(self, store):
        """R-IDEM-8."""
        enrol(store, (ANNA, 1900, 0))
        old, kept = redeem(key="old"), redeem(key="kept", trace="2")
        later = NOW + dt.timedelta(microseconds=1)
        settle(store, old)
        settle(store, kept, now=later, numbers=["2000000000000000"])
        assert self.purge_all(store, later) == 1
        with store.read() as session:
            assert set(session.load(Needs(keys={old.key, kept.key})).recorded) == {kept.key}
        assert self.horizon(store) == later
        assert (balances(store), count(store, "transfer")) == ((1710, 0), 3)

    def test_where_nothing_is_purged_the_horizon_stays(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem())
        assert self.purge_all(store, NOW) == 0
        assert self.horizon(store) == EPOCH_UTC

    def test_the_horizon_never_goes_back(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem())
        assert self.purge_all(store, NOW + GRACE) == 1
        settle(store, redeem(trace="2"), numbers=["2000000000000000"])
        assert self.purge_all(store, NOW + GRACE / 2) == 1
        assert self.horizon(store) == NOW + GRACE

    def test_an_outcome_whose_delivery_is_open_is_never_purged(self, store):
        enrol(store, (ANNA, 1900, 0))
        settle(store, redeem(key="k"), grace=GRACE)
        assert self.purge_all(store, NOW + GRACE) == 0
        settle(store, Cancel(ANNA, ConfirmationNumber("1000000000000000")), now=NOW + GRACE)
        assert self.purge_all(store, NOW + GRACE) == 1

    def test_a_purge_goes_through_the_whole_table_in_bounded_pieces(self, store):
        enrol(store, (ANNA, 0, 0))
        for batch in range(8):
            settle(store, *(redeem(trace=f"{batch}-{i}") for i in range(200)))
        with store.write() as session:
            piece = session.purge(NOW + GRACE, 0)
        assert 0 < piece.outcomes <= 800
        assert piece.place is not None
        assert piece.outcomes + self.purge_all(store, NOW + GRACE) == 1600
        assert count(store, "outcome") == 0

    def test_two_that_purge_at_once_delete_each_outcome_once(self, store, other):
        enrol(store, (ANNA, 0, 0))
        for batch in range(4):
            settle(store, *(redeem(trace=f"{batch}-{i}") for i in range(200)))
        gone = []
        self.at_the_same_time(lambda connection: gone.append(self.purge_all(connection, NOW + GRACE)), store, other)
        assert (sum(gone), count(store, "outcome")) == (800, 0)

    # --- off the hot path ---

    def test_values_of_every_kind_go_in_and_come_out_of_a_statement(self, store):
        values = ("Zoë's ?", -(1 << 60), bytes(range(256)), None)
        with store.write() as session:
            session.run("INSERT INTO client VALUES (?, ?, ?)", values[0], "[]", 0)
            session.run("INSERT INTO signing_key VALUES (?, ?, ?, ?)", "kid", "jwk", values[1], values[3])
            session.run("INSERT INTO client_secret VALUES (?, ?, ?, ?)", "c", values[2][:32], 1, 0)
        with store.read() as session:
            assert list(session.run("SELECT id FROM client")) == [(values[0],)]
            assert list(session.run("SELECT created_at, retired_at FROM signing_key")) == [(values[1], None)]
            assert list(session.run("SELECT digest FROM client_secret")) == [(values[2][:32],)]

    def test_a_statement_runs_for_each_of_many_rows(self, store):
        with store.write() as session:
            session.run_many("INSERT INTO client VALUES (?, ?, ?)", [(str(i), "[]", 0) for i in range(500)])
            session.run_many("INSERT INTO client VALUES (?, ?, ?)", [])
        assert count(store, "client") == 500

    def test_the_probe_leaves_a_mark_and_nothing_else(self, store):
        with store.write() as session:
            session.append(Book(probed_at=NOW))
        with store.read() as session:
            assert list(session.run("SELECT at FROM heartbeat")) == [
                ((NOW.replace(tzinfo=None) - EPOCH) // MICROSECOND,)
            ]
        assert count(store, "transfer") == 0

    def test_a_statement_that_is_none_is_a_store_error(self, store):
        with pytest.raises(StoreError), store.write() as session:
            session.run("SELECT nonsense FROM nowhere")
        assert count(store, "collector") == 0

    # --- the register ---

    def test_there_is_no_register_before_a_programme(self, store):
        with store.read() as session:
            assert register.read(session) is None

    def test_every_field_of_the_register_comes_back(self, store):
        programme = replace(
            PROGRAMME,
            cap_day_starts=dt.time(3, 30),
            file_day_starts=dt.time(0, 15),
            reversal_until=dt.time(2, 59, 59),
            daily_cap=Cents(12345),
            over_request=OverRequest.REDUCE,
            check_digit=True,
        )
        special = replace(
            OFFER,
            terms=replace(OFFER.terms, offer_id="2222222222", offer_type="SPL", unit_cents=Cents(820)),
            available=False,
            sponsor=LOY2,
            valid_from=NOW,
            valid_until=NOW + dt.timedelta(microseconds=1),
        )
        key = SigningKey("kid", '{"k": "é"}', NOW, None)
        with store.write() as session:
            register.put_programme(session, programme)
            register.put_offers(session, [special, OFFER])
            register.put_sponsors(session, SPONSORS.values())
            register.put_client(session, "till", [LOY1, LOY2])
            register.add_secret(session, "till", bytes(range(32)), NOW)
            register.add_key(session, key)
            register.put_outage(session, Outage(NOW))
        with store.read() as session:
            found = register.read(session)
        assert found.programme == programme
        assert found.offers == (OFFER, special)
        assert dict(found.sponsors) == SPONSORS
        assert [(c.client_id, c.sponsors, c.secret_digests, c.disabled) for c in found.clients.values()] == [
            ("till", (LOY1, LOY2), (bytes(range(32)),), False)
        ]
        assert found.keys == (key,)
        assert found.outage == Outage(NOW)

    @pytest.mark.parametrize(
        "change",
        [
            lambda session: register.put_programme(session, PROGRAMME),
            lambda session: register.put_offers(session, []),
            lambda session: register.put_sponsors(session, []),
            lambda session: register.put_client(session, "till", []),
            lambda session: register.add_secret(session, "till", bytes(32), NOW),
            lambda session: register.put_sandbox_secret(session, "till", bytes(32), NOW),
            lambda session: register.disable_client(session, "till"),
            lambda session: register.add_key(session, SigningKey("kid", "jwk", NOW, None)),
            lambda session: register.put_outage(session, Outage(None)),
            lambda session: register.put_outage(session, None),
        ],
    )
    def test_every_change_of_the_register_raises_its_version(self, store, change):
        with store.read() as session:
            before = register.version(session)
        with store.write() as session:
            change(session)
        with store.read() as session:
            assert register.version(session) > before

    def test_a_change_that_was_rolled_back_leaves_the_version(self, store):
        with store.read() as session:
            before = register.version(session)

        def interrupted():
            with store.write() as session:
                register.put_programme(session, PROGRAMME)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            interrupted()
        with store.read() as session:
            assert register.version(session) == before
            assert register.read(session) is None

    def test_offers_are_replaced_and_sponsors_are_added_to(self, store):
        changed = Sponsor(LOY1, "New name", frozenset({"1", "2"}), frozenset())
        added = Sponsor(SponsorCode("LOY3"), "Third", frozenset(), frozenset({"3"}))
        with store.write() as session:
            register.put_programme(session, PROGRAMME)
            register.put_offers(session, [OFFER])
            register.put_sponsors(session, SPONSORS.values())
        with store.write() as session:
            register.put_programme(session, replace(PROGRAMME, name="Renamed"))
            register.put_offers(session, [replace(OFFER, terms=replace(OFFER.terms, offer_id="3"))])
            register.put_sponsors(session, [changed, added])
        with store.read() as session:
            found = register.read(session)
        assert found.programme.name == "Renamed"
        assert [offer.terms.offer_id for offer in found.offers] == ["3"]
        assert dict(found.sponsors) == {LOY1: changed, LOY2: SPONSORS[LOY2], "LOY3": added}


EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 -- both sides of the difference are UTC
EPOCH_UTC = EPOCH.replace(tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
