"""Every mistake in a programme file is named with its table, key and line, in one sentence."""

import re
from textwrap import dedent

import pytest

from amcash.programme.toml_file import ProgrammeFileError, read_programme

GOOD = """\
[programme]
name = "AM Cash"
timezone = "America/Toronto"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "750.00"
over_request = "decline"          # or "reduce"
check_digit = false

[[offers]]
id = "1111111111"
type = "RGL"
unit_miles = 95
unit_dollars = "10.00"
description_en = "95 Cash Miles = $10 off"
description_fr = "95 milles Argent = 10 $ de rabais"
available = true

[[offers]]
id = "2222222222"
type = "SPL"
unit_miles = 75
unit_dollars = "10.00"
description_en = "75 Cash Miles = $10 off"
description_fr = "75 milles Argent = 10 $ de rabais"
sponsor = "LOY2"
valid_from = 2026-01-01T00:00:00-05:00
valid_until = 2026-12-31T23:59:59-05:00

[[sponsors]]
code = "LOY1"
name = "Loyal Grocer"
vendor_ids = ["100087"]
acquirer_ids = ["100000"]

[[sponsors]]
code = "LOY2"
name = "Loyal Pharmacy"
vendor_ids = ["200042"]
acquirer_ids = ["200000"]

[[clients]]
id = "loy1-pos"
secret = "only-in-a-sandbox-file"
sponsors = ["LOY1"]

[[clients]]
id = "loy2-pos"
sponsors = ["LOY1", "LOY2"]

[[collectors]]
number = "84095202006"
cash_miles = 1900
dream_miles = 545
active = true

[[collectors]]
number = "80000000014"
cash_miles = 0
show_balances = false
allow_redemption = false
"""

FAR = '"' + "x" * 201 + '"'

