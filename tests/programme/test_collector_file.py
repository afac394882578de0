"""Collectors from CSV: what a file may look like, what is wrong with it and where, and in which order they come."""

import csv
import io
import random

import pytest

from amcash.domain.vocabulary import CollectorNumber, Enrolment, Miles
from amcash.programme.csv_file import CollectorFileError, SortedCollectors, read_collectors

HEADER = "number,cash_miles,dream_miles,active,show_balances,allow_redemption"


def read(text, **options):
    return list(read_collectors(io.StringIO(text, newline=""), **options))


def collector(number, cash=0, dream=0, *flags):
    return Enrolment(CollectorNumber(number), Miles(cash), Miles(dream), *flags)


def test_a_row_is_a_collector():
    assert read(f"{HEADER}\n84095202006,1900,545,true,false,true\n") == [
        collector("84095202006", 1900, 545, True, False, True)
    ]


def test_columns_come_in_any_order_and_may_be_left_out_but_for_the_number():
    assert read("dream_miles,number\n545,1\n0,2\n") == [collector("1", 0, 545), collector("2")]
    assert read("number\n007\n") == [collector("007")]
    assert read("allow_redemption,number\nno,1\n") == [collector("1", 0, 0, True, True, False)]


@pytest.mark.parametrize("word", ["true", "TRUE", "True", "1", "yes", "Yes", " yes", "yes ", '"true"'])
def test_yes_is_said_in_many_ways(word):
    assert read(f"number,active\n1,{word}\n") == [collector("1")]


@pytest.mark.parametrize("word", ["false", "FALSE", "0", "no", "NO"])
def test_no_is_said_in_many_ways(word):
    assert read(f"number,active\n1,{word}\n") == [collector("1", 0, 0, False)]


def test_what_spreadsheets_write_is_read():
    assert read('\ufeff"number","cash_miles"\r\n"1", 95\r\n\r\n2,0\r\n\r\n') == [collector("1", 95), collector("2")]


def test_a_file_with_only_a_header_has_no_collectors():
    assert read(HEADER) == []


