"""Loading puts a population into a real ledger once, whole or not at all, and never touches a balance again."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from amcash.domain import rules
from amcash.domain.book import Book
from amcash.domain.transfers import NO_CHAIN
from amcash.domain.vocabulary import Collector, CollectorNumber, Enrolment, Miles, Wallet
from amcash.ledger import population, register
from amcash.ledger.population import Counts
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import StoreBusyError
from amcash.programme.toml_file import read_programme

NOW = datetime(2026, 7, 16, 17, 33, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
SAMPLE = Path(__file__).parents[2].joinpath("sample-programme.toml").read_text("utf-8")
FILE = read_programme(SAMPLE, sandbox=True)
TABLES = (
    "programme", "offer", "sponsor", "client", "client_secret", "collector", "transfer", "open_delivery", "outcome"
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "ledger.db", create=True)
    store.migrate()
    yield store
    store.close()


def rows(store, *tables):
    with store.read() as session:
        return {table: sorted(session.run(f"SELECT * FROM {table}"), key=repr) for table in tables}


def apply(store, file, now=NOW):
    with store.write() as session:
        return population.apply_programme(session, file, now)


def enrol(store, enrolments, now=NOW):
    with store.write() as session:
        return population.enrol(session, enrolments, now)


def collector(number, cash=0, dream=0, *flags):
    return Enrolment(CollectorNumber(number), Miles(cash), Miles(dream), *flags)


def one(store, number):
    with store.read() as session:
        (row,) = session.run(
            "SELECT active, show_balances, allow_redemption, cash, dream, transfers FROM collector WHERE number = ?",
            number,
        )
    return row


# --- a programme file ------------------------------------------------------------------------------------------------


def test_a_file_is_in_the_register_as_it_was_written(store):
    assert apply(store, FILE) == Counts(new=12)
    with store.read() as session:
        found = register.read(session, sandbox=True)
    assert found.programme == FILE.programme
    assert found.offers == FILE.offers
    assert tuple(found.sponsors.values()) == FILE.sponsors
    assert {item.client_id: (item.sponsors, item.secret_digests) for item in found.clients.values()} == {
        item.client_id: (item.sponsors, (hashlib.sha256(item.secret.encode()).digest(),)) for item in FILE.clients
    }


def test_a_secret_of_a_file_is_live_in_a_sandbox_only(store):
    apply(store, FILE)
    with store.read() as session:
        assert all(item.secret_digests == () for item in register.read_clients(session))


def test_loading_again_changes_no_row(store):
    apply(store, FILE)
    before = rows(store, *TABLES)
    assert apply(store, FILE, LATER) == Counts(same=12)
    assert rows(store, *TABLES) == before


def test_a_changed_file_changes_terms_sponsors_clients_and_flags_but_no_balance(store):
    apply(store, FILE)
    before = rows(store, "transfer")
    text = (
        SAMPLE.replace('"750.00"', '"500.00"')
        .replace('id = "1111111111"', 'id = "3333333333"')
        .replace('"Loyal Grocer"', '"Grocer"')
        .replace('secret = "sandbox-secret-of-loy1', 'secret = "another-secret-of-loy1')
        .replace("cash_miles = 1900\ndream_miles = 545\nactive = false", "cash_miles = 7\ndream_miles = 0")
    )
    assert apply(store, read_programme(text, sandbox=True), LATER) == Counts(changed=1, same=11, balances_left=1)
    assert one(store, "80000000014") == (1, 1, 1, 1900, 545, 2)
    assert rows(store, "transfer") == before
    with store.read() as session:
        found = register.read(session, sandbox=True)
    assert found.programme.daily_cap == 50_000
    assert [item.terms.offer_id for item in found.offers] == ["3333333333"]
    assert found.sponsors["LOY1"].name == "Grocer"
    (digest,) = found.clients["loy1-pos"].secret_digests
    assert digest == hashlib.sha256(b"another-secret-of-loy1-not-for-production").digest()


def test_a_sponsor_a_client_or_a_collector_that_a_file_no_longer_has_stays(store):
    apply(store, FILE)
    without = SAMPLE[: SAMPLE.index('[[sponsors]]\ncode = "LOY2"')]
    apply(store, read_programme(without, sandbox=True))
    with store.read() as session:
        found = register.read(session, sandbox=True)
    assert set(found.sponsors) == {"LOY1", "LOY2"}
    assert set(found.clients) == {"loy1-pos", "loy2-pos"}
    assert len(rows(store, "collector")["collector"]) == 12


def test_a_disabled_client_stays_disabled(store):
    apply(store, FILE)
    with store.write() as session:
        register.disable_client(session, "loy1-pos")
    apply(store, FILE)
    with store.read() as session:
        assert [item.disabled for item in register.read_clients(session)] == [True, False]


def test_a_secret_that_is_live_anyway_is_no_obstacle(store):
    apply(store, read_programme(SAMPLE.replace("\nsecret", "\n# secret"), sandbox=False))
    digest = hashlib.sha256(FILE.clients[0].secret.encode()).digest()
    with store.write() as session:
        register.add_secret(session, "loy1-pos", digest, NOW)
    apply(store, FILE)
    with store.read() as session:
        assert register.read_clients(session)[0].secret_digests == (digest,)


def test_what_breaks_in_the_middle_leaves_nothing_behind(store):
    before = rows(store, *TABLES)

    class OutOfPaper(Exception):  # noqa: N818
        pass

    class Breaking:
        programme, offers, sponsors, clients = FILE.programme, FILE.offers, FILE.sponsors, FILE.clients

        @property
        def enrolments(self):
            yield from FILE.enrolments[:5]
            raise OutOfPaper

    with pytest.raises(OutOfPaper):
        apply(store, Breaking())
    assert rows(store, *TABLES) == before


# --- collectors ------------------------------------------------------------------------------------------------------

SOME = [collector("3", 1900, 545), collector("1", 0, 7), collector("2", 95, 0, False), collector("4")]


def test_new_collectors_get_an_opening_transfer_for_each_wallet_that_is_not_empty(store):
    assert enrol(store, SOME) == Counts(new=4)
    with store.read() as session:
        found = list(
            session.run(
                "SELECT collector, seq, kind, wallet, source, target, miles, balance, previous FROM transfer "
                "ORDER BY collector, seq"
            )
        )
    assert [row[:-1] for row in found] == [
        ("1", 1, "opening", "dream", "programme:issued", "collector:1:dream", 7, 7),
        ("2", 1, "opening", "cash", "programme:issued", "collector:2:cash", 95, 95),
        ("3", 1, "opening", "cash", "programme:issued", "collector:3:cash", 1900, 1900),
        ("3", 2, "opening", "dream", "programme:issued", "collector:3:dream", 545, 545),
    ]
    assert [row[-1] == NO_CHAIN for row in found] == [True, True, True, False]
    assert one(store, "2") == (0, 1, 1, 95, 0, 1)
    assert one(store, "4") == (1, 1, 1, 0, 0, 0)


def test_the_rows_are_those_that_a_book_would_have_written(tmp_path, store):
    """So the chain verifies: `Book.enter` is what every other transfer goes through."""
    population.enrol_stream(store, SOME, NOW, batch_collectors_max=3)
    by_book = SqliteStore(tmp_path / "book.db", create=True)
    by_book.migrate()
    book = Book()
    for item in SOME:
        number = item.number
        book.collectors[number] = Collector(
            number, item.active, item.show_balances, item.allow_redemption, Miles(0), Miles(0), 0, NO_CHAIN
        )
        book.changed.add(number)
        for wallet, miles in ((Wallet.CASH, item.cash), (Wallet.DREAM, item.dream)):
            if miles:
                book.enter(rules.opening(book.collectors[number], wallet, miles, NOW))
    with by_book.write() as session:
        session.append(book)
    assert rows(store, "collector", "transfer") == rows(by_book, "collector", "transfer")
    by_book.close()


def test_of_a_collector_who_is_there_only_the_flags_change(store):
    enrol(store, SOME)
    before = rows(store, "transfer")
    again = [collector("3", 1, 1, False, False, False), collector("1", 9_999, 0), collector("5", 10)]
    assert enrol(store, again, LATER) == Counts(new=1, changed=1, same=1, balances_left=2)
    assert one(store, "3") == (0, 0, 0, 1900, 545, 2)
    assert one(store, "1") == (1, 1, 1, 0, 7, 1)
    assert [row for row in rows(store, "transfer")["transfer"] if row[0] != "5"] == before["transfer"]


def test_a_balance_that_was_spent_since_is_not_given_back(store):
    enrol(store, SOME)
    with store.write() as session:
        book = session.load(population.Needs(collectors={CollectorNumber("3")}))
        book.enter(rules.credit(book.collectors[CollectorNumber("3")], Wallet.CASH, -1900, "spent", LATER))
        session.append(book)
    assert enrol(store, SOME, LATER) == Counts(same=4, balances_left=1)
    assert one(store, "3")[3:] == (0, 545, 3)


def test_a_number_twice_in_a_batch_opens_once_and_the_last_flags_hold(store):
    twice = [collector("1", 5), collector("1", 7, 0, False), collector("1", 7, 0, False)]
    assert enrol(store, twice) == Counts(new=1, changed=1, same=1, balances_left=2)
    assert one(store, "1") == (0, 1, 1, 5, 0, 1)


# --- a stream --------------------------------------------------------------------------------------------------------


def test_a_stream_is_written_batch_by_batch_and_says_how_far_it_is(store):
    told = []
    many = [collector(str(number), number) for number in range(10)]
    assert population.enrol_stream(store, iter(many), NOW, batch_collectors_max=4, progress=told.append) == Counts(
        new=10
    )
    assert [counts.total for counts in told] == [4, 8, 10]


def test_a_stream_that_broke_is_finished_by_the_same_call(store):
    many = [collector(str(number), number) for number in range(10)]

    def broken():
        yield from many[:7]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        population.enrol_stream(store, broken(), NOW, batch_collectors_max=3)
    assert population.enrol_stream(store, many, LATER, batch_collectors_max=3) == Counts(new=4, same=6)
    assert population.enrol_stream(store, many, LATER, batch_collectors_max=3) == Counts(same=10)
    assert [row[4] for row in rows(store, "collector")["collector"]] == list(range(10))


def test_a_stream_of_nobody_is_done_at_once(store):
    assert population.enrol_stream(store, [], NOW) == Counts()


class Stubborn:
    """A store that is busy for a number of times."""

    def __init__(self, store, times):
        self.read = store.read
        self._write = store.write
        self.times = times

    def write(self):
        self.times -= 1
        if self.times >= 0:
            raise StoreBusyError("busy")
        return self._write()


def test_a_busy_ledger_is_tried_again_a_counted_number_of_times(store):
    assert population.enrol_stream(Stubborn(store, population.BUSY_RETRIES_MAX), SOME, NOW) == Counts(new=4)
    with pytest.raises(StoreBusyError):
        population.enrol_stream(Stubborn(store, population.BUSY_RETRIES_MAX + 1), SOME, NOW)


def test_one_who_was_enrolled_by_somebody_else_meanwhile_keeps_what_they_have(store):
    class Interrupted(Stubborn):
        def write(self):
            if self.times:
                self.times = 0
                enrol(store, [collector("3", 50)])
            return self._write()

    assert population.enrol_stream(Interrupted(store, 1), SOME, NOW) == Counts(new=3, same=1, balances_left=1)
    assert one(store, "3") == (1, 1, 1, 50, 0, 1)
