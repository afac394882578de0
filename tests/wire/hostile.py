"""Requests that are none, each with the words that say so and the parameters that its answer repeats."""

import json
from dataclasses import dataclass, field

from amcash.domain.codes import Endpoint
from amcash.wire.decode import Scope
from wire.samples import ABSENT, CHECKED, REQUESTS, SCOPE, body

ECHO, INQUIRE, REDEEM, REVERSE = Endpoint
IDENTIFIERS = ("acquirerId", "collectorNumber", "deviceId", "sponsorCode", "storeId", "traceId", "vendorId")
JSON = ("application/json",)


@dataclass(frozen=True)
class Hostile:
    endpoint: Endpoint
    body: bytes
    says: str
    repeats: frozenset[str] = frozenset()
    scope: Scope = SCOPE
    content_types: tuple[str, ...] = JSON
    idempotency_keys: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        shown = self.body[:60].decode("ascii", "replace")
        return f"{self.endpoint}: {self.says} <- {shown}".encode("ascii", "replace").decode()


def identifiers(endpoint, *but):
    return frozenset(name for name in IDENTIFIERS if name.encode() in REQUESTS[endpoint]) - frozenset(but)


def parameter(endpoint, says, **changes):
    """A sample request in which one or more parameters are wrong: those are not repeated."""
    return Hostile(endpoint, body(endpoint, **changes), says, identifiers(endpoint, *changes))


def unknown(endpoint, says, extra: bytes):
    """A sample request with something in front that no one asked for."""
    return Hostile(endpoint, b"{" + extra + b"," + REQUESTS[endpoint].strip()[1:], says, identifiers(endpoint))


def header(endpoint, says, *keys):
    return Hostile(endpoint, REQUESTS[endpoint], says, identifiers(endpoint), idempotency_keys=keys)


# --- the body (R-WIRE-1) ------------------------------------------------------------------------------------------

ECHO_BODY = REQUESTS[ECHO].strip()

CONTENT_TYPES = [
    Hostile(ECHO, ECHO_BODY, "Content-Type must be application/json", content_types=types)
    for types in [
        (),
        ("",),
        ("text/plain",),
        ("application/x-www-form-urlencoded",),
        ("application/xml",),
        ("application/jsonp",),
        ("application/json2",),
        ("application/problem+json",),
        ("text/json",),
        ("xapplication/json",),
        ("application/json, text/plain",),
        ("application/json;charset=utf-16",),
        ("application/json; charset=iso-8859-1",),
        ("application/json; charset=utf-8; charset=utf-16",),
        ("application/json; boundary=x",),
        ("application/json\n",),
        ("application/j\u017fon",),
        ("*/*",),
        ("application/json", "application/json"),
        ("application/json", "text/plain"),
    ]
]

NOT_UTF8 = [
    Hostile(ECHO, text, "body must be UTF-8")
    for text in [
        b"\xff",
        b"\x80",
        b"\xc3",
        b'{"deviceId": "\xe9"}',  # Latin-1
        b'{"deviceId": "\xc0\xaf"}',  # overlong
        b'{"deviceId": "\xed\xa0\x80"}',  # a surrogate
        b'{"deviceId": "\xf4\x90\x80\x80"}',  # beyond U+10FFFF
        b'{"deviceId": "\xf0\x9f\x98"}',  # cut off
        ECHO_BODY[:-1] + b"\xff}",
        ECHO_BODY.decode().encode("utf-16"),
        ECHO_BODY.decode().encode("utf-32"),
        b"\xff\xfe" + ECHO_BODY,
    ]
]

