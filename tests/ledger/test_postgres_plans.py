"""What PostgreSQL makes of the hot statements: by index alone, one collector's rows alone, however large the tables."""

import datetime as dt
import json
import re
import threading

import psycopg
import pytest

from amcash.domain.book import Book, Needs
from amcash.domain.commands import Cancel
from amcash.ledger import postgres as store_module
from amcash.ledger.handover import Marks
from amcash.ledger.postgres import HOT_STATEMENTS, PostgresStore
from amcash.ledger.settle import Settler
from amcash.ledger.store import StoreBusyError
from ledger.examples import ANNA, NOW, REGISTER, balances, count, enrol, redeem, settle

GRACE = dt.timedelta(seconds=30)

LED_BY = {"collector": "number", "transfer": "collector", "outcome": "collector", "open_delivery": "collector"}
"""The column of each table that holds the collector number."""
LARGE = """
INSERT INTO collector SELECT n::text, 1, 1, 1, 1, 1, 1, NULL, 0, '\\x{zeros}' FROM generate_series(10000, 14999) AS n;
INSERT INTO transfer (collector, seq, kind, wallet, source, target, miles, balance, at, confirmation, previous)
    SELECT n::text, 1, 'redemption', 'cash', 'a', 'b', 1, 1, 1, n::text, '\\x{zeros}'
    FROM generate_series(10000, 14999) AS n;
INSERT INTO outcome SELECT n::text, 'LOY1', 'redeem', 'k' || n, 1, '\\x{zeros}', 1, '0000', n::text, '', ''
    FROM generate_series(10000, 14999) AS n;
INSERT INTO open_delivery SELECT n::text, n::text, 'LOY1', 'k' || n, 1 FROM generate_series(10000, 14999) AS n;
ANALYZE
""".format(zeros="00" * 32)


@pytest.fixture
def url(postgres):
    with postgres.ledger() as url:
        yield url


@pytest.fixture
def store(url):
    store = PostgresStore(url)
    yield store
    store.close()


def plan(store, statement):
    """Return the plan that the connection keeps for a statement, as a flat list of nodes."""
    driver = store._connection.driver
    arrays = re.findall(r"\$\d+::(\w+)\[\]", statement.sql.decode())
    if not driver.execute("SELECT FROM pg_prepared_statements WHERE name = 'shown'").fetchall():
        types = ", ".join(f"{kind}[]" for kind in arrays)
        driver.execute(f"PREPARE shown ({types}) AS {statement.sql.decode()}")
    ((text,),) = driver.execute(
        f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE shown ({', '.join(['NULL'] * len(arrays))})"
    ).fetchall()
    found = json.loads(text) if isinstance(text, str) else text
    nodes, waiting = [], [found[0]["Plan"]]
    while waiting:
        nodes.append(waiting.pop())
        waiting += nodes[-1].get("Plans", ())
    return nodes


def fill(store):
    driver = store._connection.driver
    for sql in LARGE.split(";"):
        driver.execute(sql)


def grown_since(url):
    """Grow the tables with nobody telling the planner: the plan that was kept is the plan that runs."""
    with psycopg.connect(url) as strangers:
        for sql in LARGE.replace("ANALYZE", "SELECT 1").split(";"):
            strangers.execute(sql)


@pytest.mark.parametrize("size", ["empty", "grown", "prepared while empty, then grown", "analysed while empty"])
@pytest.mark.parametrize("statement", HOT_STATEMENTS, ids=lambda item: item.name.decode())
def test_a_hot_statement_reads_by_index_with_the_collector_number_bound(store, url, statement, size):
    if size == "grown":
        fill(store)
    elif size == "analysed while empty":  # collectors are there, and the planner knows of nothing else
        store._connection.driver.execute(LARGE.split(";")[0])
        with psycopg.connect(url, autocommit=True) as strangers:
            strangers.execute("VACUUM ANALYZE")
        plan(store, statement)
    elif size != "empty":
        plan(store, statement)
        grown_since(url)
    nodes = plan(store, statement)
    assert not {node["Node Type"] for node in nodes} & {"Seq Scan", "Hash Join", "Merge Join", "Bitmap Heap Scan"}
    touched = [node for node in nodes if node.get("Relation Name") in LED_BY]
    assert touched
    for node in touched:
        column = LED_BY[node["Relation Name"]]
        if node["Node Type"] == "ModifyTable":
            assert_bound_when_written(statement, node, column)
        else:
            assert node["Node Type"] in {"Index Scan", "Index Only Scan"}
            assert re.search(rf"\b{column} = ", node["Index Cond"]), node["Index Cond"]


