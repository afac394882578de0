"""What all commands share: a change whose end nobody knows."""

from contextlib import contextmanager

import pytest

from amcash.cli import options
from amcash.ledger.store import StoreLostError


class Losing:
    """A store whose connection breaks at a moment."""

    def __init__(self, moment):
        self.moment = moment

    @contextmanager
    def write(self):
        yield self
        if self.moment == "commit":
            raise StoreLostError("the connection was lost")

    def run(self):
        raise StoreLostError("the connection was lost")


def test_a_change_whose_commit_was_lost_is_not_said_to_have_failed():
    """Whoever repeats a credit that was made makes it twice."""
    with (
        pytest.raises(StoreLostError, match=r"was lost\. It is not known whether the change was made: look before"),
        options.transaction(Losing("commit")),
    ):
        pass


def test_a_change_that_was_lost_before_its_commit_was_not_made():
    with pytest.raises(StoreLostError, match=r"was lost$"), options.transaction(Losing("statement")) as session:
        session.run()
