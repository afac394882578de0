"""Values that are built by the dozen for each request: frozen for whoever checks types, quick to build and pickle."""

from dataclasses import MISSING, field, fields, make_dataclass
from operator import attrgetter
from typing import Any, TypeVar

Value = TypeVar("Value", bound=type)


def quick(frozen: Value) -> Value:
    """Make a frozen dataclass of two fields or more three times as quick to build, and to pickle.

    A frozen dataclass sets each of its fields by a call, so that nobody can change one later. This takes the call away,
    and with it what refused a change at run time: the type checker refuses it still. Equality, hash and slots stay.
    A value that is unpickled has the fields it had; nothing is worked out again.
    """
    again: list[tuple[str, Any, Any]] = []
    for item in fields(frozen):
        options: dict[str, Any] = {"init": item.init, "kw_only": item.kw_only}
        if item.default is not MISSING:
            options["default"] = item.default
        if item.default_factory is not MISSING:
            options["default_factory"] = item.default_factory
        again.append((item.name, item.type, field(**options)))
    post_init = {"__post_init__": frozen.__post_init__} if hasattr(frozen, "__post_init__") else {}
    frozen.__init__ = make_dataclass(frozen.__name__, again, namespace=post_init).__init__  # type: ignore[misc]
    of_every_field: Any = make_dataclass(frozen.__name__, [(item.name, item.type) for item in fields(frozen)])
    values_of = attrgetter(*(item.name for item in fields(frozen)))

    def getstate(value: object) -> Any:
        return values_of(value)

    def setstate(value: object, values: tuple[Any, ...]) -> None:
        of_every_field.__init__(value, *values)

    frozen.__getstate__ = getstate  # type: ignore[assignment]
    frozen.__setstate__ = setstate  # type: ignore[attr-defined]
    del frozen.__setattr__
    del frozen.__delattr__
    return frozen