def assert_bound_when_written(statement, node, column):
    """An insertion names the collector's column first and takes it from the first array; an update joins on it."""
    sql = statement.sql.decode()
    if node["Operation"] == "Insert":
        assert re.search(rf"INSERT INTO \w+ \({column}, .*SELECT \* FROM unnest\(\$1::text\[\]", sql)
    else:
        bound = rf"WHERE {node['Relation Name']}\.{column} = (new\.number|ANY \(\$1)"
        assert re.search(bound, sql), sql


def test_every_statement_of_the_module_that_touches_a_collector_is_among_those_tested():
    statements = [item for item in vars(store_module).values() if isinstance(item, store_module.Statement)]
    about = {
        item.name for item in statements if re.search(r"\b(collector|transfer|outcome|open_delivery)\b", str(item.sql))
    }
    assert about == {item.name for item in HOT_STATEMENTS}


def test_every_table_about_a_collector_has_the_number_first_in_its_keys(store):
    with store.read() as session:
        rows = list(
            session.run(
                "SELECT relation.relname, attribute.attname FROM pg_index JOIN pg_class relation "
                "ON relation.oid = indrelid JOIN pg_attribute attribute ON attrelid = indrelid AND attnum = indkey[0] "
                "WHERE relnamespace = 'public'::regnamespace AND relname IN "
                "('collector', 'transfer', 'outcome', 'open_delivery')"
            )
        )
    assert {table for table, _ in rows} == {*LED_BY}
    assert {column for table, column in rows if table != "collector"} == {"collector"}
    assert {column for table, column in rows if table == "collector"} == {"number"}


def test_the_texts_order_as_their_bytes_do_whatever_the_database_collates_like(store):
    with store.read() as session:
        others = list(
            session.run(
                "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
                "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'migration' "
                "AND atttypid = 'text'::regtype AND attcollation <> '\"C\"'::regcollation"
            )
        )
    assert others == []


def test_a_batch_is_two_round_trips(store, monkeypatch):
    enrol(store, (ANNA, 1900, 0))
    settle(store, redeem(trace="first"))
    sent = []
    exchange = store._connection.exchange
    monkeypatch.setattr(
        store._connection, "exchange", lambda queue: sent.append([item.name for item, _ in queue]) or exchange(queue)
    )
    settle(store, redeem(trace="1"), redeem(trace="2"), numbers=["2000000000000000", "2000000000000001"])
    assert sent == [
        [b"begin", b"lock_collectors", b"read_outcomes"],
        [b"insert_transfers", b"insert_outcomes", b"update_collectors", b"commit"],
    ]


def test_a_batch_with_deliveries_and_marks_is_two_round_trips_too(store, monkeypatch):
    enrol(store, (ANNA, 1900, 0))
    (before,) = settle(store, redeem(trace="first"), grace=GRACE)
    sent = []
    exchange = store._connection.exchange
    monkeypatch.setattr(
        store._connection, "exchange", lambda queue: sent.append([item.name for item, _ in queue]) or exchange(queue)
    )
    marks = Marks()
    marks.add(ANNA, before.outcome.confirmation)
    Settler(store, lambda: REGISTER, lambda: NOW, grace=GRACE, marks=marks).settle([redeem(trace="2")])
    assert sent == [
        [b"begin", b"lock_collectors", b"read_outcomes"],
        [
            *(b"insert_transfers", b"insert_outcomes", b"update_collectors"),
            *(b"open_deliveries", b"close_deliveries", b"commit"),
        ],
    ]


