"""The connection: what is refused at opening, what happens when it is lost, and what a lost COMMIT leaves."""

import socket
import threading
import time
from dataclasses import replace

import psycopg
import pytest

from amcash.domain.vocabulary import Collector, Miles
from amcash.ledger import history, population, postgres, postgres_connection
from amcash.ledger import settle as settle_module
from amcash.ledger.postgres import PostgresStore, _numbered
from amcash.ledger.settle import BUSY_RETRIES_MAX, Settler
from amcash.ledger.store import (
    StoreBusyError,
    StoreConflictError,
    StoreError,
    StoreLostError,
    StoreUnusableError,
)
from ledger.examples import ANNA, BERT, NOW, REGISTER, balances, count, enrol, inquire, opened, redeem, reverse, settle
from postgres.cutting import wire


@pytest.fixture
def url(postgres):
    with postgres.ledger() as url:
        yield url


@pytest.fixture
def store(url):
    store = PostgresStore(url)
    enrol(store, (ANNA, 1900, 545), (BERT, 1900, 0))
    yield store
    store.close()


@pytest.fixture
def cuttable(url, store):  # noqa: ARG001 -- the ledger first
    """A wire, and a store at its end."""
    with wire(url) as cable:
        mine = PostgresStore(cable.url)
        yield cable, mine
        mine.close()


def settler(store):
    return Settler(store, lambda: REGISTER, lambda: NOW)


def codes(settled):
    return [type(item).__name__ if isinstance(item, StoreError) else str(item.outcome.code) for item in settled]