# The mistake: what of GOOD it replaces, by what (a ¶ in front of the line to be named), where, part of the sentence.
MISTAKES = {
    # syntax
    "no closing quote": ('name = "AM Cash"', '¶name = "AM Cash', "", "", "is not TOML: Illegal character"),
    "no equals sign": ("unit_miles = 95", "¶unit_miles 95", "", "", "is not TOML: Expected '='"),
    "key twice": ("unit_miles = 95", "unit_miles = 95\n¶unit_miles = 95", "", "", "is not TOML: Cannot overwrite"),
    "table twice": ('[[sponsors]]\ncode = "LOY1"', "¶[programme]", "", "", "is not TOML: Cannot declare"),
    "no value": ("unit_miles = 95", "¶unit_miles =", "", "", "is not TOML: Invalid value"),
    "comma in a number": ("cash_miles = 1900", "¶cash_miles = 1,900", "", "", "is not TOML"),
    "number with zeros in front": ('number = "84095202006"', "¶number = 0084", "", "", "is not TOML"),
    "no such date": ("2026-12-31T", "2026-02-30T", "", "", "is not TOML: Invalid date"),
    "unfinished list": ('sponsors = ["LOY1", "LOY2"]', 'sponsors = ["LOY1",¶', "", "", "is not TOML"),
    # tables
    "empty file": (GOOD, "¶", "programme", "", "is missing; one [programme] table is needed"),
    "no programme": (GOOD[: GOOD.index("[[offers]]")], "¶", "programme", "", "is missing"),
    "no offers": (
        GOOD[GOOD.index("[[offers]]") : GOOD.index("[[sponsors]]")],
        "",
        "offers",
        "",
        "is missing; at least one",
    ),
    "no sponsors": (GOOD[GOOD.index("[[sponsors]]") : GOOD.index("[[clients]]")], "", "sponsors", "", "is missing"),
    "empty list of offers": (
        GOOD[GOOD.index("[[offers]]") : GOOD.index("[[sponsors]]")],
        "",
        "offers",
        "",
        "at least one [[offers]] table",
    ),
    "programme in two brackets": ("[programme]", "¶[[programme]]", "programme", "", "one [programme] table"),
    "collectors in one bracket": (
        GOOD[GOOD.index("[[collectors]]") :],
        '¶[collectors]\nnumber = "1"\n',
        "collectors",
        "",
        "[[collectors]]",
    ),
    "clients are no tables": (
        GOOD[GOOD.index("[[clients]]") : GOOD.index("[[collectors]]")],
        "",
        "clients[1]",
        "",
        "is written in tables",
    ),
    "unknown table": ('[[clients]]\nid = "loy1', '¶[[client]]\nid = "loy1', "client", "", "did you mean clients?"),
    "key before any table": (
        "[programme]",
        "¶version = 1\n[programme]",
        "version",
        "",
        "the tables are programme, offers",
    ),
    "table in a table": (
        '[[sponsors]]\ncode = "LOY1',
        '¶[offers.when]\n[[sponsors]]\ncode = "LOY1',
        "offers[2]",
        "when",
        "is not known",
    ),
    # keys
    "unknown key, near": (
        "daily_cap_dollars",
        "¶daily_cap_dollar",
        "programme",
        "daily_cap_dollar",
        "did you mean daily_cap_dollars?",
    ),
    "unknown key in a second table": (
        'sponsor = "LOY2"',
        '¶sponsors = "LOY2"',
        "offers[2]",
        "sponsors",
        "did you mean sponsor?",
    ),
    "unknown key, far": ("available = true", "¶zzz = true", "offers[1]", "zzz", "the keys are id, type, unit_miles"),
    "unknown key in quotes": ("available = true", '¶"a b\\n" = true', "offers[1]", '"a b\\n"', "is not known here"),
    "unknown key of a collector": (
        "cash_miles = 0",
        "¶cash_mile = 0",
        "collectors[2]",
        "cash_mile",
        "did you mean cash_miles?",
    ),
    "unknown key of a client": ("secret =", "¶secrets =", "clients[1]", "secrets", "did you mean secret?"),
    "missing name": ('[programme]\nname = "AM Cash"', "¶[programme]", "programme", "name", "is missing"),
    "missing timezone": (
        '[programme]\nname = "AM Cash"\ntimezone = "America/Toronto"',
        '¶[programme]\nname = "x"',
        "programme",
        "timezone",
        "is missing",
    ),
    "missing offer id": ('[[offers]]\nid = "2222222222"', "¶[[offers]]", "offers[2]", "id", "is missing"),
    "missing french": (
        '[[offers]]\nid = "1111111111"\ntype = "RGL"\nunit_miles = 95',
        '¶[[offers]]\nid = "1"\ntype = "RGL"',
        "offers[1]",
        "unit_miles",
        "is missing",
    ),
    "missing vendor ids": (
        '[[sponsors]]\ncode = "LOY2"\nname = "Loyal Pharmacy"\nvendor_ids = ["200042"]',
        '¶[[sponsors]]\ncode = "LOY2"\nname = "x"',
        "sponsors[2]",
        "vendor_ids",
        "is missing",
    ),
    "missing client sponsors": (
        '[[clients]]\nid = "loy2-pos"\nsponsors = ["LOY1", "LOY2"]',
        '¶[[clients]]\nid = "x"',
        "clients[2]",
        "sponsors",
        "is missing",
    ),
    "missing number": (
        '[[collectors]]\nnumber = "80000000014"',
        "¶[[collectors]]",
        "collectors[2]",
        "number",
        "is missing",
    ),
    # the programme table
    "name is a number": ('name = "AM Cash"', "¶name = 7", "programme", "name", "must be text of 1 to 200 characters"),
    "name is empty": ('name = "AM Cash"', '¶name = ""', "programme", "name", "must be text of 1 to 200 characters"),
    "unknown zone": ("America/Toronto", "America/Torronto", "programme", "timezone", "did you mean America/Toronto?"),
    "zone is a folder": ('"America/Toronto"', '"America"', "programme", "timezone", "must be the name of a time zone"),
    "zone climbs out": (
        '"America/Toronto"',
        '"../../etc/passwd"',
        "programme",
        "timezone",
        "must be the name of a time zone",
    ),
    "zone is a number": ('"America/Toronto"', "-5", "programme", "timezone", "must be the name of a time zone"),
    "currency in small letters": ('"CAD"', '"cad"', "programme", "currency", "three capital letters"),
    "hour without zero": (
        'cap_day_starts = "03:00"',
        '¶cap_day_starts = "3:00"',
        "programme",
        "cap_day_starts",
        'such as "03:00"',
    ),
    "24 o'clock": (
        'file_day_starts = "00:00"',
        '¶file_day_starts = "24:00"',
        "programme",
        "file_day_starts",
        "time of day",
    ),
    "time without quotes": (
        'file_day_starts = "00:00"',
        "¶file_day_starts = 00:00:00",
        "programme",
        "file_day_starts",
        "time of day",
    ),
    "reversal at noon": (
        "check_digit = false",
        '¶reversal_until = "noon"',
        "programme",
        "reversal_until",
        "time of day",
    ),
    "cap without quotes": ('"750.00"', "750.00", "programme", "daily_cap_dollars", 'in quotes such as "10.00"'),
    "cap with a dollar sign": ('"750.00"', '"$750"', "programme", "daily_cap_dollars", "must be a dollar amount"),
    "cap in mills": ('"750.00"', '"750.001"', "programme", "daily_cap_dollars", "must be a dollar amount"),
    "cap below nothing": ('"750.00"', '"-1.00"', "programme", "daily_cap_dollars", "must be a dollar amount"),
    "cap nothing": ('"750.00"', '"0.00"', "programme", "daily_cap_dollars", "must be more than 0"),
    "cap with a line end": ('"750.00"', '"750.00\\n"', "programme", "daily_cap_dollars", "must be a dollar amount"),
    "over_request": ('"decline"', '"refuse"', "programme", "over_request", 'must be "decline" or "reduce"'),
    "check_digit in quotes": (
        "check_digit = false",
        '¶check_digit = "false"',
        "programme",
        "check_digit",
        "true or false",
    ),
    "check_digit is 0": ("check_digit = false", "¶check_digit = 0", "programme", "check_digit", "true or false"),
    # the offers table
    "offer id with a dot": ('"1111111111"', '"11.11"', "offers[1]", "id", "1 to 32 letters, digits or hyphens"),
    "offer id too long": ('"2222222222"', '"' + "2" * 33 + '"', "offers[2]", "id", "1 to 32 letters"),
    "offer id without quotes": ('"2222222222"', "2222222222", "offers[2]", "id", "in quotes"),
    "offer twice": ('id = "2222222222"', '¶id = "1111111111"', "offers[2]", "id", "stands in offers[1] already"),
    "offer type": ('"SPL"', '"XXL"', "offers[2]", "type", 'must be "RGL" or "SPL"'),
    "no miles for it": ("unit_miles = 95", "¶unit_miles = 0", "offers[1]", "unit_miles", "a whole number, 1 to"),
    "half a mile": ("unit_miles = 95", "¶unit_miles = 95.5", "offers[1]", "unit_miles", "a whole number, 1 to"),
    "miles in quotes": ("unit_miles = 95", '¶unit_miles = "95"', "offers[1]", "unit_miles", "a whole number, 1 to"),
    "true miles": ("unit_miles = 75", "¶unit_miles = true", "offers[2]", "unit_miles", "a whole number, 1 to"),
    "a unit of nothing": (
        'unit_miles = 75\nunit_dollars = "10.00"',
        'unit_miles = 75\n¶unit_dollars = "0"',
        "offers[2]",
        "unit_dollars",
        "must be more than 0",
    ),
    "description too long": ('"75 Cash Miles = $10 off"', FAR, "offers[2]", "description_en", "1 to 200 characters"),
    "description in two lines": (
        '"75 Cash Miles = $10 off"',
        '"75\\n"',
        "offers[2]",
        "description_en",
        "without control characters",
    ),
    "description with a delete": (
        '"75 milles Argent = 10 $ de rabais"',
        '"\\u007f"',
        "offers[2]",
        "description_fr",
        "without control characters",
    ),
    "available maybe": ("available = true", '¶available = "maybe"', "offers[1]", "available", "true or false"),
    "offer of nobody": (
        'sponsor = "LOY2"',
        '¶sponsor = "LOY3"',
        "offers[2]",
        "sponsor",
        "does not have: LOY3; did you mean LOY",
    ),
    "from without offset": (
        "2026-01-01T00:00:00-05:00",
        "2026-01-01T00:00:00",
        "offers[2]",
        "valid_from",
        "with an offset",
    ),
    "from a day": (
        "2026-01-01T00:00:00-05:00",
        "2026-01-01",
        "offers[2]",
        "valid_from",
        "date and time with an offset",
    ),
    "from in quotes": (
        "2026-01-01T00:00:00-05:00",
        '"2026-01-01T00:00:00-05:00"',
        "offers[2]",
        "valid_from",
        "without quotes",
    ),
    "from before the calendar": (
        "2026-01-01T00:00:00-05:00",
        "0001-01-01T00:00:00+05:00",
        "offers[2]",
        "valid_from",
        "years 1 to 9999",
    ),
    "until before from": (
        "2026-12-31T23:59:59-05:00",
        "2025-12-31T23:59:59-05:00",
        "offers[2]",
        "valid_until",
        "later than valid_from",
    ),
    "until at from": (
        "2026-12-31T23:59:59-05:00",
        "2026-01-01T05:00:00Z",
        "offers[2]",
        "valid_until",
        "later than valid_from",
    ),
    # the sponsors table
    "code with a hyphen": ('code = "LOY1"', '¶code = "LOY-1"', "sponsors[1]", "code", "1 to 10 letters or digits"),
    "code too long": ('code = "LOY1"', '¶code = "LOYALTY1234"', "sponsors[1]", "code", "1 to 10 letters or digits"),
    "sponsor twice": ('code = "LOY2"', '¶code = "LOY1"', "sponsors[2]", "code", "stands in sponsors[1] already"),
    "vendor id in letters": ('["100087"]', '["100087", "A"]', "sponsors[1]", "vendor_ids", "ids of 1 to 35 digits"),
    "vendor id too long": ('["200042"]', '["' + "1" * 36 + '"]', "sponsors[2]", "vendor_ids", "ids of 1 to 35 digits"),
    "vendor id without quotes": ('["100087"]', "[100087]", "sponsors[1]", "vendor_ids", "each in quotes"),
    "vendor ids without a list": ('["100087"]', '"100087"', "sponsors[1]", "vendor_ids", "a list of at least one id"),
    "no vendor id": ('["100087"]', "[]", "sponsors[1]", "vendor_ids", "a list of at least one id"),
    "vendor id twice": ('["100087"]', '["100087", "100087"]', "sponsors[1]", "vendor_ids", "names 100087 twice"),
    "acquirer id too long": ('["200000"]', '["123456789012"]', "sponsors[2]", "acquirer_ids", "ids of 1 to 11 digits"),
    "acquirer ids over lines": (
        'acquirer_ids = ["200000"]',
        '¶acquirer_ids = [\n  "200000", # ]\n  "x",\n]',
        "sponsors[2]",
        "acquirer_ids",
        "digits",
    ),
    # the clients table
    "client id with a space": ('"loy1-pos"', '"loy1 pos"', "clients[1]", "id", "1 to 64 of"),
    "client twice": ('id = "loy2-pos"', '¶id = "loy1-pos"', "clients[2]", "id", "stands in clients[1] already"),
    "client of nobody": (
        '["LOY1", "LOY2"]',
        '["LOY1", "NEW"]',
        "clients[2]",
        "sponsors",
        "does not have: NEW; the sponsors are",
    ),
    "client without sponsors": ('["LOY1", "LOY2"]', "[]", "clients[2]", "sponsors", "at least one sponsor code"),
    "client with a sponsor twice": (
        '["LOY1", "LOY2"]',
        '["LOY1", "LOY1"]',
        "clients[2]",
        "sponsors",
        "names LOY1 twice",
    ),
    "client sponsors are numbers": ('["LOY1", "LOY2"]', "[1]", "clients[2]", "sponsors", "each in quotes"),
    "empty secret": ('"only-in-a-sandbox-file"', '""', "clients[1]", "secret", "visible ASCII"),
    # the collectors table
    "number without quotes": ('"84095202006"', "84095202006", "collectors[1]", "number", "1 to 19 digits, in quotes"),
    "number with spaces": ('"84095202006"', '"8409 5202 006"', "collectors[1]", "number", "1 to 19 digits"),
    "number too long": ('"84095202006"', '"' + "8" * 20 + '"', "collectors[1]", "number", "1 to 19 digits"),
    "number in other digits": ('"84095202006"', '"٨٤"', "collectors[1]", "number", "1 to 19 digits"),
    "collector twice": (
        'number = "80000000014"',
        '¶number = "84095202006"',
        "collectors[2]",
        "number",
        "stands in collectors[1] already",
    ),
    "debt": ("cash_miles = 1900", "¶cash_miles = -1", "collectors[1]", "cash_miles", "must be a whole number, 0 to"),
    "too rich": (
        "dream_miles = 545",
        "¶dream_miles = 1000000000001",
        "collectors[1]",
        "dream_miles",
        "0 to 1000000000000",
    ),
    "beyond 64 bits": (
        "dream_miles = 545",
        "¶dream_miles = 99999999999999999999",
        "collectors[1]",
        "dream_miles",
        "0 to",
    ),
    "no number at all": ("dream_miles = 545", "¶dream_miles = nan", "collectors[1]", "dream_miles", "a whole number"),
    "active yes": ("active = true", '¶active = "yes"', "collectors[1]", "active", "true or false"),
    "show_balances 1": (
        "show_balances = false",
        "¶show_balances = 1",
        "collectors[2]",
        "show_balances",
        "true or false",
    ),
    "allow_redemption no": (
        "allow_redemption = false",
        '¶allow_redemption = "no"',
        "collectors[2]",
        "allow_redemption",
        "true or false",
    ),
}

