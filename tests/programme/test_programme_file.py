"""A programme file says what it says, no more and no less: the sample, the defaults, any file there can be."""

import json
import re
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amcash.domain.vocabulary import (
    Cents,
    CollectorNumber,
    Enrolment,
    Miles,
    Offer,
    OverRequest,
    Programme,
    Sponsor,
    SponsorCode,
    Terms,
    has_check_digit,
)
from amcash.programme.toml_file import FileClient, ProgrammeFile, ProgrammeFileError, read_programme

SAMPLE = Path(__file__).parents[2].joinpath("sample-programme.toml").read_text("utf-8")

LEAST = """\
[programme]
name = "Least"
timezone = "UTC"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "750"

[[offers]]
id = "1"
type = "RGL"
unit_miles = 95
unit_dollars = "0.1"
description_en = "e"
description_fr = "f"

[[sponsors]]
code = "LOY1"
name = "L"
vendor_ids = ["1"]
acquirer_ids = ["1"]
"""


def test_the_smallest_file_gets_the_defaults():
    file = read_programme(LEAST, sandbox=False)
    assert file.programme == Programme(
        "Least",
        ZoneInfo("UTC"),
        "CAD",
        time(3),
        time(0),
        time(3),
        Cents(75_000),
        OverRequest.DECLINE,
        check_digit=False,
    )
    assert file.offers == (Offer(Terms("1", "RGL", Miles(95), Cents(10), "e", "f"), True, None, None, None),)
    assert file.clients == ()
    assert file.enrolments == ()


def test_a_collector_may_be_only_a_number():
    file = read_programme(LEAST + '[[collectors]]\nnumber = "0001"\n', sandbox=False)
    assert file.enrolments == (Enrolment(CollectorNumber("0001"), Miles(0), Miles(0)),)


@pytest.mark.parametrize(
    ("dollars", "cents"), [("10.00", 1_000), ("0.29", 29), ("9999999999999.99", 999_999_999_999_999), ("7.5", 750)]
)
def test_dollars_become_cents_exactly(dollars, cents):
    file = read_programme(LEAST.replace('"750"', f'"{dollars}"'), sandbox=False)
    assert file.programme.daily_cap == cents


def test_moments_are_kept_in_utc():
    text = LEAST.replace('type = "RGL"', 'type = "SPL"\nvalid_from = 2026-01-01T00:00:00-05:00')
    (offer,) = read_programme(text, sandbox=False).offers
    assert offer.valid_from == datetime(2026, 1, 1, 5, tzinfo=UTC)
    assert offer.valid_from.tzinfo is UTC


def test_a_secret_is_in_no_representation():
    file = read_programme(SAMPLE, sandbox=True)
    assert file.clients[0].secret.startswith("sandbox-secret")
    assert "sandbox-secret" not in repr(file)


def test_the_sample_shows_what_its_comments_say():
    file = read_programme(SAMPLE, sandbox=True)
    by_number = {item.number: item for item in file.enrolments}
    assert by_number[CollectorNumber("84095202006")] == Enrolment(
        CollectorNumber("84095202006"), Miles(1900), Miles(545)
    )
    assert all(has_check_digit(number) for number in by_number)
    assert [item.code for item in file.sponsors] == ["LOY1", "LOY2"]
    assert {item.client_id: item.sponsors for item in file.clients} == {"loy1-pos": ("LOY1",), "loy2-pos": ("LOY2",)}
    assert [item.terms.offer_type for item in file.offers] == ["RGL"]
    assert sum(not item.active for item in file.enrolments) == 1
    assert {(item.show_balances, item.allow_redemption) for item in file.enrolments} == {
        (True, True), (False, True), (True, False), (False, False)
    }  # fmt: skip
    cap_miles = file.programme.daily_cap // file.offers[0].terms.unit_cents * file.offers[0].terms.unit_miles
    assert cap_miles == 7_125
    assert {94, 95, cap_miles} <= {item.cash for item in file.enrolments}


def test_the_samples_special_offer_is_right_once_its_hashes_are_taken_away():
    start = SAMPLE.index("# [[offers]]")
    block = SAMPLE[start : SAMPLE.index("\n\n", start)]
    file = read_programme(SAMPLE.replace(block, re.sub(r"(?m)^# ", "", block)), sandbox=True)
    special = file.offers[1]
    assert (special.terms.offer_type, special.terms.unit_miles, special.sponsor) == ("SPL", 75, "LOY2")


# --- every file ------------------------------------------------------------------------------------------------------

LINES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, [*range(0x20), 0x7F]))),
    min_size=1,
    max_size=20,
)
CENTS = st.integers(1, 10**15 - 1).map(Cents)
MILES = st.integers(0, 10**12).map(Miles)
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
CODES = st.from_regex(r"[A-Za-z0-9]{1,10}", fullmatch=True).map(SponsorCode)


def digits(most):
    return st.from_regex(f"[0-9]{{1,{most}}}", fullmatch=True)


