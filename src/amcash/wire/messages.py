"""Every message of the API, as a type, letter for letter: validation and the OpenAPI schema both come from here.

Names are the published API's own, hence the camel case. Every value is a JSON string (R-WIRE-2). A parameter's
`extra` holds what a till developer reads when it is wrong, in both languages (R-WIRE-4, R-WIRE-9).
"""

from typing import Annotated

from msgspec import Meta, Struct

from amcash.domain.codes import Endpoint

_DOLLARS = r"[0-9]{1,13}(\.[0-9]{1,2})?"
_DOLLARS_EXTRA = {
    "en": "must be a dollar amount such as 16.12",
    "fr": "doit être un montant en dollars, par exemple 16.12",
}


def _letters(most: int, *, also: str = "") -> tuple[str, dict[str, str]]:
    *signs, last = ("letters", "digits", *also)
    *signs_fr, last_fr = ("lettres", "chiffres", *also)
    return f"[A-Za-z0-9{also}]{{1,{most}}}", {
        "en": f"must be 1 to {most} {', '.join(signs)} or {last}",
        "fr": f"doit compter de 1 à {most} {', '.join(signs_fr)} ou {last_fr}",
    }


def _digits(most: int) -> tuple[str, dict[str, str]]:
    return f"[0-9]{{1,{most}}}", {
        "en": f"must be 1 to {most} digits",
        "fr": f"doit compter de 1 à {most} chiffres",
    }


def _meta(rule: tuple[str, dict[str, str]], description: str, example: str) -> Meta:
    pattern, extra = rule
    return Meta(pattern=f"^{pattern}$", extra=dict(extra), description=description, examples=[example])


def _said(description: str, *examples: str) -> Meta:
    """Say what a parameter means where its type alone says only what it looks like."""
    return Meta(description=description, examples=list(examples) or None)


AcquirerId = Annotated[str, _meta(_digits(11), "The party that sends the request, usually the partner.", "100000")]
CardEntryMode = Annotated[
    str,
    Meta(
        pattern="^([Ss][Ww][Ii][Pp][Ee]|[Ss][Cc][Aa][Nn]|[Mm][Aa][Nn][Uu][Aa][Ll]"
        "|[Pp][Rr][Ee][Rr][Ee][Gg][Ii][Ss][Tt][Ee][Rr][Ee][Dd])$",
        description="How the account number was entered: SWIPE, SCAN, MANUAL or PREREGISTERED, in any case.",
        examples=["SWIPE"],
        extra={
            "en": "must be SWIPE, SCAN, MANUAL or PREREGISTERED",
            "fr": "doit être SWIPE, SCAN, MANUAL ou PREREGISTERED",
        },
    ),
]
CollectorNumber = Annotated[str, _meta(_digits(19), "The customer's account number.", "84095202006")]
DateTime = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.,][0-9]+)?"
        r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?$",
        description="Date and time when the request was sent (ISO 8601). Part of a request's identity, "
        "never used to decide anything.",
        examples=["2019-01-30T04:39:59.503-0400"],
        extra={
            "en": "must be an ISO 8601 date and time such as 2019-01-30T04:39:59.503-0400",
            "fr": "doit être une date et heure ISO 8601, par exemple 2019-01-30T04:39:59.503-0400",
        },
    ),
]
DeviceId = Annotated[str, _meta(_letters(16, also="_-"), "The POS terminal in use.", "001")]
Dollars = Annotated[
    str, Meta(pattern=f"^{_DOLLARS}$", description="A dollar amount.", examples=["16.12"], extra=_DOLLARS_EXTRA)
]
InstantMessage = Annotated[
    str,
    Meta(
        pattern="^([Ee][Nn]|[Ff][Rr])(-[Cc][Aa])?$",
        description="Language of the display message: en-CA, fr-CA, en or fr, in any case.",
        examples=["en-CA"],
        extra={"en": "must be en-CA or fr-CA", "fr": "doit être en-CA ou fr-CA"},
    ),
]
ConfirmationNum = Annotated[
    str,
    _meta(
        _letters(32, also="-"),
        "The redemption to reverse; `redemptionConfirmationNumber` is accepted as another name.",
        "4301775582093164",
    ),
]
SponsorCode = Annotated[str, _meta(_letters(10), "The partner.", "LOY1")]
StoreId = Annotated[str, _meta(_letters(16, also="_-"), "The partner's location.", "0001")]
TraceId = Annotated[
    str, _meta(_letters(36, also="_-"), "The partner's unique transaction tracking number.", "999999999999")
]
VendorId = Annotated[str, _meta(_digits(35), "The partner, for payments downstream.", "100087")]