# Where nothing of the mistake itself has a place in the file.
IN_FRONT = {"empty list of offers": "offers = []", "clients are no tables": 'clients = ["loy1-pos"]'}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_table_key_and_line(name):
    old, new, table, key, sentence = MISTAKES[name]
    assert GOOD.count(old) >= 1, "the example must hold what is to be replaced"
    marked = GOOD.replace(old, new if "¶" in new or not new else f"¶{new}", 1)
    if name in IN_FRONT:
        marked = f"¶{IN_FRONT[name]}\n{marked}"
    line = marked[: marked.find("¶")].count("\n") + 1 if "¶" in marked else 1

    with pytest.raises(ProgrammeFileError) as raised:
        read_programme(marked.replace("¶", ""), sandbox=True)

    error = raised.value
    assert (error.table, error.key) == (table, key)
    assert sentence in error.sentence
    if name == "unfinished list":
        return  # where the parser notices is its own affair
    assert error.line == line
    where = ".".join(filter(None, (table, key)))
    assert str(error) == (f"{where} (line {line}): " if where else f"line {line}: ") + error.sentence
    assert "\n" not in str(error)


def test_the_example_of_the_mistakes_is_itself_right():
    assert len(read_programme(GOOD, sandbox=True).enrolments) == 2


def test_a_secret_outside_a_sandbox_is_refused_with_the_command_that_makes_one_and_without_the_secret():
    with pytest.raises(ProgrammeFileError) as raised:
        read_programme(GOOD, sandbox=False)
    assert str(raised.value) == (
        "clients[1].secret (line 45): is for a sandbox only (--sandbox); take it out of the file and run "
        "`amcash client add loy1-pos --sponsor LOY1`"
    )


