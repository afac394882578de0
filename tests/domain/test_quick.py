"""A quick value is the frozen dataclass that it was, but for what refused a change at run time."""

import pickle
from dataclasses import dataclass, field, fields, replace

import pytest

from amcash.domain.quick import quick


@quick
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    names: list[str] = field(default_factory=list, compare=False, kw_only=True)
    seen: int = field(init=False, default=0)

    def __post_init__(self):
        if self.x < 0:
            raise ValueError("x must not be negative")
        object.__setattr__(self, "seen", self.x + self.y)


def test_it_is_built_with_its_defaults_and_checked():
    point = Point(1, names=["a"])
    assert (point.x, point.y, point.names, point.seen) == (1, 2, ["a"], 3)
    with pytest.raises(ValueError, match="negative"):
        Point(-1)
    with pytest.raises(TypeError):
        Point(1, 2, ["not by position"])


def test_it_compares_hashes_and_is_altered_as_before():
    assert Point(1, 2) == Point(1) != Point(1, 3)
    assert hash(Point(1)) == hash(Point(1, names=["other"]))
    assert replace(Point(1), y=5) == Point(1, 5)
    assert [item.name for item in fields(Point)] == ["x", "y", "names", "seen"]


def test_it_is_pickled_with_the_fields_that_it_has_and_nothing_is_worked_out_again():
    point = Point(1, names=["a"])
    object.__setattr__(point, "seen", 17)
    again = pickle.loads(pickle.dumps(point))  # noqa: S301 -- it is our own
    assert (again.x, again.y, again.names, again.seen) == (1, 2, ["a"], 17)


def test_it_keeps_its_slots():
    with pytest.raises(AttributeError):
        Point(1).z = 3


def test_each_default_factory_makes_its_own():
    first, second = Point(1), Point(1)
    first.names.append("a")
    assert second.names == []
