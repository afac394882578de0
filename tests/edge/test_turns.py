"""Connections are taken in turns by those who listen on one socket; nobody waits long for one who does not answer."""

import asyncio
import errno
import socket
from contextlib import ExitStack, asynccontextmanager

import pytest

from amcash.edge import turns
from amcash.edge.turns import Acceptor, Board

ANSWERED_S = 20


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


class Holder(asyncio.Protocol):
    """One who listens: greets each connection with its name, and holds it."""

    def __init__(self, name, held):
        self.name, self.held = name, held

    def connection_made(self, transport):
        self.transport = transport
        self.held.add(self)
        transport.write(self.name)

    def connection_lost(self, _exc):
        self.held.discard(self)


@asynccontextmanager
async def taking(listener, board, place):
    """Give the set of connections that the one in this place holds, and how to say again how many they are."""
    held = set()
    with listener.dup() as own:  # one event loop watches a descriptor once
        acceptor = Acceptor(
            own, board, place, protocol=lambda: Holder(b"%d" % place, held), tls=None, held=lambda: len(held)
        )
        try:
            yield held, acceptor
        finally:
            await acceptor.close()
            for one in set(held):
                one.transport.abort()


async def connect(listener, stack):
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    stack.callback(writer.close)
    async with asyncio.timeout(ANSWERED_S):
        return await reader.read(1), writer


async def until(condition):
    async with asyncio.timeout(ANSWERED_S):
        while not condition():  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(0)


def run(work):
    asyncio.run(asyncio.wait_for(work, 3 * ANSWERED_S))


def test_a_burst_of_connections_is_shared_evenly(listener):
    async def work():
        board = Board(2)
        async with taking(listener, board, 0), taking(listener, board, 1):
            with ExitStack() as stack:
                names = [name for name, _ in await asyncio.gather(*(connect(listener, stack) for _ in range(40)))]
        assert sorted(names) == [b"0"] * 20 + [b"1"] * 20

    run(work())


def test_whoever_holds_fewer_catches_up(listener):
    async def work():
        board = Board(2)
        async with taking(listener, board, 0):
            with ExitStack() as stack:
                alone = [await connect(listener, stack) for _ in range(6)]
                async with taking(listener, board, 1) as (held, _):
                    together = [await connect(listener, stack) for _ in range(6)]
                    assert len(held) == 6
        assert [name for name, _ in alone] == [b"0"] * 6
        assert [name for name, _ in together] == [b"1"] * 6

    run(work())


def test_a_connection_that_ended_no_longer_counts(listener):
    async def work():
        board = Board(2)
        async with taking(listener, board, 0) as (held, acceptor), taking(listener, board, 1):
            with ExitStack() as stack:
                for _, writer in [
                    pair for pair in [await connect(listener, stack) for _ in range(6)] if pair[0] == b"0"
                ]:
                    writer.close()
                await until(lambda: not held)
                acceptor.tell()
                assert [name for name, _ in [await connect(listener, stack) for _ in range(3)]] == [b"0"] * 3

    run(work())


def test_one_that_holds_fewer_and_is_stuck_is_not_waited_for(listener):
    async def work():
        board = Board(2)
        board.write(1, 0)
        async with taking(listener, board, 0):
            with ExitStack() as stack:
                assert [name for name, _ in [await connect(listener, stack) for _ in range(5)]] == [b"0"] * 5

    run(work())


def test_a_vacant_place_and_one_that_closed_are_nobodys_competition():
    board = Board(3)
    board.write(1, 7)
    assert board.is_turn_of(1)
    board.write(2, 6)
    assert not board.is_turn_of(1)
    board.vacate(2)
    assert board.is_turn_of(1)


def test_whoever_closes_takes_no_more_and_answers_what_it_took(listener):
    async def work():
        board = Board(2)
        with ExitStack() as stack:
            async with taking(listener, board, 1) as (_, acceptor):
                first = asyncio.create_task(connect(listener, stack))
                await until(lambda: acceptor._arriving)  # between the taking and its being ready
                await acceptor.close()
                assert (await first)[0] == b"1"
                board.write(0, 99)
                assert board.is_turn_of(0)
                async with taking(listener, board, 0):
                    assert (await connect(listener, stack))[0] == b"0"

    run(work())


def test_where_the_system_has_no_room_it_is_tried_again_later(listener, monkeypatch):
    monkeypatch.setattr(turns, "NO_ROOM_S", 0.05)

    class Full:
        """A listener with no room, three times."""

        def __init__(self):
            self.refusals = 3

        def accept(self):
            if self.refusals:
                self.refusals -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return listener.accept()

        def __getattr__(self, name):
            return getattr(listener, name)

    async def work():
        held, full = set(), Full()
        acceptor = Acceptor(full, Board(1), 0, protocol=lambda: Holder(b"0", held), tls=None, held=lambda: len(held))
        with ExitStack() as stack:
            assert (await connect(listener, stack))[0] == b"0"
            assert full.refusals == 0
        await acceptor.close()

    run(work())