NOT_JSON = [
    Hostile(ECHO, text, "body must be valid JSON")
    for text in [
        b"",
        b" ",
        b"\n\t\r ",
        b"\x00",
        b"{",
        b"}",
        b"[",
        b'"',
        b"{]",
        b"{}{}",
        b"{} x",
        b"{,}",
        b'{"a"}',
        b'{"a":}',
        b'{"a":"b",}',
        b'{"a" "b"}',
        b'{"a":"b" "c":"d"}',
        b"{a:1}",
        b"{'a':'b'}",
        b"{1:2}",
        b"{null:1}",
        b'{"a":"b"',
        b'{"a":"b}',
        b'{"a":"\\x"}',
        b'{"a":"\\u12"}',
        b'{"a":"\\u12g4"}',
        b'{"a":"\\"}',
        b'{"a":"\t"}',
        b'{"a":"\n"}',
        b'{"a":"\x00"}',
        b'{"a":"\x1f"}',
        b'{"a\x00":"b"}',
        b'{"a":tru}',
        b'{"a":True}',
        b'{"a":None}',
        b'{"a":nul}',
        b'{"a":undefined}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":1e}',
        b'{"a":-}',
        b'{"a":0x10}',
        b'{"a":1_000}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":[NaN]}',
        b'{"a":{"b":-Infinity}}',
        b"NaN",
        b'{"a":"b"}//',
        b'/**/{"a":"b"}',
        b"[1,]",
        b"deviceId=001&sponsorCode=LOY1",
        b"<echo/>",
        b"\xef\xbb\xbf" + ECHO_BODY,  # a byte order mark
        b"\xef\xbb\xbf",
        ECHO_BODY.decode().encode("utf-16-be"),
        ECHO_BODY.decode().encode("utf-16-le"),
        ECHO_BODY.decode().encode("utf-32-le"),
        b"\xc2\xa0" + ECHO_BODY,  # a no-break space is not white space in JSON
        b"\x0b" + ECHO_BODY,
        b"\x0c" + ECHO_BODY,
        ECHO_BODY + b"\x00",
        ECHO_BODY + ECHO_BODY,
        ECHO_BODY[:-1],
        ECHO_BODY[1:],
        b'{"a":' * 100,
        b"[" * 500,
    ]
]

NOT_AN_OBJECT = [
    Hostile(ECHO, text, "body must be a JSON object")
    for text in [
        b"[]",
        b"[" + ECHO_BODY + b"]",
        b"null",
        b"true",
        b"false",
        b"0",
        b"-0.0e-0",
        b"1e999999999",
        b"9" * 16_000,
        b'""',
        b'"{}"',
        b"[[[[[[]]]]]]",
        b" null ",
    ]
]

DUPLICATES = [
    Hostile(ECHO, text, says)
    for text, says in [
        (b'{"deviceId":"001","deviceId":"001"}', "deviceId must not stand twice"),
        (b'{"deviceId":"001","deviceId":"002"}', "deviceId must not stand twice"),
        (b'{"deviceId":"001","device\\u0049d":"001"}', "deviceId must not stand twice"),
        (b'{"a":1,"b":2,"a":3,"b":4}', "a must not stand twice"),
        (b'{"b":1,"a":1,"a":1,"b":1}', "a must not stand twice"),
        (b'{"x":{"y":1,"y":1}}', "y must not stand twice"),
        (b'{"x":[{"y":[{"z":1,"z":1}]}]}', "z must not stand twice"),
        (b'[{"a":1,"a":1}]', "a must not stand twice"),
        (b'{"":1,"":2}', "body must not stand twice"),
        (b'{"\xc3\xa9":1,"\xc3\xa9":2}', "body must not stand twice"),
        (b'{"a b":1,"a b":2}', "body must not stand twice"),
        (b'{"a\\u0000":1,"a\\u0000":2}', "body must not stand twice"),
        (b'{"\\ud800":1,"\\ud800":2}', "body must not stand twice"),
        (b'{"<b>":1,"<b>":2}', "body must not stand twice"),
        (b'{"' + b"n" * 64 + b'":1,"' + b"n" * 64 + b'":2}', "n" * 64 + " must not stand twice"),
        (b'{"' + b"n" * 65 + b'":1,"' + b"n" * 65 + b'":2}', "body must not stand twice"),
        (ECHO_BODY[:-1] + b',"vendorId":"100087"}', "vendorId must not stand twice"),
    ]
]

TOO_LARGE = [
    Hostile(ECHO, text, "body must not be over 16 KiB")
    for text in [
        b" " * (16 * 1024 + 1),
        ECHO_BODY + b" " * (16 * 1024 + 1 - len(ECHO_BODY)),
        b"[" * 20_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"\xff" * 17_000,
    ]
]

