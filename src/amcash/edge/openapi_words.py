"""What the OpenAPI document says in prose, in our own words, to somebody who programs a till.

What can be read from a type or a table is not said here again: names, statuses and display messages come from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from amcash.domain.codes import Code, Endpoint

TITLE = "amcash: the AM Cash API"
SUMMARY = "Spend a loyalty programme's Cash Miles at the till."
INDEPENDENT = (
    "amcash is an independent implementation of a published API. "
    "It is not affiliated with, sponsored or endorsed by the owner of that API."
)

GUIDE = """\
Four calls let a till spend a loyalty programme's Cash Miles: `echo` (is the path up?), `inquire` (what is there to
spend?), `redeem` (spend it) and `reverse` (give it back).

{independent}

### Branch on `responseCode`, never on the HTTP status

`202` covers an approval (`0001`) and several declines; `408` covers an unknown result (`0008`) and a plain no
(`0067`). Only one answer has no `responseCode`: HTTP 401 for a missing or invalid bearer token.

### Get a token

`POST /oauth/token` with your client id and secret. A token is good for as long as `expires_in` says, a day by
default; get a new one before it ends, or on a 401 that has no `responseCode`. There is no refresh token.

### No answer, `0008` or `0096`: send the same request again, at once, one time

Identical means every parameter, `dateTime` included, and the same `Idempotency-Key`. If the first one was carried
out, the retry gets its recorded answer, with `Idempotency-Replayed: true`, and nothing is charged twice. If it still
fails, tell the cashier and finish the sale without miles. A redemption whose answer could not be handed over is
cancelled by itself half a minute later: nobody is charged for an answer that never came. An identical request
before that gets the approval after all; after it, it is a fresh authorisation with a new confirmation number.

### Idempotency

Send a fresh `Idempotency-Key` (a version 4 UUID, say) with each new `redeem` and `reverse`, and the same one with
its retries. Without the header the content is the key, which only tells a retry apart by its `dateTime`. The same key
with other content is refused (`0035`), never carried out. Answers marked *recorded* below are given again to a retry,
for at least 72 hours; the others are decided afresh.

### Suppressed balances

A collector may have asked not to see balances: `0001` and `0005`, and declines of such a collector, leave them out.
Then neither display nor receipt may show a balance or an available amount. A parameter that has no value is left
out; `"0"` is a value.

### Values

Every value is a JSON string, in both directions. Unknown parameters are ignored. Miles and units are whole numbers,
`unitValueDollars` has two decimals. `transDateTime` is the programme's local time, without offset; the till's own
`dateTime` never decides anything.

### Response codes

{codes}

### Other paths

An unknown path answers 404 and a wrong method 405, as `application/problem+json` (RFC 9457).
"""

TAGS = (
    ("Checkout", "The four calls of the API, for tills and for switches that speak for them."),
    ("Tokens", "OAuth 2.0 client credentials (RFC 6749 §4.4); tokens are signed JWTs (RFC 9068)."),
    ("Documentation", "This document, and a page that shows it without any network."),
    ("Operations", "For load balancers and monitoring. Keep `/metrics` inside your own network."),
)

OPERATIONS: Mapping[Endpoint, tuple[str, str]] = MappingProxyType(
    {
        Endpoint.ECHO: (
            "Is the platform up?",
            (
                "`0000` says that the whole path works: the ledger has just shown that it can take a write. "
                "Send it when a lane opens, or to tell whether a fault is over. An `Idempotency-Key` is ignored."
            ),
        ),
        Endpoint.INQUIRE: (
            "Balances, and what this basket can redeem",
            (
                "Changes nothing, so it may be sent at any time; an `Idempotency-Key` is ignored.\n\n"
                "Ask the customer only if there is an offer: `availableOfferUnits` is in the answer and above `0`. "
                "It is the most units that balance, day and basket allow together; one unit takes `unitValueAMCash` "
                "miles and pays `unitValueDollars`."
            ),
        ),
        Endpoint.REDEEM: (
            "Spend Cash Miles on this basket",
            (
                "Takes whole units: `dollarRedeemRequest` rounded down, and never more than the basket. Asked for "
                "`16.12` with units of $10.00, it takes one; below one unit is `0035`. Units beyond the balance or the "
                "day's cap are declined, not silently reduced, unless the programme says otherwise: **take "
                "`unitsRedeemed` from the answer**.\n\n"
                "The card must be swiped, scanned or preregistered. Print `txnConfirmationNumber` on the receipt. "
                "Send an `Idempotency-Key`.\n\n"
                "An approval that could not be handed over, because the caller had gone or the time was over, is "
                "cancelled by itself after a grace, half a minute by default. An identical retry before that gets the "
                "approval; after it, it is a fresh authorisation with a new confirmation number."
            ),
        ),
        Endpoint.REVERSE: (
            "Give a redemption back",
            (
                "Whole redemptions only, once, with the same collector number, at any store of the same sponsor, until "
                "03:00 local time of the day after the redemption. What comes back is what was taken then, whatever "
                "the offer is now.\n\n"
                "The published table for this call also lists `0051`, `0065`, `0066` and `0067`; nothing in a reversal "
                "can lead to them, so this service never gives them here. Send an `Idempotency-Key`."
            ),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What a code means, and what the till does about it."""

    meaning: str
    till: str


