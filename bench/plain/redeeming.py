"""The plain alternative's redemption: one transaction, the collector's row locked, rules in order, rows appended."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from plain.messages import RedeemRequest, RedeemResponse
from plain.tables import Collector, DailyUse, IdempotencyKey, Transfer

ZONE = ZoneInfo("America/Toronto")
CAP_DAY_STARTS = timedelta(hours=3)
DAILY_CAP_CENTS = 7_500_000_000
UNIT_MILES = 95
UNIT_CENTS = 1_000
OFFER_ID = "1111111111"
OFFER_EN = "95 Cash Miles = $10 off"
OFFER_FR = "95 milles Argent = 10 $ de rabais"


class KeyReusedError(Exception):
    """The idempotency key was already used for another request."""


@dataclass(frozen=True)
class Answer:
    """An HTTP status and what is answered with it."""

    status: int
    body: dict[str, str]


async def redeem(session: AsyncSession, key: str, request: RedeemRequest) -> Answer:
    """Decide and record one redemption inside the caller's transaction.

    Raises:
        KeyReusedError: `key` was used for another request.
    """
    digest = hashlib.sha256(request.model_dump_json().encode()).digest()
    # The lock comes first: two requests with one key are about one collector, so the second waits here.
    collector = await session.scalar(
        select(Collector).where(Collector.number == request.collectorNumber).with_for_update()
    )
    recorded = await session.get(IdempotencyKey, (request.sponsorCode, key))
    if recorded is not None:
        if recorded.digest != digest:
            raise KeyReusedError
        return Answer(recorded.status, recorded.answer)
    now = datetime.now(ZONE)
    answer = await _decide(session, collector, request, now)
    session.add(
        IdempotencyKey(sponsor=request.sponsorCode, key=key, digest=digest, status=answer.status, answer=answer.body)
    )
    return answer


async def _decide(session: AsyncSession, collector: Collector | None, request: RedeemRequest, now: datetime) -> Answer:
    if request.cardEntryMode.upper() == "MANUAL":
        return _declined(request, now, 403, "0009", "Card not swiped or scanned")
    if collector is None:
        return _declined(request, now, 401, "0025", "Invalid collector number")
    if not collector.active:
        return _declined(request, now, 401, "0002", "Collector account inactive")
    if not collector.allow_redemption:
        return _declined(request, now, 202, "0006", "Unable to redeem")
    units = min(_cents(request.dollarRedeemRequest), _cents(request.postTaxBasketAmount)) // UNIT_CENTS
    if units == 0:
        return _declined(request, now, 202, "0066", "Insufficient basket size")
    if collector.cash < units * UNIT_MILES:
        return _declined(request, now, 202, "0051", "Insufficient AIR MILES reward Miles")
    cap_day = (now - CAP_DAY_STARTS).date()
    used = await session.get(DailyUse, (collector.number, cap_day))
    if used is None:
        used = DailyUse(collector=collector.number, cap_day=cap_day, cents=0)
        session.add(used)
    if used.cents + units * UNIT_CENTS > DAILY_CAP_CENTS:
        return _declined(request, now, 202, "0065", "Exceeded daily redemption limit")

    used.cents += units * UNIT_CENTS
    collector.cash -= units * UNIT_MILES
    transfer = _transfer(collector, request, units, cap_day, now)
    session.add(transfer)
    return Answer(200, _approval(request, collector, used, transfer, now))


def _transfer(collector: Collector, request: RedeemRequest, units: int, cap_day: date, now: datetime) -> Transfer:
    return Transfer(
        collector=collector.number,
        kind="redemption",
        source=f"collector:{collector.number}:cash",
        target=f"sponsor:{request.sponsorCode}:redeemed",
        miles=units * UNIT_MILES,
        balance=collector.cash,
        at=now.replace(tzinfo=None),
        confirmation=f"{secrets.randbelow(10**16):016}",
        sponsor=request.sponsorCode,
        store=request.storeId,
        device=request.deviceId,
        trace=request.traceId,
        acquirer=request.acquirerId,
        vendor=request.vendorId,
        units=units,
        cents=units * UNIT_CENTS,
        offer_id=OFFER_ID,
        cap_day=cap_day,
    )


def _approval(
    request: RedeemRequest, collector: Collector, used: DailyUse, transfer: Transfer, now: datetime
) -> dict[str, str]:
    left_today = (DAILY_CAP_CENTS - used.cents) // UNIT_CENTS * UNIT_MILES
    available = min(collector.cash, left_today)
    return _answer(
        request,
        now,
        "0000" if collector.show_balances else "0001",
        "Approved",
        availableCashBalance=str(available),
        availableDollarAmount=str(available // UNIT_MILES * UNIT_CENTS // 100),
        cashBalance=str(collector.cash),
        dreamBalance=str(collector.dream),
        dailyOfferLimit=str(DAILY_CAP_CENTS // UNIT_CENTS),
        milesRedeemed=str(transfer.miles),
        offerDescEn=OFFER_EN,
        offerDescFr=OFFER_FR,
        offerId=OFFER_ID,
        offerType="RGL",
        txnConfirmationNumber=transfer.confirmation,
        unitValueAMCash=str(UNIT_MILES),
        unitValueDollars=f"{UNIT_CENTS // 100}.{UNIT_CENTS % 100:02}",
        unitsRedeemed=str(transfer.units),
    )


def _declined(request: RedeemRequest, now: datetime, status: int, code: str, message: str) -> Answer:
    return Answer(status, _answer(request, now, code, message))


def _answer(request: RedeemRequest, now: datetime, code: str, message: str, **fields: str) -> dict[str, str]:
    return RedeemResponse(
        **request.model_dump(),
        message=message,
        responseCode=code,
        transDateTime=now.replace(tzinfo=None).isoformat(timespec="seconds"),
        **fields,
    ).model_dump(exclude_none=True)


def _cents(dollars: str) -> int:
    return int(Decimal(dollars) * 100)