TOO_DEEP = [
    Hostile(ECHO, b"[" * 8_000 + b"]" * 8_000, "body must not be nested deeper than 4"),
    Hostile(ECHO, b'{"a":' * 2_500 + b"1" + b"}" * 2_500, "body must not be nested deeper than 4"),
    unknown(ECHO, "body must not be nested deeper than 4", b'"x":' + b"[" * 7_000 + b"]" * 7_000),
    unknown(ECHO, "body must not be nested deeper than 4", b'"x":[[[[]]]]'),
    unknown(ECHO, "body must not be nested deeper than 4", b'"x":[[["a",{}]]]'),
    unknown(ECHO, "body must not be nested deeper than 4", b'"x":{"a":{"b":{"c":{"d":"e"}}}}'),
    unknown(REDEEM, "body must not be nested deeper than 4", b'"x":{"a":[{"b":[1]}]}'),
    unknown(ECHO, "body must not be nested deeper than 4", b'"x":' + b"[" * 500 + b"]" * 500),
]
# What a decoder without a limit of its own reads, one with a limit gives up on: the answer differs only in what it
# could repeat, so these say nothing of it.
TOO_DEEP[2] = Hostile(ECHO, TOO_DEEP[2].body, TOO_DEEP[2].says)

# --- unknown parameters: ignored, but not lawless (R-WIRE-2, R-WIRE-3) --------------------------------------------

UNKNOWN = [
    unknown(endpoint, says, extra)
    for endpoint, says, extra in [
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\u0000"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"a\\n"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\u001f"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\x7f"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\u007F"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\ud800"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\udfff"'),
        (ECHO, "timeZone must hold no control character", b'"timeZone":"\\ude00\\ud83d"'),
        (REDEEM, "preTaxBasketAmount must hold no control character", b'"preTaxBasketAmount":"\\b"'),
        (INQUIRE, "x must hold no control character", b'"x":["a",["b","\\r"]]'),
        (INQUIRE, "x must hold no control character", b'"x":{"a":{"b":"\\udc00"}}'),
        (INQUIRE, "body must hold no control character", b'"\\u0000":"\\u0000"'),
        (INQUIRE, "body must hold no control character", b'"\xc3\xa9t\xc3\xa9":"\\u0000"'),
        (REVERSE, "a must hold no control character", b'"b":"\\u0000","a":"\\u0000"'),
        (REVERSE, "Idempotency-Key must hold no control character", b'"Idempotency-Key":"\\u0000"'),
        (ECHO, "collectorNumber must hold no control character", b'"collectorNumber":"\\u0000"'),
        # Of two faults that both have no name to show, the first by name.
        (ECHO, "body must hold no control character", b'"\\u0001":"\\u0001","\\u0002":[[[[]]]]'),
        (ECHO, "body must not be nested deeper than 4", b'"\\u0001":[[[[]]]],"\\u0002":"\\u0001"'),
    ]
]

# --- the parameters (R-FIELD) -------------------------------------------------------------------------------------