def test_a_piece_of_a_purge_reads_its_own_pages_alone(store, url):
    fill(store)
    with psycopg.connect(url) as strangers:
        rows = strangers.execute(
            "EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF, COSTS OFF) DELETE FROM outcome "
            "WHERE ctid >= '(0,0)' AND ctid < '(8,0)' AND at < 2"
        ).fetchall()
        strangers.rollback()
    assert "Tid Range Scan on outcome" in " ".join(line for (line,) in rows)


def test_a_cancellation_waits_for_a_mark_that_is_under_way_and_then_does_nothing(store, url):
    """R-DLV-4: a mark holds no collector's lock, so the delivery's own row is what both wait for."""
    enrol(store, (ANNA, 1900, 0))
    (made,) = settle(store, redeem(), grace=GRACE)
    one = (ANNA, made.outcome.confirmation)
    decisions = []
    other = PostgresStore(url)
    thread = threading.Thread(target=lambda: decisions.extend(settle(other, Cancel(*one), now=NOW + GRACE)))
    with psycopg.connect(url, autocommit=True) as strangers:
        with store.write() as session:
            session.append(Book(closed={one}))
            session.run("SELECT 1")  # what is appended is sent now
            thread.start()
            while not strangers.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                assert thread.is_alive()
        thread.join()
    other.close()
    assert [decision.entry for decision in decisions] == [None]
    assert balances(store) == (1805, 0)


def test_a_deadlock_is_worth_another_try(store, url):
    """R-DLV-4: who marks holds no collector's lock, so a mark and a cancellation can wait for each other."""
    enrol(store, (ANNA, 1900, 0))
    made = settle(store, redeem(trace="1"), redeem(trace="2"), grace=GRACE)
    rows = [(ANNA, decision.outcome.confirmation) for decision in made]
    lock = "SELECT FROM open_delivery WHERE confirmation = %s FOR UPDATE"
    with psycopg.connect(url) as strangers:
        strangers.execute("SET deadlock_timeout = '10s'")  # so that it is the store that is told
        strangers.execute(lock, [rows[1][1]])
        ends = threading.Event()

        def cross():
            ends.wait()
            strangers.execute(lock, [rows[0][1]])

        thread = threading.Thread(target=cross)
        thread.start()
        try:
            with pytest.raises(StoreBusyError), store.write() as session:  # noqa: PT012 -- the order is the test
                session.load(Needs(deliveries={rows[0]}))
                ends.set()
                session.append(Book(closed={rows[1]}))
                session.run("SELECT 1")
        finally:
            thread.join()
            strangers.rollback()


def test_truncating_does_not_get_round_the_append_only_ledger(store, url):
    enrol(store, (ANNA, 1900, 0))
    with psycopg.connect(url) as strangers, pytest.raises(psycopg.IntegrityError, match="append-only"):
        strangers.execute("TRUNCATE transfer")
    assert balances(store) == (1900, 0)
    assert count(store, "transfer") == 1


@pytest.mark.parametrize("numbers", [(2,), (1, 3), (1, 2, 4), (3, 1)])
def test_a_gap_is_refused_inside_one_insertion_too(url, numbers):
    columns = "collector, seq, kind, wallet, source, target, miles, balance, at, previous"
    rows = ", ".join(f"('7', {number}, 'opening', 'cash', 'a', 'b', 1, 1, 1, sha256(''))" for number in numbers)
    with psycopg.connect(url) as strangers, pytest.raises(psycopg.IntegrityError, match="must follow"):
        strangers.execute(f"INSERT INTO transfer ({columns}) VALUES {rows}")


def test_one_insertion_may_bring_a_whole_chain_in_any_order(url):
    columns = "collector, seq, kind, wallet, source, target, miles, balance, at, previous"
    rows = ", ".join(f"('7', {number}, 'opening', 'cash', 'a', 'b', 1, 1, 1, sha256(''))" for number in (3, 1, 2))
    with psycopg.connect(url) as strangers:
        strangers.execute(f"INSERT INTO transfer ({columns}) VALUES {rows}")
        strangers.rollback()
