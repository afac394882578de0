"""Transfers balance, or cannot exist; a collector's are numbered and chained (R-LED-1 to R-LED-3)."""

import hashlib
from dataclasses import fields, replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amcash.domain.rules import after, credit, opening
from amcash.domain.transfers import (
    NO_CHAIN,
    PROGRAMME_ISSUED,
    Context,
    Kind,
    Transfer,
    from_microseconds,
    microseconds,
    next_entry,
    redeemed_account,
    wallet_account,
)
from amcash.domain.vocabulary import Wallet
from domain.examples import CONFIRMATION, NOON, NUMBER, collector

CASH = wallet_account(NUMBER, Wallet.CASH)
CONTEXT = Context(
    confirmation=CONFIRMATION,
    sponsor="LOY1",
    store="0001",
    device="001",
    trace="999999999999",
    acquirer="100000",
    vendor="100087",
    units=1,
    cents=1000,
    unit_miles=95,
    unit_cents=1000,
    offer_id="1111111111",
    cap_day=date(2026, 6, 15),
    reason="why",
)


def _entry(**changes):
    transfer = Transfer(CASH, redeemed_account("LOY1"), 95)
    return replace(next_entry(collector(), Kind.REDEMPTION, Wallet.CASH, transfer, NOON, CONTEXT), **changes)


@pytest.mark.parametrize("miles", [0, -1, -(10**30)])
def test_a_transfer_of_no_miles_cannot_exist(miles):
    with pytest.raises(ValueError, match="a positive number of miles"):
        Transfer("a", "b", miles)


def test_a_transfer_from_an_account_to_itself_cannot_exist():
    with pytest.raises(ValueError, match="two accounts, not a twice"):
        Transfer("a", "a", 1)


def test_the_opposite_takes_back_what_was_given():
    assert Transfer("a", "b", 95).opposite() == Transfer("b", "a", 95)
    assert Transfer("a", "b", 95).opposite().opposite() == Transfer("a", "b", 95)


def test_accounts_are_named_after_who_holds_them():
    """R-LED-2."""
    assert CASH == "collector:84095202006:cash"
    assert wallet_account(NUMBER, Wallet.DREAM) == "collector:84095202006:dream"
    assert redeemed_account("LOY1") == "sponsor:LOY1:redeemed"
    assert PROGRAMME_ISSUED == "programme:issued"


def test_the_kinds_are_those_of_the_ledger():
    assert {*Kind} == {"opening", "credit", "redemption", "reversal", "cancellation", "adjustment"}


def test_an_entry_says_which_balance_it_leaves():
    assert _entry().balance == 1900 - 95
    back = next_entry(collector(), Kind.REVERSAL, Wallet.CASH, _entry().transfer.opposite(), NOON, Context())
    assert back.balance == 1900 + 95


def test_an_entry_of_the_dream_wallet_counts_from_the_dream_balance():
    gift = Transfer(PROGRAMME_ISSUED, wallet_account(NUMBER, Wallet.DREAM), 5)
    entry = next_entry(collector(), Kind.CREDIT, Wallet.DREAM, gift, NOON, Context())
    assert entry.balance == 550
    assert (after(collector(), entry).cash, after(collector(), entry).dream) == (1900, 550)


def test_entries_are_numbered_without_gaps_and_each_carries_the_digest_of_the_one_before():
    who = collector(cash=0, dream=0)
    entries = []
    for wallet, miles in ((Wallet.CASH, 1900), (Wallet.DREAM, 545), (Wallet.CASH, 10)):
        entries.append(opening(who, wallet, miles, NOON))
        who = after(who, entries[-1])
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert entries[0].previous == NO_CHAIN == bytes(32)
    assert entries[1].previous == entries[0].digest()
    assert entries[2].previous == entries[1].digest()
    assert who == collector(cash=1910, dream=545, transfers=3, chain=entries[2].digest())


def test_the_digest_is_the_documented_one():
    """R-LED-3: an auditor that shares no code must come to the same."""
    words = [
        *(NUMBER, "1", "redemption", "cash", "collector:84095202006:cash", "sponsor:LOY1:redeemed", "95", "1805"),
        *("1781539200000000", CONFIRMATION, "LOY1", "0001", "001", "999999999999", "100000", "100087"),
        *("1", "1000", "95", "1000", "1111111111", "2026-06-15", "why"),
    ]
    assert _entry().digest() == hashlib.sha256(bytes(32) + "\x1f".join(words).encode()).digest()


def test_what_is_none_is_empty_in_the_digest():
    words = [
        *(NUMBER, "1", "opening", "dream", "programme:issued", "collector:84095202006:dream", "5", "550"),
        *("1781539200000000", *[""] * 14),
    ]
    entry = opening(collector(), Wallet.DREAM, 5, NOON)
    assert entry.digest() == hashlib.sha256(bytes(32) + "\x1f".join(words).encode()).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"collector": "80000000001"},
        {"seq": 2},
        {"kind": Kind.REVERSAL},
        {"wallet": Wallet.DREAM},
        {"transfer": Transfer(CASH, redeemed_account("LOY1"), 96)},
        {"transfer": Transfer(CASH, redeemed_account("LOY2"), 95)},
        {"transfer": Transfer(CASH + "x", redeemed_account("LOY1"), 95)},
        {"balance": 1804},
        {"at": NOON + timedelta(microseconds=1)},
        {"previous": b"\x01" + bytes(31)},
        *({"context": replace(CONTEXT, **{field.name: None})} for field in fields(Context)),
    ],
)
def test_every_part_of_an_entry_is_in_its_digest(changes):
    assert _entry(**changes).digest() != _entry().digest()


@given(st.datetimes(timezones=st.just(NOON.tzinfo)))
@settings(max_examples=200, derandomize=True, database=None)
def test_a_time_survives_the_ledgers_way_of_keeping_it(at):
    assert from_microseconds(microseconds(at)) == at


def test_a_time_is_kept_as_microseconds_since_1970():
    assert microseconds(from_microseconds(0)) == 0
    assert from_microseconds(-1).isoformat() == "1969-12-31T23:59:59.999999+00:00"


def test_an_opening_gives_a_new_collector_its_first_balance():
    entry = opening(collector(cash=0), Wallet.CASH, 1900, NOON)
    assert (entry.kind, entry.balance) == (Kind.OPENING, 1900)
    assert entry.transfer == Transfer("programme:issued", CASH, 1900)


def test_an_operators_gift_is_a_credit_with_a_reason():
    entry = credit(collector(), Wallet.CASH, 100, "goodwill", NOON)
    assert entry is not None
    assert (entry.kind, entry.balance, entry.context) == (Kind.CREDIT, 2000, Context(reason="goodwill"))
    assert entry.transfer == Transfer("programme:issued", CASH, 100)


def test_an_operators_taking_is_an_adjustment():
    entry = credit(collector(), Wallet.CASH, -1900, "correction", NOON)
    assert entry is not None
    assert (entry.kind, entry.balance) == (Kind.ADJUSTMENT, 0)
    assert entry.transfer == Transfer(CASH, "programme:issued", 1900)


def test_an_operator_cannot_take_more_than_there_is():
    assert credit(collector(), Wallet.CASH, -1901, "correction", NOON) is None


def test_an_operator_cannot_give_nothing():
    with pytest.raises(ValueError, match="a positive number of miles"):
        credit(collector(), Wallet.CASH, 0, "nothing", NOON)