LONG = "1" * 10_000
DATE = "must be an ISO 8601 date and time such as 2019-01-30T04:39:59.503-0400"
DOLLARS = "must be a dollar amount such as 16.12"
BAD_DOLLARS = [
    *("", " ", "16.", ".5", ".", "16.123", "-1", "+1", "-0", "1e3", "1,000", "1,5", "$16.12", "16.12 ", " 16.12"),
    *(
        "16.12\n",
        "16.12\u0000",
        "NaN",
        "Infinity",
        "0x10",
        "1_000",
        "\u0663",
        "\uff11\uff16",
        "16.1\u00b2",
        "12345678901234",
        LONG,
    ),
]
WHY = {
    "acquirerId": "must be 1 to 11 digits",
    "cardEntryMode": "must be SWIPE, SCAN, MANUAL or PREREGISTERED",
    "collectorNumber": "must be 1 to 19 digits",
    "dateTime": DATE,
    "deviceId": "must be 1 to 16 letters, digits, _ or -",
    "dollarRedeemRequest": DOLLARS,
    "instantMessage": "must be en-CA or fr-CA",
    "originalPostTaxBasketAmount": DOLLARS,
    "originalPreTaxAmount": DOLLARS,
    "postTaxBasketAmount": DOLLARS,
    "redemptionConfirmationNum": "must be 1 to 32 letters, digits or -",
    "sponsorCode": "must be 1 to 10 letters or digits",
    "storeId": "must be 1 to 16 letters, digits, _ or -",
    "traceId": "must be 1 to 36 letters, digits, _ or -",
    "vendorId": "must be 1 to 35 digits",
}
BAD_VALUES = {
    "acquirerId": ["", " ", "1 ", "1\n", "-1", "1.0", "1a", "1" * 12, "\u0661", "\uff11", "\ud800", "\u0000"],
    "cardEntryMode": ["", "SWIPED", "SWIPE ", "SWIPE\n", " SCAN", "TAP", "\u017fwipe", "SW\u0130PE", "SWIPE,SCAN", "0"],
    "collectorNumber": [
        *(
            "",
            "8409520200x",
            "8409 520 2006",
            "-84095202006",
            "1" * 20,
            LONG,
            "84095202006\n",
            "\u0668\u0664\u0660",
            "\u007f",
        ),
        "84095202006\ud83d",
    ],
    "dateTime": [
        *("", "now", "2019-01-30", "04:39:59", "2019-01-30 04:39:59", "2019-01-30T04:39", "2019-01-30t04:39:59"),
        *("2019-02-30T04:39:59", "2019-02-29T00:00:00", "2019-13-01T00:00:00", "2019-00-10T00:00:00"),
        *("2019-01-00T00:00:00", "2019-01-32T00:00:00", "0000-01-01T00:00:00", "2019-01-30T25:00:00"),
        *("2019-01-30T24:00:00", "2019-01-30T04:60:00", "2019-01-30T04:39:60", "2019-01-30T04:39:59."),
        *("2019-01-30T04:39:59.-1", "2019-01-30T04:39:59+4", "2019-01-30T04:39:59+04"),
        *("2019-01-30T04:39:59+2400", "2019-01-30T04:39:59+0060", "2019-01-30T04:39:59+04:00:00"),
        *("2019-01-30T04:39:59 -0400", "2019-01-30T04:39:59Z0400", "2019-01-30T04:39:59z"),
        *("2019-01-30T04:39:59\n", "2019-01-30T04:39:59\u0000", "\uff12019-01-30T04:39:59", "2019-W05-3T04:39:59"),
        *("20190130T043959", "1548837599", "+2019-01-30T04:39:59", "12019-01-30T04:39:59"),
        "2019-01-30T04:39:59\u221204:00",
    ],
    "deviceId": ["", " ", "a b", "a.b", "a/b", "\u00e9", "1" * 17, "001\n", "\u0001", "<b>", "a\u0300", "\u0660"],
    "dollarRedeemRequest": BAD_DOLLARS,
    "instantMessage": ["", "EN-US", "de", "en_CA", "fr-CA ", "fr-CA\n", "english", "en-CA,fr-CA", "e", "-CA"],
    "originalPostTaxBasketAmount": BAD_DOLLARS[:6],
    "originalPreTaxAmount": BAD_DOLLARS[:6],
    "postTaxBasketAmount": BAD_DOLLARS,
    "redemptionConfirmationNum": ["", " ", "1_2", "1 2", "1" * 33, "1\n", "\u00e9", "1;DROP", "\udfff", "%31"],
    "sponsorCode": [
        "",
        "LOY 1",
        "LOY_1",
        "LOY-1",
        "LOY1\n",
        "L" * 11,
        "\uff2c\uff2f\uff391",
        "L\u00d6Y1",
        "\u0000LOY1",
        LONG,
    ],
    "storeId": ["", "0001 ", "0.1", "\u00e9", "1" * 17, "1\r\n", "\u2028", "a\u200b"],
    "traceId": ["", "1 2", "1" * 37, "1\t", "{}", "9" * 10_000, "\ufb01", "\ud83d\ude00"],
    "vendorId": ["", "1a", "1" * 36, "-1", "1\n", "\uff11", "1.0", " 1"],
}
NOT_STRINGS = [1, -1.5, 10**400, True, False, None, [], ["001"], {}, {"a": "b"}, [[[["deep"]]]]]