Text = Annotated[str, Meta(description="Words for a display.")]
Number = Annotated[str, Meta(pattern="^[0-9]+$", description="A whole number.", examples=["95"])]
LocalTime = Annotated[str, Meta(description="The programme's local time, no offset.", examples=["2019-01-30T03:59:03"])]
ResponseCode = Annotated[
    str, Meta(pattern="^[0-9]{4}$", description="Branch on this, never on the HTTP status.", examples=["0000"])
]


_BASKET = _said("What the basket costs at the till, taxes included.", "16.12")
_DOLLAR_REQUEST = _said(
    "How much of the basket to pay with miles: taken in whole units, rounded down, never beyond the basket.", "16.12"
)
_ORIGINAL_POST_TAX = _said("What the purchase cost at first, taxes included.", "16.12")
_ORIGINAL_PRE_TAX = _said("What the purchase cost at first, before taxes.", "16.12")
_AVAILABLE_MILES = _said(
    "Cash Miles that can still be used today, after this transaction: the balance, "
    "or what is left of the day's cap where that is less.",
    "95",
)
_AVAILABLE_DOLLARS = _said("What those miles are worth, in whole units.", "10")
_AVAILABLE_UNITS = _said("Units that this basket can use now; `0` where it is smaller than one unit.", "1")
_DAILY_LIMIT = _said("The day's cap in units: the same all day, whatever has been used of it.", "10")
_OFFER_TYPE = Meta(pattern="^(RGL|SPL)$", description="RGL: regular. SPL: special.", examples=["RGL"])
_UNIT_MILES = _said("Cash Miles that one unit costs.", "95")
_UNIT_DOLLARS = _said("Dollars that one unit brings.", "10.00")
_CONFIRMATION = _said("Print it on the receipt: a reversal needs it. Keep leading zeros.", "4301775582093164")


class EchoRequest(Struct, kw_only=True, frozen=True):
    """Is the real-time platform up and ready?"""

    deviceId: DeviceId
    sponsorCode: SponsorCode
    storeId: StoreId
    traceId: TraceId
    vendorId: VendorId


class _CollectorRequest(EchoRequest, kw_only=True, frozen=True):
    acquirerId: AcquirerId
    cardEntryMode: CardEntryMode
    collectorNumber: CollectorNumber
    dateTime: DateTime
    instantMessage: InstantMessage | None = None


class InquireRequest(_CollectorRequest, kw_only=True, frozen=True):
    """What does the collector have, and what can be redeemed for this basket?"""

    postTaxBasketAmount: Annotated[Dollars, _BASKET]


class RedeemRequest(_CollectorRequest, kw_only=True, frozen=True):
    """Redeem Cash Miles towards this basket."""

    dollarRedeemRequest: Annotated[Dollars, _DOLLAR_REQUEST]
    originalPostTaxBasketAmount: Annotated[Dollars, _ORIGINAL_POST_TAX] | None = None
    originalPreTaxAmount: Annotated[Dollars, _ORIGINAL_PRE_TAX] | None = None
    postTaxBasketAmount: Annotated[Dollars, _BASKET]


class ReverseRequest(_CollectorRequest, kw_only=True, frozen=True):
    """Reverse (refund) a whole redemption."""

    redemptionConfirmationNum: ConfirmationNum