_SERVICE_DESK = "Send the collector to the programme's self-service page, chat or telephone."

ADVICE: Mapping[Code, Advice] = MappingProxyType(
    {
        Code.APPROVED: Advice("Approved.", "Show the result on the display and print it on the receipt."),
        Code.APPROVED_SUPPRESSED: Advice(
            "Approved, and the collector does not want balances to be seen.",
            "As `0000`, but neither display nor receipt may show a balance or what is available.",
        ),
        Code.COLLECTOR_INACTIVE: Advice("The collector's account is not active.", _SERVICE_DESK),
        Code.UNABLE_TO_REDEEM_SUPPRESSED: Advice(
            "The collector wants neither balances to be seen nor miles to be spent at a till.",
            "Do not offer a redemption; show and print no balances.",
        ),
        Code.UNABLE_TO_REDEEM: Advice(
            "The collector's account does not allow miles to be spent at a till.",
            "Do not offer a redemption; balances may be printed.",
        ),
        Code.TIMEOUT: Advice(
            "No answer in time: the request may or may not have been carried out.",
            "Send the identical request again at once, one time. If it fails again, the cashier escalates.",
        ),
        Code.CARD_NOT_PRESENTED: Advice(
            "The number was typed in, and spending miles needs the card itself.",
            f"Ask for the card, and swipe or scan it. Is it lost? {_SERVICE_DESK}",
        ),
        Code.UNKNOWN_COLLECTOR: Advice(
            "There is no collector with this number.", f"Read the card again. {_SERVICE_DESK}"
        ),
        Code.INVALID_PARAMETER: Advice(
            "The request is wrong and nothing was done; `message` names the first wrong parameter and says why.",
            "Do not repeat it as it is: correct it. It is a fault of the till's program or its set-up.",
        ),
        Code.TOO_FEW_MILES: Advice(
            "The Cash balance does not cover the units asked for.",
            "Offer fewer units if the balance allows; the collector finds the history on the programme's site.",
        ),
        Code.INVALID_CONFIRMATION: Advice(
            "No redemption of this sponsor and collector has this number and is still open: it is unknown, "
            "already reversed, or was cancelled.",
            "Compare the number with the receipt, and send it again if it was wrong.",
        ),
        Code.DAILY_LIMIT: Advice(
            "This would take the collector over the day's cap, which counts all sponsors together.",
            "Offer fewer units if `availableDollarAmount` allows, otherwise tomorrow; a cap day begins at 03:00.",
        ),
        Code.BASKET_TOO_SMALL: Advice(
            "The basket costs less than one unit pays.", "Ask whether the customer would like to add something."
        ),
        Code.OFFER_UNAVAILABLE: Advice(
            "No offer is in force for this sponsor just now.",
            "Let the customer try again later; do not retry by yourself.",
        ),
        Code.REVERSAL_WINDOW_OVER: Advice(
            "A redemption can be reversed until 03:00 of the next day, and that has passed.",
            "Refund with store credit or a gift card. **Never pay it out in cash.**",
        ),
        Code.OUTAGE: Advice(
            "Closed for maintenance; nothing was done.",
            "Send nothing more until `Retry-After` seconds have passed; finish the sale without miles.",
        ),
        Code.SERVER_ERROR: Advice(
            "Something broke; the request may or may not have been carried out.",
            "Send the identical request again, one time. If it fails again, the cashier escalates.",
        ),
    }
)

INSTEAD: Mapping[tuple[Endpoint, Code], Advice] = MappingProxyType(
    {
        (Endpoint.ECHO, Code.APPROVED): Advice("The whole path works.", "Carry on."),
        (Endpoint.ECHO, Code.TIMEOUT): Advice(
            "The ledger is too slow just now.",
            "Send it again, one time. If it fails again, finish sales without miles.",
        ),
        (Endpoint.ECHO, Code.SERVER_ERROR): Advice(
            "The ledger does not answer, or something broke.",
            "Send it again, one time. If it fails again, finish sales without miles.",
        ),
        (Endpoint.INQUIRE, Code.TOO_FEW_MILES): Advice(
            "The Cash balance is below one unit.", "Do not offer a redemption; print the balances that are given."
        ),
        (Endpoint.INQUIRE, Code.TIMEOUT): Advice(
            "No answer in time; an inquiry changes nothing.",
            "Send it again, one time. If it fails again, finish the sale without miles.",
        ),
        (Endpoint.INQUIRE, Code.SERVER_ERROR): Advice(
            "Something broke; an inquiry changes nothing.",
            "Send it again, one time. If it fails again, the cashier escalates.",
        ),
    }
)
"""Where the endpoint makes a difference."""

NO_TOKEN = Advice("No valid bearer token; the body was not looked at.", "Get a token, then send the request again.")

STATUSES: Mapping[int, str] = MappingProxyType(
    {
        200: "The request was carried out.",
        202: "An approval or a decline: only `responseCode` tells.",
        400: "The request cannot be carried out as it stands.",
        401: "The caller is not known, or the collector is not.",
        403: "Refused.",
        408: "Not now, or not known.",
        409: "Too late.",
        413: "The body is too large.",
        500: "Something broke.",
        503: "Closed for maintenance.",
    }
)