def _home(name):
    """The endpoint to try a parameter at: the first that lists it."""
    optional = {"instantMessage": INQUIRE}
    return optional.get(name) or next(one for one in Endpoint if f'"{name}"'.encode() in REQUESTS[one])


PARAMETERS = [
    *(
        parameter(_home(name), f"{name} {WHY[name]}", **{name: value})
        for name, values in BAD_VALUES.items()
        for value in values
    ),
    *(
        parameter(_home(name), f"{name} must be a JSON string", **{name: value})
        for name in WHY
        for value in NOT_STRINGS
    ),
    *(
        parameter(endpoint, f"{name} is required", **{name: ABSENT})
        for endpoint in Endpoint
        for name in json.loads(REQUESTS[endpoint])
        if name not in {"instantMessage", "originalPostTaxBasketAmount", "originalPreTaxAmount"}
    ),
    # A name in other letters is another name.
    parameter(ECHO, "deviceId is required", deviceId=ABSENT, deviceid="001"),
    parameter(ECHO, "deviceId is required", deviceId=ABSENT, **{"deviceId ": "001"}),
    Hostile(ECHO, b"{}", "deviceId is required"),
    Hostile(INQUIRE, b"{}", "acquirerId is required"),
    Hostile(REDEEM, b' { "x" : [1e400, -0, null] } ', "acquirerId is required"),
    Hostile(REVERSE, b'{"instantMessage":"en"}', "acquirerId is required"),
    # Each endpoint wants its own parameters.
    Hostile(INQUIRE, REQUESTS[ECHO], "acquirerId is required", identifiers(ECHO)),
    Hostile(REDEEM, REQUESTS[INQUIRE], "dollarRedeemRequest is required", identifiers(INQUIRE)),
    Hostile(REVERSE, REQUESTS[REDEEM], "redemptionConfirmationNum is required", identifiers(REDEEM)),
    Hostile(INQUIRE, REQUESTS[REVERSE], "postTaxBasketAmount is required", identifiers(REVERSE)),
]

SEVERAL = [
    parameter(ECHO, "deviceId is required", vendorId="x", deviceId=ABSENT),
    parameter(ECHO, "storeId must be a JSON string", vendorId=1, traceId=None, storeId=[]),
    parameter(ECHO, "sponsorCode is required", storeId=" ", sponsorCode=ABSENT),
    parameter(REDEEM, f"acquirerId {WHY['acquirerId']}", acquirerId="", traceId=1, vendorId=ABSENT),
    parameter(REDEEM, f"dateTime {DATE}", deviceId="", dateTime="", dollarRedeemRequest=""),
    parameter(
        REDEEM, f"originalPostTaxBasketAmount {DOLLARS}", originalPreTaxAmount="", originalPostTaxBasketAmount=""
    ),
    parameter(REVERSE, "redemptionConfirmationNum is required", redemptionConfirmationNum=ABSENT, sponsorCode=""),
    Hostile(
        ECHO,
        body(ECHO, vendorId="x", aardvark="\u0000"),
        "aardvark must hold no control character",
        identifiers(ECHO, "vendorId"),
    ),
    Hostile(
        ECHO,
        body(ECHO, deviceId="", x=[[[[]]]]),
        "body must not be nested deeper than 4",
        identifiers(ECHO, "deviceId"),
    ),
    Hostile(
        REDEEM,
        body(REDEEM, sponsorCode="LOY2", traceId=""),
        "sponsorCode is not one that this client may use",
        identifiers(REDEEM, "traceId"),
    ),
    Hostile(
        REDEEM,
        body(REDEEM, acquirerId="1", storeId=""),
        "acquirerId is not one that this client may use",
        identifiers(REDEEM, "storeId"),
    ),
    Hostile(
        REDEEM,
        body(REDEEM, storeId="", vendorId="1"),
        f"storeId {WHY['storeId']}",
        identifiers(REDEEM, "storeId"),
        idempotency_keys=("", ""),
    ),
]

# --- two names for one parameter ----------------------------------------------------------------------------------