MISTAKES = {
    "empty": ("", 1, "number", "is missing; a header names the columns: number,cash_miles"),
    "only empty lines": ("\n\n", 2, "number", "is missing"),
    "no header": ("84095202006,1900\n", 1, None, "must be a header"),
    "no number column": ("cash_miles,active\n1,true\n", 1, "number", "is missing"),
    "unknown column": (
        "number,cash_mile\n",
        1,
        None,
        "names a column 'cash_mile' that a collector does not have; did you mean cash_miles?",
    ),
    "far column": ("number,zzz\n", 1, None, "the columns are number, cash_miles"),
    "column twice": ("number,active,active\n", 1, "active", "stands twice in the header"),
    "semicolons": ("number;cash_miles\n1;2\n", 1, None, "must separate its columns by commas"),
    "letters": ("number\n1\n12a\n", 3, "number", "must be 1 to 19 digits"),
    "no number": ("number,cash_miles\n,5\n", 2, "number", "must be 1 to 19 digits"),
    "long number": (f"number\n{'1' * 20}\n", 2, "number", "must be 1 to 19 digits"),
    "spreadsheet number": ("number\n8.4095E+10\n", 2, "number", "must be 1 to 19 digits"),
    "arabic digits": ("number\n٨٤\n", 2, "number", "must be 1 to 19 digits"),
    "line end in a number": ('number\n"1\n"\n', 3, "number", "must be 1 to 19 digits"),
    "zero byte": ("number\n1\x00\n", 2, "number", "must be 1 to 19 digits"),
    "half a mile": ("number,cash_miles\n1,1.5\n", 2, "cash_miles", "must be a whole number, 0 to 1000000000000"),
    "debt": ("number,cash_miles\n1,-5\n", 2, "cash_miles", "must be a whole number"),
    "no miles": ("number,cash_miles\n1,\n", 2, "cash_miles", "must be a whole number"),
    "too many miles": ("number,dream_miles\n1,1000000000001\n", 2, "dream_miles", "must be a whole number"),
    "far too many miles": (f"number,dream_miles\n1,{'9' * 99}\n", 2, "dream_miles", "must be a whole number"),
    "maybe": ("number,active\n1,maybe\n", 2, "active", "must be true or false"),
    "hidden": ("number,show_balances\n1,2\n", 2, "show_balances", "must be true or false"),
    "nothing": (f"{HEADER}\n1,0,0,true,true,\n", 2, "allow_redemption", "must be true or false"),
    "a column less": ("number,active\n\n1\n", 3, None, "has 1 column where the header has 2"),
    "a column more": ("number\n1,2,3\n", 2, None, "has 3 columns where the header has 1"),
    "open quote": ('number\n"1\n2\n', 3, None, "is not CSV"),
    "quote in the middle": ('number\n"1"2\n', 2, None, "is not CSV"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_column(name):
    text, line, column, sentence = MISTAKES[name]
    with pytest.raises(CollectorFileError) as raised:
        read(text)
    error = raised.value
    assert (error.line, error.column) == (line, column)
    assert sentence in error.sentence
    where = f"line {line}, column {column}" if column else f"line {line}"
    assert str(error) == f"{where}: {error.sentence}"


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(b"number\n1\n\xe9\n")
    with path.open(encoding="utf-8", newline="") as lines, pytest.raises(CollectorFileError, match="is not UTF-8 text"):
        list(read_collectors(lines))


def test_no_error_repeats_a_collectors_number():
    for text in ("84095202006\n", "number\n84095202006x\n", "number,active\n84095202006,84095202006\n"):
        with pytest.raises(CollectorFileError) as raised:
            read(text)
        assert "84095202006" not in str(raised.value)


def test_check_digits_are_asked_for_only_where_the_programme_does():
    assert read("number\n84095202007\n") == [collector("84095202007")]
    assert read("number\n84095202006\n", check_digit=True) == [collector("84095202006")]
    for number in ("84095202007", "94095202006", "8409520200", "1"):
        with pytest.raises(CollectorFileError, match="line 2, column number: must be 11 digits"):
            read(f"number\n{number}\n", check_digit=True)


def test_rows_are_read_only_as_they_are_asked_for():
    def endless():
        yield "number\n"
        yield from (f"{number}\n" for number in range(10**9))

    rows = read_collectors(endless())
    assert [next(rows).number for _ in range(3)] == ["0", "1", "2"]


# --- sorted ----------------------------------------------------------------------------------------------------------


def test_collectors_come_in_the_order_of_their_numbers_however_small_the_memory():
    rnd = random.Random(3)
    numbers = [str(number) for number in rnd.sample(range(10**12), 500)] + ["1", "10", "100", "2"]
    rnd.shuffle(numbers)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER.split(","))
    rows = {
        number: collector(number, rnd.randrange(9), rnd.randrange(9), *(rnd.random() < 0.5 for _ in "abc"))
        for number in numbers
    }
    for item in rows.values():
        writer.writerow((item.number, item.cash, item.dream, item.active, item.show_balances, item.allow_redemption))
    text.seek(0)
    with SortedCollectors(text, run_collectors_max=7) as collectors:
        assert collectors.count == 504
        assert list(collectors) == [rows[number] for number in sorted(numbers)]
        assert next(iter(collectors)).number == min(numbers), "it can be read again"


def test_the_whole_file_is_read_before_the_first_collector_comes_out():
    with pytest.raises(CollectorFileError, match="line 4, column cash_miles"):
        SortedCollectors(["number,cash_miles\n", "2,1\n", "1,1\n", "3,-1\n"])


@pytest.mark.parametrize("run_collectors_max", [2, 100])
def test_a_number_that_stands_twice_is_named_with_both_lines(run_collectors_max):
    lines = ["number\n", "12\n", "1\n", "\n", "123\n", "1\n"]
    with pytest.raises(CollectorFileError) as raised:
        SortedCollectors(lines, run_collectors_max=run_collectors_max)
    assert str(raised.value) == "line 6, column number: stands in line 3 already; a collector has one row"


def test_an_empty_population_is_sorted_too():
    with SortedCollectors(["number\n"]) as collectors:
        assert (collectors.count, list(collectors)) == (0, [])