@st.composite
def programme_files(draw):
    codes = draw(st.lists(CODES, min_size=1, max_size=3, unique=True))
    ids = draw(st.lists(st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True), min_size=1, max_size=3, unique=True))
    offers = []
    for offer_id in ids:
        begins, ends = sorted(draw(st.lists(MOMENTS, min_size=2, max_size=2, unique=True)))
        terms = Terms(
            offer_id,
            draw(st.sampled_from(["RGL", "SPL"])),
            draw(st.integers(1, 10**12).map(Miles)),
            draw(CENTS),
            draw(LINES),
            draw(LINES),
        )
        offers.append(
            Offer(
                terms,
                draw(st.booleans()),
                draw(st.sampled_from([None, *codes])),
                draw(st.sampled_from([None, begins])),
                draw(st.sampled_from([None, ends])),
            )
        )
    return ProgrammeFile(
        Programme(
            draw(LINES),
            ZoneInfo(draw(st.sampled_from(["America/Toronto", "UTC", "Asia/Kathmandu"]))),
            "CAD",
            draw(CLOCKS),
            draw(CLOCKS),
            draw(CLOCKS),
            draw(CENTS),
            draw(st.sampled_from(OverRequest)),
            check_digit=False,
        ),
        tuple(offers),
        tuple(
            Sponsor(
                code,
                draw(LINES),
                draw(st.frozensets(digits(35), min_size=1, max_size=2)),
                draw(st.frozensets(digits(11), min_size=1, max_size=2)),
            )
            for code in codes
        ),
        tuple(
            FileClient(client, tuple(draw(st.lists(st.sampled_from(codes), min_size=1, unique=True))), secret)
            for client, secret in draw(
                st.dictionaries(
                    st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
                    st.none() | st.from_regex(r"[!-~]{1,40}", fullmatch=True),
                    max_size=2,
                )
            ).items()
        ),
        tuple(
            Enrolment(CollectorNumber(number), draw(MILES), draw(MILES), *draw(st.tuples(*[st.booleans()] * 3)))
            for number in draw(st.lists(digits(19), max_size=3, unique=True))
        ),
    )


def written(file):
    """The same as TOML. A JSON string is a TOML string, but for surrogate pairs and the delete character."""

    def text(value):
        return json.dumps(value, ensure_ascii=False)

    def dollars(cents):
        return f'"{cents // 100}.{cents % 100:02}"'

    def switch(value):
        return "true" if value else "false"

    programme = file.programme
    lines = [
        "[programme]",
        f"name = {text(programme.name)}",
        f"timezone = {text(programme.zone.key)}",
        f"currency = {text(programme.currency)}",
        f'cap_day_starts = "{programme.cap_day_starts:%H:%M}"',
        f'file_day_starts = "{programme.file_day_starts:%H:%M}"',
        f'reversal_until = "{programme.reversal_until:%H:%M}"',
        f"daily_cap_dollars = {dollars(programme.daily_cap)}",
        f"over_request = {text(programme.over_request)}",
    ]
    for offer in file.offers:
        terms = offer.terms
        lines += [
            "[[offers]]",
            f"id = {text(terms.offer_id)}",
            f"type = {text(terms.offer_type)}",
            f"unit_miles = {terms.unit_miles}",
            f"unit_dollars = {dollars(terms.unit_cents)}",
            f"description_en = {text(terms.description_en)}",
            f"description_fr = {text(terms.description_fr)}",
            f"available = {switch(offer.available)}",
        ]
        lines += [f"sponsor = {text(offer.sponsor)}"] if offer.sponsor else []
        lines += [f"valid_from = {offer.valid_from.isoformat()}"] if offer.valid_from else []
        lines += [f"valid_until = {offer.valid_until.isoformat()}"] if offer.valid_until else []
    for sponsor in file.sponsors:
        lines += ["[[sponsors]]", f"code = {text(sponsor.code)}", f"name = {text(sponsor.name)}"]
        lines += [
            f"vendor_ids = {text(list(sponsor.vendor_ids))}",
            f"acquirer_ids = {text(list(sponsor.acquirer_ids))}",
        ]
    for client in file.clients:
        lines += ["[[clients]]", f"id = {text(client.client_id)}", f"sponsors = {text(client.sponsors)}"]
        lines += [f"secret = {text(client.secret)}"] if client.secret else []
    for item in file.enrolments:
        lines += [
            "[[collectors]]",
            f"number = {text(item.number)}",
            f"cash_miles = {item.cash}",
            f"dream_miles = {item.dream}",
            f"active = {switch(item.active)}",
            f"show_balances = {switch(item.show_balances)}",
            f"allow_redemption = {switch(item.allow_redemption)}",
        ]
    return "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(programme_files())
def test_what_is_written_is_what_is_read(file):
    assert read_programme(written(file), sandbox=True) == file


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 30), st.text(max_size=10))
def test_a_sample_damaged_anywhere_is_read_or_refused_with_one_sentence(at, gone, put):
    try:
        read_programme(SAMPLE[:at] + put + SAMPLE[at + gone :], sandbox=True)
    except ProgrammeFileError as error:
        assert 1 <= error.line <= SAMPLE.count("\n") + 12  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
