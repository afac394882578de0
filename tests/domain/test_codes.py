"""The table of response codes, letter for letter (R-WIRE-9), and what follows from it (R-IDEM-5, R-ORDER)."""

import re

import pytest

from amcash.domain.codes import APPROVALS, NO_TOKEN_STATUS, TABLE, Code, Endpoint, no_token_message
from amcash.domain.vocabulary import Language

# Status, code, words: as the library prints them, one table an endpoint.
LIBRARY = {
    Endpoint.ECHO: """
        200 0000 Approved
        408 0008 Transaction timeout
        400 0035 Invalid request parameter
        503 0092 Scheduled outage
        500 0096 Server error or no response
        """,
    Endpoint.INQUIRE: """
        200 0000 Approved
        202 0001 Approved - Balance suppressed
        401 0002 Collector account inactive
        202 0005 Balance suppressed, unable to redeem
        202 0006 Unable to redeem
        408 0008 Transaction timeout
        403 0009 Card not swiped or scanned
        401 0025 Invalid collector number
        400 0035 Invalid request parameter
        202 0051 Insufficient AIR MILES reward Miles
        408 0067 Offer is temporarily unavailable
        503 0092 Scheduled outage
        500 0096 Server error or no response
        """,
    Endpoint.REDEEM: """
        200 0000 Approved
        202 0001 Approved - balance suppressed
        401 0002 Collector account inactive
        202 0005 Balance suppressed, unable to redeem
        202 0006 Unable to redeem
        408 0008 Transaction timeout
        403 0009 Card not swiped or scanned
        401 0025 Invalid collector number
        400 0035 Invalid request parameter
        202 0051 Insufficient AIR MILES reward Miles
        202 0065 Exceeded daily redemption limit
        202 0066 Insufficient basket size
        408 0067 Offer is temporarily unavailable
        503 0092 Scheduled outage
        500 0096 Server error or no response
        """,
    Endpoint.REVERSE: """
        200 0000 Approved
        202 0001 Approved - balance suppressed
        401 0002 Collector account inactive
        408 0008 Transaction timeout
        403 0009 Card not swiped or scanned
        401 0025 Invalid collector number
        400 0035 Invalid request parameter
        202 0051 Insufficient AIR MILES reward Miles
        400 0057 Invalid redemption confirmation number
        202 0065 Exceeded daily redemption limit
        202 0066 Insufficient basket size
        408 0067 Offer is temporarily unavailable
        409 0080 Reversal window expired
        503 0092 Scheduled outage
        500 0096 Server error or no response
        """,
}

# The library's table of all codes, where no endpoint has its own words.
GENERAL = """
    200 0000 Approved
    202 0001 Approved - balance suppressed
    401 0002 Collector account inactive
    408 0008 Transaction timeout
    403 0009 Card not swiped or scanned
    401 0025 Invalid Collector number
    400 0035 Invalid request parameter
    202 0051 Insufficient reward miles
    400 0057 Invalid redemption confirmation number
    202 0065 Exceeded daily redemption limit
    202 0066 Insufficient basket size
    408 0067 Offer is temporarily unavailable
    409 0080 Reversal window expired
    503 0092 Scheduled outage
    500 0096 Server error or no response
    """


def _rows(text):
    return [tuple(line.strip().split(" ", 2)) for line in text.strip().splitlines()]


@pytest.mark.parametrize(
    ("endpoint", "status", "code", "words"),
    [(endpoint, *row) for endpoint, text in LIBRARY.items() for row in _rows(text)],
)
def test_status_and_words_are_those_of_the_endpoints_own_table(endpoint, status, code, words):
    row = TABLE[Code(code)]
    assert (str(row.status.value), row.message(endpoint, Language.EN)) == (status, words)


@pytest.mark.parametrize(("status", "code", "words"), _rows(GENERAL))
def test_where_no_endpoint_says_otherwise_the_words_are_those_of_the_table_of_all_codes(status, code, words):
    row = TABLE[Code(code)]
    assert (str(row.status.value), row.en) == (status, words)


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (Endpoint.ECHO, "Missing or invalid Bearer token"),
        (Endpoint.INQUIRE, "Missing or invalid “Bearer token”"),
        (Endpoint.REDEEM, "Missing or invalid “Bearer token”"),
        (Endpoint.REVERSE, "Missing or invalid “Bearer token”"),
    ],
)
def test_the_row_without_a_code_is_401_with_the_endpoints_own_words(endpoint, words):
    assert NO_TOKEN_STATUS == 401
    assert no_token_message(endpoint) == words


def test_the_table_has_every_code_of_the_library_and_no_other():
    library = {code for text in (*LIBRARY.values(), GENERAL) for _, code, _ in _rows(text)}
    assert {code.value for code in Code} == library
    assert set(TABLE) == set(Code)
    assert len(TABLE) == 17
    assert all(TABLE[code].code is code for code in Code)


def test_the_table_stands_in_the_order_of_checks():
    """R-ORDER: 2 outage, 3 request, 5 card, 6 unknown … 14 approved; then what machinery alone can cause."""
    assert [code.value for code in TABLE] == [
        *("0092", "0035", "0009", "0025", "0002", "0005", "0006", "0067"),
        *("0066", "0051", "0065", "0057", "0080", "0001", "0000", "0008", "0096"),
    ]
    checks = [int(row.rule.removeprefix("R-ORDER-")) for row in TABLE.values() if "ORDER" in row.rule]
    assert checks == sorted(checks)
    assert len(checks) == 15


def test_recorded_is_every_outcome_decided_on_a_collectors_account():
    """R-IDEM-5, both of its lists."""
    recorded = {code.value for code, row in TABLE.items() if row.recorded}
    assert recorded == {*("0000", "0001", "0002", "0005", "0006", "0051", "0057", "0065", "0066", "0080")}
    assert {code.value for code in Code} - recorded == {
        *("0008", "0009", "0025", "0035", "0067", "0092", "0096"),
    }


def test_approvals_are_0000_and_0001_whatever_the_http_status():
    assert {"0000", "0001"} == APPROVALS
    assert [TABLE[Code(code)].status for code in ("0000", "0001")] == [200, 202]


@pytest.mark.parametrize("code", Code)
@pytest.mark.parametrize("endpoint", Endpoint)
def test_every_code_has_french_words_that_are_not_the_english_ones(code, endpoint):
    french = TABLE[code].message(endpoint, Language.FR)
    assert french
    assert french != TABLE[code].message(endpoint, Language.EN)
    assert not re.search(r"[\x00-\x1f]", french)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        TABLE[Code.APPROVED] = TABLE[Code.OUTAGE]
