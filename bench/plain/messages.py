"""The plain alternative's messages: the published API's redeem, as Pydantic models."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints


def _text(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=f"^{pattern}$")


Dollars = Annotated[str, _text(r"[0-9]{1,13}(\.[0-9]{1,2})?")]


class RedeemRequest(BaseModel):
    """Redeem Cash Miles towards this basket."""

    acquirerId: Annotated[str, _text("[0-9]{1,11}")]
    cardEntryMode: Annotated[str, _text("(?i:SWIPE|SCAN|MANUAL|PREREGISTERED)")]
    collectorNumber: Annotated[str, _text("[0-9]{1,19}")]
    dateTime: Annotated[str, _text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]+(Z|[+-][0-9:]+)?")]
    deviceId: Annotated[str, _text("[A-Za-z0-9_-]{1,16}")]
    dollarRedeemRequest: Dollars
    instantMessage: Annotated[str, _text("(?i:en|fr)(-(?i:ca))?")] | None = None
    originalPostTaxBasketAmount: Dollars | None = None
    originalPreTaxAmount: Dollars | None = None
    postTaxBasketAmount: Dollars
    sponsorCode: Annotated[str, _text("[A-Za-z0-9]{1,10}")]
    storeId: Annotated[str, _text("[A-Za-z0-9_-]{1,16}")]
    traceId: Annotated[str, _text("[A-Za-z0-9_-]{1,36}")]
    vendorId: Annotated[str, _text("[0-9]{1,35}")]


class RedeemResponse(RedeemRequest):
    """What was sent, and what was redeemed, or why not."""

    availableCashBalance: str | None = None
    availableDollarAmount: str | None = None
    cashBalance: str | None = None
    dailyOfferLimit: str | None = None
    dreamBalance: str | None = None
    message: str
    milesRedeemed: str | None = None
    offerDescEn: str | None = None
    offerDescFr: str | None = None
    offerId: str | None = None
    offerType: str | None = None
    responseCode: str
    transDateTime: str
    txnConfirmationNumber: str | None = None
    unitValueAMCash: str | None = None
    unitValueDollars: str | None = None
    unitsRedeemed: str | None = None
