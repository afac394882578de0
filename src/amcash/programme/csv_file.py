"""Collectors from a CSV file, one at a time: the only home of what such a file may look like (programme.md).

A million rows pass through `read_collectors`, so its loop does per row only what every row needs.
"""

import csv
import heapq
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from difflib import get_close_matches
from itertools import islice, product
from tempfile import TemporaryFile
from typing import NoReturn, Self, TextIO

from amcash.domain.vocabulary import CollectorNumber, Enrolment, Miles, has_check_digit
from amcash.programme.collector import MILES_MAX, NOT_A_NUMBER, NOT_CHECKED, NUMBER_PATTERN

COLUMNS = ("number", "cash_miles", "dream_miles", "active", "show_balances", "allow_redemption")
"""The keys of a [[collectors]] table; only `number` is required, in any order."""

RUN_COLLECTORS_MAX = 100_000
"""How many collectors are sorted in memory at a time: some 40 MB."""

_Fields = tuple[int, str, int, int, bool, bool, bool]
"""The line that a row ends in, and the values of COLUMNS."""

_DEFAULTS = ("0", "0", "true", "true", "true")
"""For the columns behind `number`."""

_NUMBER = re.compile(NUMBER_PATTERN).fullmatch
_MILES = re.compile("[0-9]{1,13}").fullmatch
_ANSWERS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_FLAGS = {f"{a:d}{b:d}{c:d}\n": (a, b, c) for a, b, c in product((True, False), repeat=3)}

_NOT_MILES = f"must be a whole number, 0 to {MILES_MAX}"
_NOT_AN_ANSWER = "must be true or false (or yes or no, 1 or 0)"


class CollectorFileError(Exception):
    """A mistake in a collector file. `str` of it is a sentence that repeats no value of the file (R-AUTH-4).

    Attributes:
        line: where in the file, from 1.
        column: the header's name, or None where the whole line is meant.
        sentence: what is wrong.
    """

    def __init__(self, line: int, column: str | None, sentence: str) -> None:
        where = f"line {line}" if column is None else f"line {line}, column {column}"
        super().__init__(f"{where}: {sentence}")
        self.line = line
        self.column = column
        self.sentence = sentence


def read_collectors(lines: Iterable[str], *, check_digit: bool = False) -> Iterator[Enrolment]:
    """Read collectors as they are asked for; memory does not grow with the file.

    Args:
        lines: such as an open text file gives.
        check_digit: whether numbers must carry one (R-FIELD).

    Raises:
        CollectorFileError: at the first row that is wrong; the rows before it have been handed out.
    """
    for _line, number, cash, dream, active, shows, allows in _read(lines, check_digit=check_digit):
        yield Enrolment(CollectorNumber(number), Miles(cash), Miles(dream), active, shows, allows)


def _read(lines: Iterable[str], *, check_digit: bool) -> Iterator[_Fields]:
    rows = _Rows(lines)
    header = rows.header()
    width = len(header)
    # Columns that the file leaves out are read from behind each row, where their defaults are put.
    number_at, cash_at, dream_at, *flags_at = (
        header.index(name) if name in header else width + place - 1 for place, name in enumerate(COLUMNS)
    )
    active_at, shows_at, allows_at = flags_at
    answers = _ANSWERS
    for row in rows:
        if len(row) != width:
            if not row:
                continue  # an empty line
            rows.fail(None, f"has {_count(len(row))} where the header has {width}")
        row.extend(_DEFAULTS)
        number, cash, dream = row[number_at], row[cash_at], row[dream_at]
        if not _NUMBER(number):
            rows.fail("number", NOT_A_NUMBER)
        if check_digit and not has_check_digit(number):
            rows.fail("number", NOT_CHECKED)
        if not _MILES(cash) or (cash_miles := int(cash)) > MILES_MAX:
            rows.fail("cash_miles", _NOT_MILES)
        if not _MILES(dream) or (dream_miles := int(dream)) > MILES_MAX:
            rows.fail("dream_miles", _NOT_MILES)
        try:
            active, shows, allows = answers[row[active_at]], answers[row[shows_at]], answers[row[allows_at]]
        except KeyError:
            active, shows, allows = (
                rows.answer(row[place], name) for place, name in zip(flags_at, COLUMNS[3:], strict=True)
            )
        yield rows.line, number, cash_miles, dream_miles, active, shows, allows


