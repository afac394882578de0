"""What operators configure: who sees a change, and which secrets and keys are live."""

import datetime as dt
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from amcash.domain.vocabulary import Cents, Outage, SigningKey
from amcash.ledger import register
from amcash.ledger.register import SECRETS_LIVE_MAX, Watch
from amcash.ledger.sqlite import SqliteStore
from amcash.ledger.store import StoreError
from ledger.examples import LOY1, LOY2, NOW, OFFER, PROGRAMME, SPONSORS

SECOND = dt.timedelta(seconds=1)
DIGESTS = [bytes([i]) * 32 for i in range(5)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path):
    store = SqliteStore(path, create=True)
    store.migrate()
    with store.write() as session:
        register.put_programme(session, PROGRAMME)
        register.put_offers(session, [OFFER])
        register.put_sponsors(session, SPONSORS.values())
        register.put_client(session, "till", [LOY1])
    yield store
    store.close()


@pytest.fixture
def other(store, path):  # noqa: ARG001 -- the ledger is made first
    other = SqliteStore(path)
    yield other
    other.close()


def read(store, **how):
    with store.read() as session:
        return register.read(session, **how)


def change(store, what, *values):
    with store.write() as session:
        what(session, *values)


# --- seeing changes ---


def test_a_watch_sees_another_connections_change_at_its_next_look(store, other):
    watch = Watch(other, read(other), sandbox=False, poll_s=60)
    change(store, register.put_programme, replace(PROGRAMME, daily_cap=Cents(1)))
    assert watch().programme.daily_cap == PROGRAMME.daily_cap
    watch.look()
    assert watch().programme.daily_cap == 1
    assert watch().version == read(store).version


def test_a_watch_reads_nothing_again_when_nothing_has_changed(store, other):
    first = read(other)
    watch = Watch(other, first, sandbox=False, poll_s=60)
    watch.look()
    assert watch() is first
    assert store is not other


def test_a_register_in_hand_is_not_changed_by_a_later_one(store, other):
    watch = Watch(other, read(other), sandbox=False, poll_s=60)
    before = watch()
    change(store, register.put_offers, [])
    watch.look()
    assert (before.offers, watch().offers) == ((OFFER,), ())


def test_a_watch_that_runs_sees_a_change_by_itself(store, other):
    watch = Watch(other, read(other), sandbox=False, poll_s=0.001)
    watch.start()
    try:
        change(store, register.put_outage, Outage(None))
        patience = threading.Event()
        for _ in range(10_000):
            if watch().outage is not None:
                break
            patience.wait(0.001)
        assert watch().outage == Outage(None)
    finally:
        watch.stop()


def test_a_watch_keeps_what_it_has_while_the_store_fails_and_looks_on(store, other):
    looked = threading.Semaphore(0)

    class FailsTwice:
        failures = 2

        @contextmanager
        def read(self):
            looked.release()
            if self.failures:
                self.failures -= 1
                raise StoreError("gone")
            with other.read() as session:
                yield session

    first = read(other)
    watch = Watch(FailsTwice(), first, sandbox=False, poll_s=0.001)
    change(store, register.put_offers, [])
    assert watch() is first
    watch.start()
    for _ in range(4):
        looked.acquire()
    watch.stop()
    assert watch().offers == ()


@pytest.mark.parametrize("trouble", [StoreError("gone"), ValueError("no such zone")])
def test_a_watch_outlives_a_look_that_fails_whatever_the_reason(store, other, trouble):
    looked = threading.Semaphore(0)

    class FailsOnce:
        failed = False

        @contextmanager
        def read(self):
            looked.release()
            if not self.failed:
                self.failed = True
                raise trouble
            with other.read() as session:
                yield session

    watch = Watch(FailsOnce(), read(other), sandbox=False, poll_s=0.001)
    change(store, register.put_offers, [])
    watch.start()
    for _ in range(3):
        looked.acquire()
    watch.stop()
    assert watch().offers == ()