def refusal(url, **how):
    with pytest.raises(StoreUnusableError) as caught:
        PostgresStore(url, **how)
    assert "hunter2" not in repr(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- opening ---


def with_parts(url, **changes):
    parts = psycopg.conninfo.conninfo_to_dict(url)
    parts = {"password": "hunter2", **parts, **changes}
    return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{parts['dbname']}"


def test_a_database_that_is_not_there_is_a_sentence(url):
    assert "there is no such database" in refusal(with_parts(url, dbname="nowhere"))


def test_a_user_who_is_not_there_is_a_sentence(url):
    assert "the user" in refusal(with_parts(url, user="nobody_known"))


def test_a_server_that_is_down_is_a_sentence(url):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "nothing listens there" in refusal(with_parts(url, port=port))


def test_a_host_that_is_not_known_is_a_sentence(url):
    assert "host name is not known" in refusal(with_parts(url, host="no-such-host.invalid"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('FATAL:  password authentication failed for user "u"', "the password or the user is wrong"),
        ("fe_sendauth: no password supplied", "a password is needed"),
        ('FATAL:  no pg_hba.conf entry for host "::1", user "u", database "d", no encryption', "lets nobody in"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ("FATAL:  the database system is starting up", "starting up"),
        ("something new\nin two lines", "something new"),
    ],
)
def test_what_a_server_says_when_it_refuses_is_a_sentence(said, told):
    sentence = str(postgres_connection._unreachable("the database d at h:1", f'connection to server at "h": {said}'))
    assert told in sentence
    assert "\n" not in sentence


def test_a_server_that_does_not_answer_is_a_sentence_after_seconds(url):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert "no answer" in refusal(with_parts(url, port=silent.getsockname()[1]))
        assert time.monotonic() - began < 2 * postgres_connection.CONNECT_TIMEOUT_S + 1


@pytest.mark.parametrize("url", ["postgresql://u:hunter2%@h/d", "postgresql://u:hunter2@h:x:y/d?nonsense=hunter2"])
def test_an_url_that_cannot_be_read_is_a_sentence_without_its_password(url):
    refusal(url)


@pytest.mark.parametrize(("setting", "reason"), [("synchronous_commit", "lose redemptions")])
def test_a_server_that_may_lose_what_it_committed_is_refused_unless_that_is_wanted(url, setting, reason):
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET {setting} = off")
        try:
            assert f"{setting} = off" in refusal(url)
            assert reason in refusal(url)
            PostgresStore(url, unsafe_durability=True).close()
        finally:
            admin.execute(f"ALTER DATABASE {name} RESET {setting}")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_a_crash_can_damage_is_refused(url, monkeypatch, name):
    # Both are the whole server's: so ask for a setting that is off in their place.
    reasons = postgres_connection._DURABILITY
    monkeypatch.setattr(postgres_connection, "_DURABILITY", {"transaction_read_only": reasons[name]})
    assert "can damage" in refusal(url)


def test_a_database_with_another_encoding_is_refused(postgres):
    name = "amcash_test_latin"
    postgres.admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        assert "LATIN1" in refusal(with_parts(postgres.url, dbname=name))
    finally:
        postgres.admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_older_postgresql_is_refused(url, monkeypatch):
    monkeypatch.setattr(postgres_connection, "OLDEST_VERSION", 99)
    assert "99 or newer is needed" in refusal(url)


# --- a lost connection ---


def test_a_store_connects_again_by_itself_when_its_backend_was_ended(store, postgres, url):
    postgres.disconnect(url)
    with pytest.raises(StoreLostError):
        balances(store)
    assert balances(store) == (1900, 545)


def test_a_settler_does_not_even_notice_an_ended_backend(store, postgres, url):
    mine = settler(store)
    postgres.disconnect(url)
    assert codes(mine.settle([redeem(), redeem(BERT)])) == ["0000", "0000"]
    postgres.disconnect(url)
    assert codes(mine.consult([inquire()])) == ["0000"]


def test_a_connection_lost_in_the_midst_of_a_transaction_leaves_nothing_of_it(store, postgres, url):
    with pytest.raises(StoreLostError), store.write() as session:  # noqa: PT012 -- the moment is the point
        book = session.load(population.Needs(collectors={ANNA}))
        book.collectors[ANNA] = replace(book.collectors[ANNA], cash=Miles(1))
        book.changed.add(ANNA)
        session.append(book)
        postgres.disconnect(url)
    assert balances(store) == (1900, 545)


def test_a_statement_off_the_hot_path_that_loses_its_connection_says_so(store, postgres, url):
    with pytest.raises(StoreLostError), store.write() as session:  # noqa: PT012 -- the moment is the point
        session.run("SELECT 1")
        postgres.disconnect(url)
        session.run("SELECT 1")
    assert balances(store) == (1900, 545)


def test_while_the_server_is_away_commands_fail_at_once_and_when_it_is_back_they_work(cuttable):
    cable, store = cuttable
    cable.refusing = True
    cable.cut()
    began = time.monotonic()
    tries = 40
    for _ in range(tries):
        assert codes(settler(store).settle([redeem()])) in (["StoreLostError"], ["UnreachableError"])
    assert time.monotonic() - began < tries * 0.2
    cable.refusing = False
    deadline = time.monotonic() + 5 * postgres.RECONNECT_MAX_S
    while (settled := codes(settler(store).settle([redeem()]))) != ["0000"]:
        assert time.monotonic() < deadline, settled
        time.sleep(0.02)


def test_a_server_that_is_away_is_not_hammered(cuttable, monkeypatch):
    cable, store = cuttable
    tried = []
    connect = store._connect
    monkeypatch.setattr(store, "_connect", lambda: tried.append(time.monotonic()) or connect())
    cable.refusing = True
    cable.cut()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        settler(store).settle([redeem()])
    assert 2 <= len(tried) <= 6


def test_what_was_prepared_and_is_gone_is_prepared_anew(store):
    """As behind a pool that changes the backend."""
    assert codes(settler(store).settle([redeem(ANNA)])) == ["0000"]
    store._connection.driver.execute("DEALLOCATE ALL")
    assert codes(settler(store).settle([redeem(BERT)])) == ["0000"]


def test_what_was_prepared_and_whose_result_has_another_type_is_prepared_anew(store, url):
    """As after a migration beside a running server."""
    assert codes(settler(store).settle([redeem(ANNA)])) == ["0000"]
    with psycopg.connect(url, autocommit=True) as stranger:
        stranger.execute("ALTER TABLE collector ALTER cap_used TYPE integer")
        assert codes(settler(store).settle([redeem(BERT)])) == ["0000"]
        stranger.execute("ALTER TABLE collector ALTER cap_used TYPE bigint")  # the next test finds the same tables


def test_synchronous_commit_stays_on_where_it_is_switched_off_for_the_server(store):
    """A reload reaches what a session has not set itself, and an approval must outlive a crash (invariant 1)."""
    source = "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
    assert store._connection.driver.execute(source).fetchone() == ("on", "session")


def test_a_server_that_falls_silent_counts_as_lost(store, monkeypatch, url):
    monkeypatch.setattr(postgres_connection, "ANSWER_TIMEOUT_MS", 100)
    with psycopg.connect(url) as strangers:
        strangers.execute("SELECT FROM collector FOR UPDATE")
        with pytest.raises(StoreLostError):
            settle(store, redeem())
    assert balances(store) == (1900, 545)


# --- a COMMIT whose answer was lost ---


def test_a_commit_whose_answer_was_lost_is_looked_up_and_the_miles_are_taken_once(cuttable, url):
    cable, store = cuttable
    mine = settler(store)
    assert codes(mine.settle([redeem(trace="before")])) == ["0000"]
    cable.cut_the_next_commits = 1
    (decision,) = mine.settle([redeem(key="k")])
    assert cable.cuts == 1
    assert (str(decision.outcome.code), decision.replayed) == ("0000", True)
    other = PostgresStore(url)
    assert balances(other) == (1900 - 2 * 95, 545)
    with other.read() as session:
        newest = history.entries(session, ANNA, 1)[0]
    assert newest.context.confirmation == decision.outcome.confirmation
    other.close()


def test_a_whole_batch_whose_commits_answer_was_lost_is_looked_up(cuttable):
    cable, store = cuttable
    mine = settler(store)
    (made,) = mine.settle([redeem(BERT, trace="before")])
    cable.cut_the_next_commits = 1
    commands = [redeem(), redeem(BERT), reverse(made.outcome.confirmation, BERT), redeem(dollars=500), inquire()]
    assert codes(mine.settle(commands)) == ["0000", "0000", "0000", "0051", "0000"]
    assert cable.cuts == 1
    assert balances(store, ANNA) == (1805, 545)
    assert balances(store, BERT) == (1805, 0)


def test_a_store_says_that_it_does_not_know_whether_a_commit_happened(cuttable, url):
    cable, store = cuttable
    cable.cut_the_next_commits = 1
    with pytest.raises(StoreLostError):
        settle(store, redeem())
    other = PostgresStore(url)
    assert balances(other) == (1805, 545)  # it did
    other.close()


def test_a_commit_whose_answer_is_lost_again_and_again_is_a_failure_and_the_tills_retry_finds_the_outcome(cuttable):
    cable, store = cuttable
    mine = settler(store)
    cable.cut_the_next_commits = 1 + BUSY_RETRIES_MAX
    assert codes(mine.settle([redeem(key="k")])) == ["StoreLostError"]
    (decision,) = mine.settle([redeem(key="k")])
    assert (str(decision.outcome.code), decision.replayed) == ("0000", True)
    assert balances(store) == (1805, 545)


# --- locks ---


def test_the_waits_of_one_batch_fit_into_a_requests_time_budget():
    assert (1 + BUSY_RETRIES_MAX) * postgres_connection.LOCK_TIMEOUT_MS < 5_000
    assert (1 + BUSY_RETRIES_MAX) * postgres_connection.STATEMENT_TIMEOUT_MS < 5_000


def test_several_locks_one_after_another_are_one_wait(store, url):
    numbers = [str(80000000010 + i) for i in range(4)]
    enrol(store, *((number, 100, 0) for number in numbers))
    store._connection.driver.execute("SET statement_timeout = 200")
    strangers = [psycopg.connect(url) for _ in numbers]
    for number, stranger in zip(numbers, strangers, strict=True):
        stranger.execute("SELECT FROM collector WHERE number = %s FOR UPDATE", [number])
    with pytest.raises(StoreBusyError):
        settle(store, *(redeem(number) for number in numbers))
    for stranger in strangers:
        stranger.close()


def test_batches_that_share_collectors_in_any_order_never_deadlock(url, store):  # noqa: ARG001 -- the ledger first
    def serve(numbers, answers):
        mine = PostgresStore(url)
        for trace in range(15):
            commands = [redeem(number, trace=f"{numbers[0]}-{trace}", key=f"{id(mine)}-{trace}") for number in numbers]
            answers.extend(codes(settler(mine).settle(commands)))
        mine.close()

    answers = []
    threads = [threading.Thread(target=serve, args=(pair, answers)) for pair in ((ANNA, BERT), (BERT, ANNA)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(set(answers)) == ["0000", "0051"]
    assert answers.count("0000") == 2 * 20


def test_a_row_that_somebody_else_holds_fails_its_own_collector_alone(store, url):
    """Invariant 4: a session that was left open, a server that was stopped in the midst of a batch."""
    store._connection.driver.execute("SET lock_timeout = 200")
    enrol(store, *((str(80000000010 + i), 1900, 0) for i in range(4)))
    with psycopg.connect(url) as stranger:
        stranger.execute("SELECT FROM collector WHERE number = %s FOR UPDATE", [ANNA])
        batch = [redeem("80000000010"), redeem(ANNA), redeem("80000000011"), redeem(ANNA, trace="2"), redeem(BERT)]
        met = settler(store)
        assert codes(met.settle(batch)) == ["0000", "StoreLockedError", "0000", "StoreLockedError", "0000"]
        store._connection.driver.execute("SET lock_timeout = 0")  # another wait would have no end
        assert codes(met.settle([*batch[:2], redeem(BERT, trace="2")])) == ["0000", "StoreLockedError", "0000"]
    assert codes(settler(store).settle(batch)) == ["0000"] * len(batch)
    assert (balances(store, ANNA), balances(store, BERT)) == ((1900 - 2 * 95, 545), (1900 - 2 * 95, 0))


def test_of_a_batch_whose_rows_are_all_held_only_so_many_are_tried_alone(store, url, monkeypatch):
    monkeypatch.setattr(settle_module, "LOCKED_MAX", 2)
    begun = []
    write = store.write
    monkeypatch.setattr(store, "write", lambda **how: begun.append(how["patient"]) or write(**how))
    store._connection.driver.execute("SET lock_timeout = 50")
    with psycopg.connect(url) as stranger:
        stranger.execute("SELECT FROM collector FOR UPDATE")
        settled = settler(store).settle([redeem(ANNA, trace=str(trace)) for trace in range(5)])
    assert codes(settled) == ["StoreLockedError"] * 5
    assert begun == [True, False, False]


def test_a_change_off_the_hot_path_waits_for_the_one_before(store, url, monkeypatch):
    limit = str(postgres_connection.CHANGE_LOCK_TIMEOUT_MS)
    monkeypatch.setattr(postgres, "FREELY", postgres.FREELY.replace(limit, "50"))
    other = PostgresStore(url)
    with store.write() as session:
        session.run("UPDATE client SET disabled = 0")
        with pytest.raises(StoreBusyError), other.write() as second:
            second.run("UPDATE sponsor SET name = name")
    with other.write() as second:
        second.run("UPDATE sponsor SET name = name")
    other.close()


# --- enrolling at the same moment ---


@pytest.mark.parametrize("miles", [0, 100])
def test_a_collector_whom_two_enrol_at_once_is_enrolled_once_and_the_second_is_told_to_try_again(store, url, miles):
    other = PostgresStore(url)
    needs = population.Needs(collectors={"80000000077"})
    with pytest.raises(StoreBusyError, match="same collector"), store.write() as late:  # noqa: PT012 -- as above
        assert late.load(needs).collectors == {}
        with other.write() as early:
            early.load(needs)
            early.append(opened(("80000000077", miles, 0)))
        settle(other, redeem())
        late.append(opened(("80000000077", miles, 0)))
    assert balances(store, "80000000077") == (miles, 0)
    other.close()


def test_a_collector_who_is_there_is_never_overwritten_by_one_who_was_not_read(store):
    blank = Collector(ANNA, True, True, True, Miles(0), Miles(0), 0, bytes(32))
    with pytest.raises(StoreConflictError), store.write() as session:
        session.append(_book_of(blank))
    assert balances(store) == (1900, 545)


def _book_of(collector):
    book = opened()
    book.collectors[collector.number] = collector
    book.changed.add(collector.number)
    return book


# --- statements off the hot path ---


def test_a_read_transaction_cannot_write(store):
    with pytest.raises(StoreError, match="read-only"), store.read() as session:
        session.run("UPDATE heartbeat SET at = 1")


def test_a_transaction_inside_a_transaction_is_a_store_error_and_the_outer_one_goes_on(store):
    with store.write() as session:
        with pytest.raises(StoreError), store.read():
            pass
        session.append(opened(("80000000077", 7, 0)))
    assert balances(store, "80000000077") == (7, 0)


def test_streams_of_one_snapshot_run_side_by_side_and_past_what_is_fetched_at_once(store, url, monkeypatch):
    monkeypatch.setattr(postgres, "FETCH_ROWS", 3)
    enrol(store, *((str(90000000000 + i), i, 0) for i in range(1, 10)))
    other = PostgresStore(url)
    with store.read() as session:
        collectors = session.run("SELECT number FROM collector ORDER BY number")
        transfers = session.run("SELECT collector FROM transfer WHERE wallet = ? ORDER BY collector", "cash")
        pairs = []
        for (left,), (right,) in zip(collectors, transfers, strict=True):
            if not pairs:
                enrol(other, ("95000000000", 1, 0))
            pairs.append((left, right))
    assert len(pairs) == 11
    assert all(left == right for left, right in pairs)
    other.close()


def test_what_was_appended_is_seen_by_a_statement_of_the_same_transaction(store):
    with store.write() as session:
        session.append(opened(("80000000077", 7, 0)))
        assert list(session.run("SELECT cash FROM collector WHERE number = ?", "80000000077")) == [(7,)]
        session.append(opened(("80000000078", 8, 0)))
        assert session.load(population.Needs(collectors={"80000000078"})).collectors["80000000078"].cash == 8
    assert count(store, "collector") == 4


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT ? + ?", "SELECT $1 + $2"),
        ("SELECT '?', ?, 'it''s ?', ?", "SELECT '?', $1, 'it''s ?', $2"),
        ("a LIKE '%?' AND b = ?", "a LIKE '%?' AND b = $1"),
    ],
)
def test_a_question_mark_is_a_place_except_in_quotes(written, sent):
    assert _numbered(written) == sent


@pytest.mark.parametrize(
    "text", ['"', "\\", "{}", ",", "NULL", "null", "", " ", 'a"b\\c,{d}', "é\U0001f600", "\t", "'"]
)
def test_any_text_survives_an_array(store, text):
    enrol(store, (ANNA + "1", 100, 0))
    command = redeem(ANNA + "1", trace="x" + text, key="k")
    settle(store, command)
    with store.read() as session:
        (entry,) = history.entries(session, ANNA + "1", 1)
        (found,) = session.load(population.Needs(keys={command.key})).recorded.values()
    assert entry.context.trace == "x" + text
    assert found.digest == command.digest


def test_a_statement_that_could_not_be_prepared_does_not_spoil_the_others_of_its_flush(store, url):  # noqa: ARG001
    with psycopg.connect(url, autocommit=True) as strangers:
        strangers.execute("ALTER TABLE outcome RENAME TO outcome_gone")
        try:
            fresh = PostgresStore(url)
            for _ in range(2):
                with pytest.raises(StoreError, match="outcome"):
                    settle(fresh, redeem())
        finally:
            strangers.execute("ALTER TABLE outcome_gone RENAME TO outcome")
    settle(fresh, redeem())
    assert balances(fresh) == (1805, 545)
    fresh.close()