class SortedCollectors:
    """The collectors of one file in the order of their numbers, once the whole file was found to be right.

    So a mistake applies nothing, a number that stands twice is found, and a ledger gets its rows in the order of its
    tables, which in a large population makes it twice as fast as any other. Memory is bounded: what has been read is
    sorted in runs and merged through unnamed temporary files (in `TMPDIR`, about as large as twice the file).

    Args:
        lines: such as an open text file, or a pipe, gives; read to the end, once.
        check_digit: whether numbers must carry one (R-FIELD).
        run_collectors_max: how many are held in memory at a time.

    Attributes:
        count: how many there are.

    Raises:
        CollectorFileError: a mistake in a row, else the first number that stands twice.
    """

    def __init__(
        self, lines: Iterable[str], *, check_digit: bool = False, run_collectors_max: int = RUN_COLLECTORS_MAX
    ) -> None:
        self.count = 0
        self._merged = _spool()
        try:
            with ExitStack() as runs:
                self._merge(list(_runs(_read(lines, check_digit=check_digit), runs, run_collectors_max)))
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Enrolment]:
        self._merged.seek(0)
        for text in self._merged:
            number, _line, cash, dream, flags = text.split(",")
            yield Enrolment(CollectorNumber(number), Miles(int(cash)), Miles(int(dream)), *_FLAGS[flags])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the disk space back."""
        self._merged.close()

    def _merge(self, runs: list[TextIO]) -> None:
        previous = line = ""
        for text in heapq.merge(*runs):
            number, at, _rest = text.split(",", 2)
            if number == previous:
                earlier, later = sorted((int(line), int(at)))
                raise CollectorFileError(later, "number", f"stands in line {earlier} already; a collector has one row")
            previous, line = number, at
            self._merged.write(text)
            self.count += 1


def _runs(fields: Iterator[_Fields], stack: ExitStack, run_collectors_max: int) -> Iterator[TextIO]:
    while chunk := list(islice(fields, run_collectors_max)):
        # A comma sorts before every digit, so the texts sort as their numbers do.
        texts = [
            f"{number},{line},{cash},{dream},{active:d}{shows:d}{allows:d}\n"
            for line, number, cash, dream, active, shows, allows in chunk
        ]
        texts.sort()
        run = stack.enter_context(_spool())
        run.writelines(texts)
        run.seek(0)
        yield run


def _spool() -> TextIO:
    return TemporaryFile("w+", encoding="ascii", newline="\n", prefix="amcash-")


class _Rows:
    """The rows of a file, and the line that the last of them ended in."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._reader = csv.reader(_without_mark(lines), skipinitialspace=True, strict=True)

    @property
    def line(self) -> int:
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        try:
            yield from self._reader
        except UnicodeDecodeError:
            raise CollectorFileError(self.line + 1, None, "is not UTF-8 text") from None
        except csv.Error as error:
            raise CollectorFileError(self.line, None, f"is not CSV: {error}") from None

    def header(self) -> list[str]:
        names = [name.strip() for name in next((row for row in self if row), [])]
        for name in names:
            if name not in COLUMNS:
                self.fail(None, _unknown_column(name))
            if names.count(name) > 1:
                self.fail(name, "stands twice in the header")
        if "number" not in names:
            raise CollectorFileError(
                max(self.line, 1), "number", f"is missing; a header names the columns: {','.join(COLUMNS)}"
            )
        return names

    def answer(self, word: str, column: str) -> bool:
        answer = _ANSWERS.get(word.strip().lower())
        if answer is None:
            self.fail(column, _NOT_AN_ANSWER)
        return answer

    def fail(self, column: str | None, sentence: str) -> NoReturn:
        raise CollectorFileError(self.line, column, sentence)


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    remaining = iter(lines)
    yield next(remaining, "").removeprefix("\ufeff")  # which Excel writes in front of UTF-8
    yield from remaining


def _count(columns: int) -> str:
    return "1 column" if columns == 1 else f"{columns} columns"


def _unknown_column(name: str) -> str:
    if name[:1].isdigit():  # a collector's number, not to be repeated
        return f"must be a header that names the columns: {','.join(COLUMNS)}"
    if any(mark in name for mark in ";\t|"):
        return "must separate its columns by commas"
    near = get_close_matches(name, COLUMNS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(COLUMNS)}"
    return f"names a column {name[:40]!r} that a collector does not have; {hint}"
