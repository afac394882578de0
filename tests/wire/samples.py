"""The library's sample messages, letter for letter, and where they can be asked from."""

import json

from amcash.domain.codes import Endpoint
from amcash.wire.decode import Scope
from domain.examples import sponsor

SCOPE = Scope({"LOY1": sponsor()})
CHECKED = Scope({"LOY1": sponsor()}, check_digit=True)

REQUESTS = {
    Endpoint.ECHO: b"""{
      "deviceId": "001",
      "sponsorCode": "LOY1",
      "storeId": "0001",
      "traceId": "000012345678",
      "vendorId": "100087"
    }""",
    Endpoint.INQUIRE: b"""{
      "acquirerId": "100000",
      "cardEntryMode": "SWIPE",
      "collectorNumber": "84095202006",
      "dateTime": "1972-07-16T13:32:00+0400",
      "deviceId": "001",
      "instantMessage": "en-CA",
      "postTaxBasketAmount": "16.12",
      "sponsorCode": "LOY1",
      "storeId": "0001",
      "traceId": "999999999999",
      "vendorId": "100087"
    }""",
    Endpoint.REDEEM: b"""{
      "acquirerId": "100000",
      "cardEntryMode": "SWIPE",
      "collectorNumber": "84095202006",
      "dateTime": "1972-07-16T13:32:00+0400",
      "deviceId": "001",
      "dollarRedeemRequest": "16.12",
      "instantMessage": "en-CA",
      "originalPostTaxBasketAmount": "16.12",
      "originalPreTaxAmount": "16.12",
      "postTaxBasketAmount": "16.12",
      "sponsorCode": "LOY1",
      "storeId": "0001",
      "traceId": "999999999999",
      "vendorId": "100087"
    }""",
    Endpoint.REVERSE: b"""{
      "acquirerId": "100000",
      "cardEntryMode": "SWIPE",
      "collectorNumber": "84095202006",
      "dateTime": "1972-07-16T13:32:00+0400",
      "deviceId": "001",
      "redemptionConfirmationNum": "10000000000",
      "sponsorCode": "LOY1",
      "storeId": "0001",
      "traceId": "999999999999",
      "vendorId": "100087"
    }""",
}

RESPONSES = {
    Endpoint.ECHO: """{
      "deviceId": "001",
      "message": "Approved",
      "responseCode": "0000",
      "sponsorCode": "1234",
      "storeId": "0001",
      "traceId": "000012345678",
      "transDateTime": "2019-01-30T03:59:03",
      "vendorId": "1234567890"
    }""",
    Endpoint.INQUIRE: """{
        "acquirerId": "100000",
        "availableCashBalance": "95",
        "availableDollarAmount": "10",
        "availableOfferUnits": "1",
        "cashBalance": "120",
        "collectorNumber": "1234567890123456789",
        "dailyOfferLimit": "10",
        "dateTime": "2019-01-30T04:39:59.503-0400",
        "deviceId": "001",
        "dreamBalance": "545",
        "message": "Approved",
        "offerDescEn": "Sample offer description in English.",
        "offerDescFr": "Exemple de description de l'offre en français.",
        "offerId": "1111111111",
        "offerType": "RGL",
        "responseCode": "0000",
        "sponsorCode": "1234",
        "storeId": "0001",
        "traceId": "000012345678",
        "transDateTime": "2019-01-30T11:41:55",
        "unitValueAMCash": "95",
        "unitValueDollars": "10.00",
        "vendorId": "555555"
    }""",
    Endpoint.REDEEM: """{
        "acquirerId": "100000",
        "availableCashBalance": "95",
        "availableDollarAmount": "10",
        "cashBalance": "120",
        "collectorNumber": "80000000001",
        "dailyOfferLimit": "10",
        "dateTime": "2019-01-30T04:39:59.503-0400",
        "deviceId": "001",
        "dreamBalance": "550",
        "message": "Approved",
        "milesRedeemed": "95",
        "offerDescEn": "Sample offer description in English.",
        "offerDescFr": "Exemple de description de l'offre en français.",
        "offerId": "1111111111",
        "offerType": "RGL",
        "responseCode": "0000",
        "sponsorCode": "1234",
        "storeId": "0001",
        "traceId": "000012345678",
        "transDateTime": "2018-10-27T02:25:10",
        "txnConfirmationNumber": "0000",
        "unitsRedeemed": "1",
        "unitValueAMCash": "95",
        "unitValueDollars": "10.00",
        "vendorId": "555555"
    }""",
    Endpoint.REVERSE: """{
        "acquirerId": "100000",
        "availableCashBalance": "95",
        "availableDollarAmount": "10",
        "cashBalance": "120",
        "collectorNumber": "80000000001",
        "dateTime": "2019-01-30T04:39:59.503-0400",
        "deviceId": "001",
        "dreamBalance": "550",
        "message": "Approved",
        "milesReversed": "95",
        "responseCode": "0000",
        "sponsorCode": "1234",
        "storeId": "0001",
        "traceId": "000012345678",
        "transDateTime": "2019-01-30T04:39:59",
        "txnConfirmationNumber": "0000",
        "unitsReversed": "1",
        "unitValueAMCash": "95",
        "unitValueDollars": "10",
        "vendorId": "1234567890"
    }""",
}

ABSENT = object()


def request(endpoint: Endpoint, **changes) -> dict[str, object]:
    """The sample request as JSON values, some of them changed or ABSENT."""
    values = json.loads(REQUESTS[endpoint]) | changes
    return {name: value for name, value in values.items() if value is not ABSENT}


def body(endpoint: Endpoint, **changes) -> bytes:
    return json.dumps(request(endpoint, **changes)).encode()