def test_with_check_digit_on_a_number_without_one_is_refused_and_not_repeated():
    text = GOOD.replace("check_digit = false", "check_digit = true")
    assert read_programme(text, sandbox=True).programme.check_digit
    with pytest.raises(ProgrammeFileError, match=r"collectors\[2\]\.number \(line 59\): must be 11 digits") as raised:
        read_programme(text.replace("80000000014", "80000000015"), sandbox=True)
    assert "80000000015" not in str(raised.value)


@pytest.mark.parametrize(
    "written", ["programme = {name = 1}", "programme.name = 1", "programme.'name' = 1", '["programme"]\nname = 1']
)
def test_a_table_written_in_another_way_has_its_line_too(written):
    lines = 2 if written.startswith("[") else 1
    with pytest.raises(ProgrammeFileError, match=rf"^programme\.name \(line {lines}\): must be text"):
        read_programme(f"{written}\n", sandbox=True)


def test_brackets_hashes_and_keys_inside_of_strings_do_not_confuse_the_lines():
    text = GOOD.replace(
        'description_en = "75 Cash Miles = $10 off"',
        dedent('''\
            description_en = """
            75 [[offers]] # \\"
            unit_miles = {
            """""'''),
    )
    with pytest.raises(ProgrammeFileError, match=r"^offers\[2\]\.description_en \(line 25\)"):
        read_programme(text, sandbox=True)
    literal = GOOD.replace('"75 Cash Miles = $10 off"', "'75 [[ # \" off'").replace(
        "cash_miles = 1900", "cash_miles = -1"
    )
    with pytest.raises(ProgrammeFileError, match=r"^collectors\[1\]\.cash_miles \(line 54\)"):
        read_programme(literal, sandbox=True)


def test_windows_line_ends_and_a_byte_order_mark_change_no_line():
    text = "\ufeff" + GOOD.replace("unit_miles = 75", "unit_miles = 0").replace("\n", "\r\n")
    with pytest.raises(ProgrammeFileError, match=r"^offers\[2\]\.unit_miles \(line 23\)"):
        read_programme(text, sandbox=True)


@pytest.mark.parametrize("text", ["a = " + "[" * 20_000, "a = " + "9" * 5_000, "\x00", "\r", "a = '\ud800'"], ids=repr)
def test_the_most_hostile_text_still_gets_a_sentence(text):
    with pytest.raises(ProgrammeFileError) as raised:
        read_programme(text, sandbox=True)
    assert re.fullmatch(r"[^\n]{10,300}", str(raised.value))