def test_a_watch_in_a_sandbox_goes_on_to_see_the_secrets_of_the_file(store, other):
    watch = Watch(other, read(other, sandbox=True), sandbox=True, poll_s=60)
    change(store, register.put_sandbox_secret, "till", DIGESTS[0], NOW)
    watch.look()
    assert watch().clients["till"].secret_digests == (DIGESTS[0],)


# --- secrets ---


def test_two_secrets_of_a_client_are_live_at_most_the_newest(store):
    for i, digest in enumerate(DIGESTS):
        change(store, register.add_secret, "till", digest, NOW + i * SECOND)
        assert len(read(store).clients["till"].secret_digests) == min(i + 1, SECRETS_LIVE_MAX)
    assert set(read(store).clients["till"].secret_digests) == set(DIGESTS[-SECRETS_LIVE_MAX:])


def test_a_clients_new_secret_leaves_another_clients_alone(store):
    change(store, register.put_client, "console", [LOY2])
    change(store, register.add_secret, "console", DIGESTS[0], NOW)
    for i in range(1, 4):
        change(store, register.add_secret, "till", DIGESTS[i], NOW + i * SECOND)
    assert read(store).clients["console"].secret_digests == (DIGESTS[0],)


def test_a_sandbox_secret_lives_in_a_sandbox_only(store):
    change(store, register.put_sandbox_secret, "till", DIGESTS[0], NOW)
    assert read(store).clients["till"].secret_digests == ()
    assert read(store, sandbox=True).clients["till"].secret_digests == (DIGESTS[0],)


def test_a_sandbox_has_the_files_newest_secret_beside_the_real_ones(store):
    change(store, register.put_sandbox_secret, "till", DIGESTS[0], NOW)
    change(store, register.add_secret, "till", DIGESTS[1], NOW + SECOND)
    change(store, register.put_sandbox_secret, "till", DIGESTS[2], NOW + 2 * SECOND)
    assert set(read(store, sandbox=True).clients["till"].secret_digests) == {DIGESTS[1], DIGESTS[2]}
    assert read(store).clients["till"].secret_digests == (DIGESTS[1],)


def test_a_sandbox_secret_does_not_push_out_a_real_one(store):
    change(store, register.add_secret, "till", DIGESTS[0], NOW)
    change(store, register.put_sandbox_secret, "till", DIGESTS[1], NOW + SECOND)
    change(store, register.add_secret, "till", DIGESTS[2], NOW + 2 * SECOND)
    assert set(read(store).clients["till"].secret_digests) == {DIGESTS[0], DIGESTS[2]}


def test_a_disabled_client_stays_disabled_when_its_sponsors_change(store):
    change(store, register.disable_client, "till")
    change(store, register.put_client, "till", [LOY1, LOY2])
    found = read(store).clients["till"]
    assert (found.disabled, found.sponsors) == (True, (LOY1, LOY2))


def test_disabling_one_client_leaves_the_others(store):
    change(store, register.put_client, "console", [LOY2])
    change(store, register.disable_client, "till")
    assert [client.disabled for client in read(store).clients.values()] == [False, True]


# --- keys and outages ---


def test_a_new_key_signs_and_the_older_ones_only_verify(store):
    for i in range(3):
        change(store, register.add_key, SigningKey(f"k{i}", f"jwk {i}", NOW + i * SECOND, None))
    assert [(key.kid, key.retired_at) for key in read(store).keys] == [
        ("k2", None),
        ("k1", NOW + 2 * SECOND),
        ("k0", NOW + SECOND),
    ]


def test_a_key_does_not_show_its_secret_when_it_is_printed():
    assert "secret part" not in repr(SigningKey("kid", "secret part", NOW, None))


def test_an_outage_is_replaced_and_ended(store):
    change(store, register.put_outage, Outage(NOW))
    change(store, register.put_outage, Outage(NOW + SECOND))
    assert read(store).outage == Outage(NOW + SECOND)
    change(store, register.put_outage, None)
    assert read(store).outage is None
