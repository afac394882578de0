"""A small programme in the ledger's own types: collectors, commands and the register that the ledger's tests use."""

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

from amcash.domain import rules
from amcash.domain.book import Ask, Book, Needs
from amcash.domain.commands import Inquire, Redeem, Reverse
from amcash.domain.transfers import NO_CHAIN, Context, Kind, Transfer, next_entry, redeemed_account, wallet_account
from amcash.domain.vocabulary import (
    CardEntry,
    Cents,
    Collector,
    CollectorNumber,
    ConfirmationNumber,
    Language,
    Miles,
    Offer,
    OverRequest,
    Programme,
    Register,
    Sponsor,
    SponsorCode,
    Terms,
    Units,
    Wallet,
)

NOW = dt.datetime(2026, 6, 15, 16, 0, 0, 123456, tzinfo=dt.UTC)
ANNA = CollectorNumber("84095202006")
BERT = CollectorNumber("80000000001")
LOY1, LOY2 = SponsorCode("LOY1"), SponsorCode("LOY2")

PROGRAMME = Programme(
    name="AM",
    zone=ZoneInfo("America/Toronto"),
    currency="CAD",
    cap_day_starts=dt.time(3),
    file_day_starts=dt.time(0),
    reversal_until=dt.time(3),
    daily_cap=Cents(75000),
    over_request=OverRequest.DECLINE,
    check_digit=False,
)
TERMS = Terms("1111111111", "RGL", Miles(95), Cents(1000), "Ten dollars “off”", "Dix dollars l'été")
OFFER = Offer(TERMS, available=True, sponsor=None, valid_from=None, valid_until=None)
SPONSORS = {
    code: Sponsor(code, f"Sponsor {code}", frozenset({"100087"}), frozenset({"100000"})) for code in (LOY1, LOY2)
}
REGISTER = Register(1, PROGRAMME, (OFFER,), SPONSORS, {}, (), None)


def sent(**more):
    return {
        "acquirerId": "100000",
        "cardEntryMode": "SWIPE",
        "dateTime": "1972-07-16T13:32:00+0400",
        "deviceId": "001",
        "storeId": "0001",
        "traceId": "1",
        "vendorId": "100087",
        **more,
    }


def inquire(collector=ANNA, sponsor=LOY1):
    fields = sent(collectorNumber=collector, sponsorCode=sponsor, postTaxBasketAmount="16.12")
    return Inquire(fields, sponsor, Language.EN, collector, CardEntry.SWIPE, Cents(1612))


def redeem(collector=ANNA, *, dollars=10, key=None, trace="1", sponsor=LOY1):
    fields = sent(
        collectorNumber=collector,
        sponsorCode=sponsor,
        traceId=trace,
        dollarRedeemRequest=f"{dollars}.00",
        postTaxBasketAmount=f"{dollars}.00",
    )
    cents = Cents(dollars * 100)
    return Redeem(fields, sponsor, Language.EN, collector, CardEntry.SWIPE, cents, cents, key)


def reverse(confirmation, collector=ANNA, *, key=None, sponsor=LOY1):
    fields = sent(collectorNumber=collector, sponsorCode=sponsor, redemptionConfirmationNum=confirmation)
    number = ConfirmationNumber(confirmation)
    return Reverse(fields, sponsor, Language.EN, collector, CardEntry.SWIPE, number, key)


def opened(*wallets, flags=(True, True, True)):
    """Return a book that enrols (number, cash, dream) each."""
    book = Book()
    for number, cash, dream in wallets:
        book.collectors[number] = Collector(number, *flags, Miles(0), Miles(0), 0, NO_CHAIN)
        book.changed.add(number)
        for wallet, miles in ((Wallet.CASH, cash), (Wallet.DREAM, dream)):
            if miles:
                book.enter(rules.opening(book.collectors[number], wallet, Miles(miles), NOW))
    return book


def enrol(store, *wallets):
    with store.write() as session:
        session.append(opened(*wallets))


def decided(session, *commands, register=REGISTER, now=NOW, numbers=(), grace=None):
    """Return the book of `commands` and their decisions, not yet written."""
    drawn = [*numbers, *(f"{1000000000000000 + i}" for i in range(len(commands)))]
    until = None if grace is None else now + grace
    asks = [Ask(command, now, ConfirmationNumber(drawn[i]), until) for i, command in enumerate(commands)]
    book = session.load(Needs.of(asks, register))
    return book, [book.decide(ask, register) for ask in asks]


def settle(store, *commands, **how):
    """Decide and write `commands` in one transaction, without the settler."""
    with store.write() as session:
        book, decisions = decided(session, *commands, **how)
        session.append(book)
    return decisions


def balances(store, number=ANNA):
    with store.read() as session:
        collector = session.load(Needs(collectors={number})).collectors[number]
    return collector.cash, collector.dream


def count(store, table):
    with store.read() as session:
        return next(iter(session.run(f"SELECT count(*) FROM {table}")))[0]


def taking(collector, miles, confirmation, kind=Kind.REDEMPTION, seq=None):
    """Return a redemption's entry, or what undoes it, as no rule would have to have decided it."""
    transfer = Transfer(wallet_account(collector.number, Wallet.CASH), redeemed_account(LOY1), Miles(miles))
    if kind is not Kind.REDEMPTION:
        transfer = transfer.opposite()
    context = Context(
        confirmation=confirmation,
        sponsor=LOY1,
        store="0001",
        device="001",
        trace="1",
        acquirer="100000",
        vendor="100087",
        units=Units(1),
        cents=Cents(1000),
        unit_miles=Miles(miles),
        unit_cents=Cents(1000),
        offer_id="1111111111",
        cap_day=dt.date(2026, 6, 15),
    )
    entry = next_entry(collector, kind, Wallet.CASH, transfer, NOW, context)
    return entry if seq is None else replace(entry, seq=seq)
