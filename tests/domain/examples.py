"""Small builders of the domain's nouns: what a test does not name is ordinary."""

from dataclasses import replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from amcash.domain import calendar, rules
from amcash.domain.commands import Echo, Inquire, Redeem, Reverse
from amcash.domain.transfers import NO_CHAIN
from amcash.domain.vocabulary import (
    CardEntry,
    Collector,
    Language,
    Offer,
    OverRequest,
    Programme,
    Redemption,
    Register,
    Sponsor,
    Terms,
    Till,
)

TORONTO = ZoneInfo("America/Toronto")
NUMBER = "84095202006"
CONFIRMATION = "4301775582093164"
TILL = Till(store="0001", device="001", trace="999999999999", acquirer="100000", vendor="100087")

ECHO_SENT = {
    "deviceId": "001",
    "sponsorCode": "LOY1",
    "storeId": "0001",
    "traceId": "000012345678",
    "vendorId": "100087",
}
COLLECTOR_SENT = {
    "acquirerId": "100000",
    "cardEntryMode": "SWIPE",
    "collectorNumber": NUMBER,
    "dateTime": "1972-07-16T13:32:00+0400",
    "deviceId": "001",
    "sponsorCode": "LOY1",
    "storeId": "0001",
    "traceId": "999999999999",
    "vendorId": "100087",
}


def toronto(text: str, *, fold: int = 0) -> datetime:
    """`2026-06-15 12:00` on a wall clock in Toronto, as the UTC the rules are given."""
    return datetime.fromisoformat(text).replace(tzinfo=TORONTO, fold=fold).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOON = toronto("2026-06-15 12:00")


def programme(**changes) -> Programme:
    ordinary = Programme(
        name="AM Cash",
        zone=TORONTO,
        currency="CAD",
        cap_day_starts=time(3),
        file_day_starts=time(0),
        reversal_until=time(3),
        daily_cap=75_000,
        over_request=OverRequest.DECLINE,
        check_digit=False,
    )
    return replace(ordinary, **changes)


def terms(**changes) -> Terms:
    ordinary = Terms(
        offer_id="1111111111",
        offer_type="RGL",
        unit_miles=95,
        unit_cents=1000,
        description_en="95 Cash Miles = $10 off",
        description_fr="95 milles Argent = 10 $ de rabais",
    )
    return replace(ordinary, **changes)


def special(**changes) -> Terms:
    """Fewer miles for the same dollars."""
    return terms(**{"offer_id": "2222222222", "offer_type": "SPL", "unit_miles": 80, **changes})


def offer(its_terms: Terms | None = None, *, available=True, sponsor=None, valid_from=None, valid_until=None) -> Offer:
    return Offer(its_terms or terms(), available, sponsor, valid_from, valid_until)


def sponsor(code="LOY1", *, vendor_ids=("100087",), acquirer_ids=("100000",)) -> Sponsor:
    return Sponsor(code, "Loyal Grocer", frozenset(vendor_ids), frozenset(acquirer_ids))


def register(*, offers=None, its_programme: Programme | None = None, outage=None) -> Register:
    return Register(
        version=1,
        programme=its_programme or programme(),
        offers=(offer(),) if offers is None else tuple(offers),
        sponsors={"LOY1": sponsor()},
        clients={},
        keys=(),
        outage=outage,
    )


def collector(**changes) -> Collector:
    ordinary = Collector(
        number=NUMBER,
        active=True,
        show_balances=True,
        allow_redemption=True,
        cash=1900,
        dream=545,
        transfers=0,
        chain=NO_CHAIN,
    )
    return replace(ordinary, **changes)


def redemption(**changes) -> Redemption:
    """One unit, redeemed at `at`."""
    at = changes.pop("at", NOON)
    ordinary = Redemption(
        collector=NUMBER,
        confirmation=CONFIRMATION,
        sponsor="LOY1",
        at=at,
        cap_day=calendar.cap_day(at, programme()),
        units=1,
        miles=95,
        cents=1000,
        unit_miles=95,
        unit_cents=1000,
        offer_id="1111111111",
        till=TILL,
    )
    return replace(ordinary, **changes)


def standing(**changes) -> rules.Standing:
    ordinary = rules.Standing(programme=programme(), terms=terms(), collector=collector(), used=0)
    return replace(ordinary, **changes)


def echo() -> Echo:
    return Echo(dict(ECHO_SENT), "LOY1")


def inquire(*, basket=1612, entry=CardEntry.SWIPE, number=NUMBER, language=Language.EN, **sent) -> Inquire:
    words = COLLECTOR_SENT | {"collectorNumber": number, "cardEntryMode": entry.value}
    words |= {"postTaxBasketAmount": _dollars(basket)} | sent
    return Inquire(words, words["sponsorCode"], language, number, entry, basket)


def redeem(
    *, requested=1612, basket=None, entry=CardEntry.SWIPE, number=NUMBER, key=None, language=Language.EN, **sent
) -> Redeem:
    """Ask for `requested` cents of a basket that is just as large, unless `basket` says otherwise."""
    basket = requested if basket is None else basket
    words = COLLECTOR_SENT | {"collectorNumber": number, "cardEntryMode": entry.value}
    words |= {"dollarRedeemRequest": _dollars(requested), "postTaxBasketAmount": _dollars(basket)} | sent
    return Redeem(words, words["sponsorCode"], language, number, entry, basket, requested, key)


def reverse(
    *,
    confirmation=CONFIRMATION,
    entry=CardEntry.SWIPE,
    number=NUMBER,
    key=None,
    language=Language.EN,
    **sent,
) -> Reverse:
    words = COLLECTOR_SENT | {"collectorNumber": number, "cardEntryMode": entry.value}
    words |= {"redemptionConfirmationNum": confirmation} | sent
    return Reverse(words, words["sponsorCode"], language, number, entry, confirmation, key)


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