class EchoResponse(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The path works, or what is wrong with it. Also the shape of every `0035` and 5xx: what did parse is repeated."""

    acquirerId: AcquirerId | None = None
    collectorNumber: CollectorNumber | None = None
    deviceId: DeviceId | None = None
    message: Text
    responseCode: ResponseCode
    sponsorCode: SponsorCode | None = None
    storeId: StoreId | None = None
    traceId: TraceId | None = None
    transDateTime: LocalTime
    vendorId: VendorId | None = None


class _CollectorResponse(EchoResponse, kw_only=True, frozen=True, omit_defaults=True):
    availableCashBalance: Annotated[Number, _AVAILABLE_MILES] | None = None
    availableDollarAmount: Annotated[str, _AVAILABLE_DOLLARS] | None = None
    cardEntryMode: CardEntryMode | None = None
    cashBalance: Annotated[Number, _said("Cash Miles after this transaction.", "120")] | None = None
    dateTime: DateTime | None = None
    dreamBalance: Annotated[Number, _said("Dream Miles; the till cannot spend them.", "545")] | None = None
    instantMessage: InstantMessage | None = None


class _OfferResponse(_CollectorResponse, kw_only=True, frozen=True, omit_defaults=True):
    dailyOfferLimit: Annotated[Number, _DAILY_LIMIT] | None = None
    offerDescEn: Annotated[Text, _said("The offer in English.")] | None = None
    offerDescFr: Annotated[Text, _said("The offer in French.")] | None = None
    offerId: Annotated[str, _said("The offer in force.", "1111111111")] | None = None
    offerType: Annotated[str, _OFFER_TYPE] | None = None
    postTaxBasketAmount: Annotated[Dollars, _BASKET] | None = None
    unitValueAMCash: Annotated[Number, _UNIT_MILES] | None = None
    unitValueDollars: Annotated[str, _UNIT_DOLLARS] | None = None


class InquireResponse(_OfferResponse, kw_only=True, frozen=True, omit_defaults=True):
    """Balances, and the offer where something can be redeemed."""

    availableOfferUnits: Annotated[Number, _AVAILABLE_UNITS] | None = None


class RedeemResponse(_OfferResponse, kw_only=True, frozen=True, omit_defaults=True):
    """What was redeemed, or why not. `txnConfirmationNumber` goes on the receipt."""

    dollarRedeemRequest: Annotated[Dollars, _DOLLAR_REQUEST] | None = None
    milesRedeemed: Annotated[Number, _said("Cash Miles taken by this redemption.", "95")] | None = None
    originalPostTaxBasketAmount: Annotated[Dollars, _ORIGINAL_POST_TAX] | None = None
    originalPreTaxAmount: Annotated[Dollars, _ORIGINAL_PRE_TAX] | None = None
    txnConfirmationNumber: Annotated[str, _CONFIRMATION] | None = None
    unitsRedeemed: Annotated[Number, _said("Units taken by this redemption.", "1")] | None = None


class ReverseResponse(_CollectorResponse, kw_only=True, frozen=True, omit_defaults=True):
    """What was given back, or why not."""

    milesReversed: Annotated[Number, _said("Cash Miles given back.", "95")] | None = None
    redemptionConfirmationNum: ConfirmationNum | None = None
    txnConfirmationNumber: Annotated[str, _CONFIRMATION] | None = None
    unitsReversed: Annotated[Number, _said("Units given back.", "1")] | None = None
    unitValueAMCash: Annotated[Number, _UNIT_MILES] | None = None
    unitValueDollars: Annotated[str, _UNIT_DOLLARS] | None = None


class NoTokenResponse(Struct, frozen=True):
    """No valid bearer token: a message, and no response code."""

    message: Text


class Problem(Struct, frozen=True, omit_defaults=True):
    """An answer outside the API proper: RFC 9457."""

    title: str
    status: int
    detail: str | None = None


REQUESTS = {
    Endpoint.ECHO: EchoRequest,
    Endpoint.INQUIRE: InquireRequest,
    Endpoint.REDEEM: RedeemRequest,
    Endpoint.REVERSE: ReverseRequest,
}
RESPONSES = {
    Endpoint.ECHO: EchoResponse,
    Endpoint.INQUIRE: InquireResponse,
    Endpoint.REDEEM: RedeemResponse,
    Endpoint.REVERSE: ReverseResponse,
}
IDENTIFIERS = frozenset({"acquirerId", "collectorNumber", "deviceId", "sponsorCode", "storeId", "traceId", "vendorId"})
"""What an answer repeats even when the rest of the request was wrong (R-WIRE-5)."""