_TWO_NAMES = "redemptionConfirmationNumber must equal redemptionConfirmationNum"
OTHER_NAME = [
    parameter(REVERSE, _TWO_NAMES, redemptionConfirmationNumber="2"),
    parameter(REVERSE, _TWO_NAMES, redemptionConfirmationNumber=None),
    parameter(REVERSE, _TWO_NAMES, redemptionConfirmationNumber=["10000000000"]),
    *(
        parameter(
            REVERSE,
            f"redemptionConfirmationNum {why}",
            redemptionConfirmationNum=ABSENT,
            redemptionConfirmationNumber=value,
        )
        for value, why in [
            ("", WHY["redemptionConfirmationNum"]),
            ("1_2", WHY["redemptionConfirmationNum"]),
            (1, "must be a JSON string"),
            (None, "must be a JSON string"),
        ]
    ),
    parameter(
        REVERSE,
        "redemptionConfirmationNum must be a JSON string",
        redemptionConfirmationNum=[],
        redemptionConfirmationNumber=[],
    ),
]

# --- what the caller may name (R-AUTH-3), and the check digit -----------------------------------------------------

_NOT_YOURS = "is not one that this client may use"


def _foreign(endpoint, name, **changes):
    return Hostile(endpoint, body(endpoint, **changes), f"{name} {_NOT_YOURS}", identifiers(endpoint))


FOREIGN = [
    *(_foreign(endpoint, "sponsorCode", sponsorCode="LOY2") for endpoint in Endpoint),
    *(_foreign(endpoint, "vendorId", vendorId="100088") for endpoint in Endpoint),
    *(_foreign(endpoint, "acquirerId", acquirerId="100001") for endpoint in (INQUIRE, REDEEM, REVERSE)),
    _foreign(ECHO, "sponsorCode", sponsorCode="loy1"),
    _foreign(ECHO, "vendorId", vendorId="0100087"),
    _foreign(REDEEM, "acquirerId", acquirerId="1", vendorId="1"),
    _foreign(REDEEM, "sponsorCode", acquirerId="1", sponsorCode="LOY2", vendorId="1"),
    Hostile(ECHO, REQUESTS[ECHO], f"sponsorCode {_NOT_YOURS}", identifiers(ECHO), scope=Scope({})),
]

CHECK_DIGIT = [
    Hostile(
        endpoint,
        body(endpoint, collectorNumber=number),
        "collectorNumber must be a card number with a correct check digit",
        identifiers(endpoint),
        scope=CHECKED,
    )
    for endpoint, number in [
        *((REDEEM, f"8409520200{digit}") for digit in "012345789"),
        (INQUIRE, "84095202061"),
        (REVERSE, "1234567890123456789"),
        (INQUIRE, "8409520200"),
        (INQUIRE, "840952020066"),
        (INQUIRE, "8"),
        (INQUIRE, "00000000000"),
    ]
]

# --- the header (R-IDEM-1) ----------------------------------------------------------------------------------------

_BAD_KEY = "Idempotency-Key must be 1 to 255 visible ASCII characters"
KEYS = [
    *(
        header(REDEEM, _BAD_KEY, key)
        for key in [
            "",
            " ",
            "a b",
            " a",
            "a ",
            "a\t",
            "a\n",
            "\x00",
            "\x7f",
            "\u00e9",
            "\x80",
            "k" * 256,
            "k" * 8000,
            "\u952e",
        ]
    ),
    header(REVERSE, _BAD_KEY, ""),
    header(REVERSE, _BAD_KEY, "k" * 256),
    header(REDEEM, "Idempotency-Key must not stand twice", "a", "b"),
    header(REDEEM, "Idempotency-Key must not stand twice", "a", "a"),
    header(REDEEM, "Idempotency-Key must not stand twice", "", ""),
    header(REVERSE, "Idempotency-Key must not stand twice", "a", "b", "c"),
]

HOSTILE = [
    *(*CONTENT_TYPES, *NOT_UTF8, *NOT_JSON, *NOT_AN_OBJECT, *DUPLICATES, *TOO_LARGE, *TOO_DEEP, *UNKNOWN),
    *(*PARAMETERS, *SEVERAL, *OTHER_NAME, *FOREIGN, *CHECK_DIGIT, *KEYS),
]
