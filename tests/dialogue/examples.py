"""The library's sample answers, and one answer for each situation."""

from amcash.dialogue.answers import Situation

_OFFER = {
    "dailyOfferLimit": "10",
    "offerDescEn": "Sample offer description in English.",
    "offerDescFr": "Exemple de description de l'offre en français.",
    "offerId": "1111111111",
    "offerType": "RGL",
}
_COLLECTOR = {
    "availableCashBalance": "95",
    "availableDollarAmount": "10",
    "cashBalance": "120",
    "dreamBalance": "550",
    "message": "Approved",
    "responseCode": "0000",
    "unitValueAMCash": "95",
    "unitValueDollars": "10.00",
}
ECHO = {"message": "Approved", "responseCode": "0000", "transDateTime": "2019-01-30T03:59:03"}
INQUIRE = {**_COLLECTOR, **_OFFER, "availableOfferUnits": "1", "dreamBalance": "545"}
REDEEM = {**_COLLECTOR, **_OFFER, "milesRedeemed": "95", "txnConfirmationNumber": "0000", "unitsRedeemed": "1"}
REVERSE = {
    **_COLLECTOR,
    "milesReversed": "95",
    "txnConfirmationNumber": "0000",
    "unitsReversed": "1",
    "unitValueDollars": "10",
}
SAMPLES = {"echo": ECHO, "inquire": INQUIRE, "redeem": REDEEM, "reverse": REVERSE}
BALANCES = ("availableCashBalance", "availableDollarAmount", "cashBalance", "dreamBalance")

# Fig. 2 of the platform's "Point-of-Sale Terminal Workflows": 95 miles, 10 dollars, 3 units now, 20 for the day.
FIGURE_2 = {**INQUIRE, "availableOfferUnits": "3", "dailyOfferLimit": "20"}


def answered(endpoint, situation, **changed):
    """Build the sample answer of an endpoint as it would be with another code; NO_TOKEN's has a message only."""
    if situation is Situation.NO_TOKEN:
        return {"message": "Missing or invalid “Bearer token”"}
    return {**SAMPLES[endpoint], "responseCode": situation.value, **changed}


def lines(text):
    """Return the lines of an indented block, for comparing with what is shown."""
    return tuple(line.strip() for line in text.strip().splitlines())
