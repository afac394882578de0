"""Bytes to commands: what is accepted is kept as it was sent; what is not is said in so many words (R-WIRE-1 to 5)."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amcash.domain.codes import Code, Endpoint
from amcash.domain.commands import Command, Echo, Inquire, Redeem, Reverse
from amcash.domain.vocabulary import CardEntry, Language, has_check_digit
from amcash.wire import decode as wire
from amcash.wire.decode import BODY_TOO_LARGE, Rejection, cents, decode
from amcash.wire.encode import encode_refusal, encode_rejection
from domain.examples import NOON, programme
from wire.hostile import HOSTILE, WHY
from wire.samples import ABSENT, CHECKED, REQUESTS, SCOPE, body, request

ECHO, INQUIRE, REDEEM, REVERSE = Endpoint
WITH_LANGUAGE = (INQUIRE, REDEEM, REVERSE)


# --- hostile requests ----------------------------------------------------------------------------------------------


def _decode(row):
    return decode(
        row.endpoint,
        row.body,
        scope=row.scope,
        content_types=row.content_types,
        idempotency_keys=row.idempotency_keys,
    )


@pytest.mark.parametrize("row", HOSTILE, ids=str)
def test_a_hostile_request_is_0035_with_these_words_and_repeats_what_did_parse(row):
    rejection = _decode(row)
    assert isinstance(rejection, Rejection)
    answer = encode_rejection(rejection, NOON, programme())
    assert json.loads(answer.body) == {
        **{name: json.loads(row.body)[name] for name in row.repeats},
        "message": f"Invalid request parameter: {row.says}",
        "responseCode": "0035",
        "transDateTime": "2026-06-15T12:00:00",
    }
    assert answer.status == 400  # the edge makes it 413 where the body was too large
    assert row.says.startswith(f"{rejection.fault.parameter} ")


def test_the_table_of_hostile_requests_is_long_and_tries_every_parameter_and_endpoint():
    assert len({(row.endpoint, row.body, row.content_types, row.idempotency_keys) for row in HOSTILE}) >= 200
    assert {row.endpoint for row in HOSTILE} == set(Endpoint)
    assert {row.says.split(" ", 1)[0] for row in HOSTILE} >= {*WHY, "body", "Content-Type", "Idempotency-Key"}


def test_a_body_over_16_kib_can_be_told_apart_for_its_413():
    """R-WIRE-1."""
    largest = REQUESTS[ECHO].ljust(16 * 1024)
    assert isinstance(decode(ECHO, largest, scope=SCOPE), Echo)
    rejection = decode(ECHO, largest + b" ", scope=SCOPE)
    assert isinstance(rejection, Rejection)
    assert rejection.fault is BODY_TOO_LARGE


@pytest.mark.parametrize("opening", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
def test_no_depth_of_nesting_is_too_much_for_two_names_that_have_to_be_compared(opening):
    begin, end = opening
    for depth in (*range(1, 1000, 37), *range(960, 1000), 1300):
        value = begin * depth + b"1" + end * depth
        both = b'{"redemptionConfirmationNum":%b,"redemptionConfirmationNumber":%b}' % (value, value)
        assert isinstance(decode(REVERSE, both, scope=SCOPE), Rejection)


# --- the language of the words (R-WIRE-9) --------------------------------------------------------------------------

FRENCH_WORDS = {
    "acquirerId": "doit compter de 1 à 11 chiffres",
    "cardEntryMode": "doit être SWIPE, SCAN, MANUAL ou PREREGISTERED",
    "dateTime": "doit être une date et heure ISO 8601, par exemple 2019-01-30T04:39:59.503-0400",
    "deviceId": "doit compter de 1 à 16 lettres, chiffres, _ ou -",
    "dollarRedeemRequest": "doit être un montant en dollars, par exemple 16.12",
    "sponsorCode": "doit compter de 1 à 10 lettres ou chiffres",
}


def _message(rejection):
    assert isinstance(rejection, Rejection)
    return json.loads(encode_rejection(rejection, NOON, programme()).body)["message"]


@pytest.mark.parametrize(("name", "words"), FRENCH_WORDS.items())
@pytest.mark.parametrize("language", ["fr-CA", "fr", "FR-ca"])
def test_a_fault_is_told_in_the_language_that_was_asked_for(name, words, language):
    rejection = decode(REDEEM, body(REDEEM, instantMessage=language, **{name: ""}), scope=SCOPE)
    assert _message(rejection) == f"Paramètre de requête invalide: {name} {words}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"storeId": ABSENT}, "storeId est obligatoire"),
        ({"storeId": 1}, "storeId doit être une chaîne JSON"),
        ({"sponsorCode": "LOY2"}, "sponsorCode n'est pas de ceux que ce client peut utiliser"),
        ({"x": "\u0000"}, "x ne doit contenir aucun caractère de contrôle"),
        ({"x": [[[[]]]]}, "body ne doit pas être imbriqué sur plus de 4 niveaux"),
    ],
)
def test_what_is_wrong_is_told_in_french_too(changes, words):
    rejection = decode(REDEEM, body(REDEEM, instantMessage="fr", **changes), scope=SCOPE)
    assert _message(rejection) == f"Paramètre de requête invalide: {words}"


def test_a_bad_key_is_told_in_french_too():
    french = body(REDEEM, instantMessage="fr")
    words = "Paramètre de requête invalide: Idempotency-Key"
    rejection = decode(REDEEM, french, scope=SCOPE, idempotency_keys=[""])
    assert _message(rejection) == f"{words} doit compter de 1 à 255 caractères ASCII visibles"
    rejection = decode(REDEEM, french, scope=SCOPE, idempotency_keys=["a", "b"])
    assert _message(rejection) == f"{words} ne doit pas figurer deux fois"


@pytest.mark.parametrize("language", ["de", "", None, 1])
def test_where_the_language_did_not_parse_the_words_are_english(language):
    rejection = decode(REDEEM, body(REDEEM, instantMessage=language, vendorId=""), scope=SCOPE)
    assert _message(rejection).startswith("Invalid request parameter: instantMessage must be ")


def test_echo_lists_no_language_so_its_words_are_english():
    command = decode(ECHO, body(ECHO, instantMessage="fr-CA"), scope=SCOPE)
    assert isinstance(command, Echo)
    assert command.language is Language.EN


# --- what is accepted ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json;charset=UTF-8",
        "application/json; charset=utf-8",
        'application/json ; charset="utf-8"',
        "application/json;",
        "application/json; charset=utf-8;",
    ],
)
def test_json_in_utf_8_is_the_content_type(content_type):
    """R-WIRE-1."""
    assert isinstance(decode(ECHO, REQUESTS[ECHO], scope=SCOPE, content_types=[content_type]), Echo)


ACCEPTED = {
    "acquirerId": ["1", "1" * 11, "00000000001"],
    "collectorNumber": ["0", "1" * 19, "84095202006"],
    "dateTime": [
        *("1972-07-16T13:32:00+0400", "2019-01-30T04:39:59.503-0400", "2019-01-30T04:39:59", "2024-02-29T00:00:00Z"),
        *("2019-01-30T23:59:59,5+23:59", "2019-01-30T04:39:59.123456789-00:00", "9999-12-31T23:59:59-2359"),
        "0001-01-01T00:00:00+2359",
    ],
    "deviceId": ["0", "A-b_9", "_" * 16],
    "dollarRedeemRequest": ["0", "1", "0.0", "16.1", "16.12", "9" * 13 + ".99", "0000000000001"],
    "postTaxBasketAmount": ["0", "00.00", "16.1", "9" * 13],
    "originalPreTaxAmount": ["0", "16.1"],
    "originalPostTaxBasketAmount": ["0.5"],
    "storeId": ["0", "A-b_9", "-" * 16],
    "traceId": ["0", "123e4567-e89b-12d3-a456-426655440000", "_" * 36],
    "vendorId": ["1", "1" * 35],
}


class _Everything:
    """Ids of a sponsor to which all of them belong."""

    def __contains__(self, item):
        return True


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ACCEPTED for value in ACCEPTED[name]])
def test_a_value_that_is_accepted_is_kept_as_it_was_sent(name, value):
    """R-FIELD."""
    sponsor = SCOPE.sponsors["LOY1"]
    everything = type(sponsor)("LOY1", "", _Everything(), _Everything())
    scope = type(SCOPE)({"LOY1": everything})
    command = decode(REDEEM, body(REDEEM, **{name: value}), scope=scope)
    assert isinstance(command, Redeem)
    assert command.sent == request(REDEEM, **{name: value})


@pytest.mark.parametrize(
    ("sent", "entry"),
    [
        *(("SWIPE", CardEntry.SWIPE), ("swipe", CardEntry.SWIPE), ("ScAn", CardEntry.SCAN)),
        *(("manual", CardEntry.MANUAL), ("PreRegistered", CardEntry.PREREGISTERED)),
    ],
)
@pytest.mark.parametrize("endpoint", WITH_LANGUAGE)
def test_the_card_entry_mode_is_read_in_any_case_and_kept_as_it_was_sent(endpoint, sent, entry):
    command = decode(endpoint, body(endpoint, cardEntryMode=sent), scope=SCOPE)
    assert isinstance(command, Inquire | Redeem | Reverse)
    assert (command.entry, command.sent["cardEntryMode"]) == (entry, sent)


@pytest.mark.parametrize(
    ("sent", "language"),
    [
        *(("en-CA", Language.EN), ("EN", Language.EN), ("fr-CA", Language.FR), ("Fr-cA", Language.FR)),
        *(("fr", Language.FR), (ABSENT, Language.EN)),
    ],
)
@pytest.mark.parametrize("endpoint", WITH_LANGUAGE)
def test_the_language_is_read_in_any_case_and_english_by_default(endpoint, sent, language):
    command = decode(endpoint, body(endpoint, instantMessage=sent), scope=SCOPE)
    assert isinstance(command, Inquire | Redeem | Reverse)
    assert command.language is language
    assert ("instantMessage" in command.sent) is (sent is not ABSENT)


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [
        *(("0", 0), ("1", 100), ("16.1", 1610), ("16.12", 1612), ("0.01", 1), ("00.10", 10)),
        *(("9999999999999.99", 999_999_999_999_999), ("0.29", 29), ("1.15", 115)),
    ],
)
def test_dollars_become_cents_exactly(dollars, expected):
    """R-AMT-1: 0.29 and 1.15 are what binary floats get wrong."""
    assert cents(dollars) == expected
    command = decode(REDEEM, body(REDEEM, dollarRedeemRequest=dollars, postTaxBasketAmount="7"), scope=SCOPE)
    assert isinstance(command, Redeem)
    assert (command.requested, command.basket) == (expected, 700)


@pytest.mark.parametrize(
    "extra",
    [
        b'"timeZone":"America/Toronto"',
        b'"endpoint":"https://example.org/"',
        b'"preTaxBasketAmount":"14.27"',
        b'"x":null,"y":true,"z":1e999',
        b'"x":' + b"9" * 5000,
        b'"x":[[["\xc3\xa9"]]],"y":{"a":{"b":{}}}',
        b'"":"","\\u0000":"","\\ud800":""',
        b'"x":"\\ud83d\\ude00"',
        b'"DEVICEID":[1],"idempotencyKey":""',
        b'"x":{"a":"1"},"y":{"a":"1"}',
    ],
)
@pytest.mark.parametrize("endpoint", Endpoint)
def test_unknown_parameters_are_ignored_and_not_repeated(endpoint, extra):
    """R-WIRE-3; and nesting of 4 is not too deep (R-WIRE-1)."""
    with_extra = b"{" + extra + b"," + REQUESTS[endpoint].strip()[1:]
    assert decode(endpoint, with_extra, scope=SCOPE) == decode(endpoint, REQUESTS[endpoint], scope=SCOPE)


def test_a_parameter_of_another_endpoint_is_unknown():
    with_more = body(ECHO, collectorNumber=1, acquirerId="x", dateTime=None)
    assert decode(ECHO, with_more, scope=SCOPE) == decode(ECHO, REQUESTS[ECHO], scope=SCOPE)


def test_white_space_order_and_escapes_are_not_content():
    """R-IDEM-2."""
    values = request(REDEEM)
    written = [
        json.dumps(values, indent=4).encode(),
        json.dumps(dict(reversed(values.items())), separators=(",", ":")).encode(),
        REQUESTS[REDEEM].replace(b"LOY1", b"\\u004cOY1") + b"\r\n",
    ]
    commands = [decode(REDEEM, text, scope=SCOPE) for text in written]
    digests = {command.digest for command in commands if isinstance(command, Redeem)}
    assert len(commands) == 3
    assert len(digests) == 1


def test_the_confirmation_has_two_names():
    """R-FIELD: `redemptionConfirmationNumber` is accepted as another name."""
    plain = decode(REVERSE, body(REVERSE), scope=SCOPE)
    other = body(REVERSE, redemptionConfirmationNum=ABSENT, redemptionConfirmationNumber="10000000000")
    both = body(REVERSE, redemptionConfirmationNumber="10000000000")
    assert decode(REVERSE, other, scope=SCOPE) == decode(REVERSE, both, scope=SCOPE) == plain


def test_elsewhere_the_other_name_is_an_unknown_parameter():
    assert isinstance(decode(REDEEM, body(REDEEM, redemptionConfirmationNumber=1), scope=SCOPE), Redeem)


# --- the idempotency key (R-IDEM-1) --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["k", "!", "~", "k" * 255, "123e4567-e89b-12d3-a456-426655440000", '"a,b"'])
@pytest.mark.parametrize("endpoint", [REDEEM, REVERSE])
def test_visible_ascii_is_a_key(endpoint, key):
    command = decode(endpoint, REQUESTS[endpoint], scope=SCOPE, idempotency_keys=[key])
    assert isinstance(command, Redeem | Reverse)
    assert command.idempotency_key == key
    assert command.key.key == f"k{key}"


@pytest.mark.parametrize("keys", [["k"], [""], ["a", "b"], ["é"]])
@pytest.mark.parametrize("endpoint", [ECHO, INQUIRE])
def test_a_key_is_accepted_and_ignored_where_nothing_is_done(endpoint, keys):
    """R-ECHO-1."""
    command = decode(endpoint, REQUESTS[endpoint], scope=SCOPE, idempotency_keys=keys)
    assert command == decode(endpoint, REQUESTS[endpoint], scope=SCOPE)


# --- the check digit (R-FIELD) -------------------------------------------------------------------------------------


def test_the_published_card_number_has_its_check_digit():
    assert has_check_digit("84095202006")
    assert isinstance(decode(REDEEM, REQUESTS[REDEEM], scope=CHECKED), Redeem)
    assert isinstance(decode(ECHO, REQUESTS[ECHO], scope=CHECKED), Echo)


# One number for each remainder of the weighted sum by 11, from 0 to 10.
GOOD = [
    *("80000000060", "80000000150", "80000000039", "80000000078", "80000000007", "80000000046"),
    *("80000000085", "80000000014", "80000000053", "80000000092", "80000000021"),
]


@pytest.mark.parametrize("number", GOOD)
def test_the_check_digit_is_11_minus_the_remainder_and_0_for_remainders_below_2(number):
    assert has_check_digit(number)


def test_the_check_digits_reach_from_0_to_9_and_0_twice():
    assert [number[-1] for number in GOOD] == list("00987654321")


@pytest.mark.parametrize("number", ["", "8", "8409520200", "840952020066", "74095202006", "00000000000"])
def test_what_is_not_11_digits_that_begin_with_8_has_no_check_digit(number):
    assert not has_check_digit(number)


@given(st.integers(0, 10**9 - 1))
@settings(max_examples=300, derandomize=True, database=None)
def test_exactly_one_last_digit_is_the_check_digit(middle):
    good = [digit for digit in range(10) if has_check_digit(f"8{middle:09}{digit}")]
    assert len(good) == 1


# --- any bytes at all ----------------------------------------------------------------------------------------------

NAMES = sorted({*WHY, "redemptionConfirmationNumber", "timeZone", "body", "Idempotency-Key"})
TEXT = st.text(st.characters(), max_size=40)  # lone surrogates included
LIKELY = st.sampled_from(
    [
        *("LOY1", "100087", "100000", "84095202006", "001", "SWIPE", "MANUAL", "en-CA", "fr", "16.12", "0", ""),
        *("1972-07-16T13:32:00+0400", "2019-02-30T00:00:00", "10000000000", "LOY2", "\u0000", "\ud800"),
    ]
)
VALUES = st.recursive(
    LIKELY | TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _objects(draw, endpoint):
    """A sample request with some parameters changed, dropped or added."""
    values = request(endpoint)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4)):
        values[name] = draw(VALUES)
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=2)):
        values.pop(name, None)
    values |= draw(st.dictionaries(TEXT, VALUES, max_size=2))
    return json.dumps(values, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def _mutations(draw, endpoint):
    """A sample request with some of its bytes changed."""
    text = bytearray(REQUESTS[endpoint])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"{", b"}", b"\\", b"\\u0000", b"[", b":", b",", b"1"])
        )
    return bytes(text)


@st.composite
def _requests(draw):
    endpoint = draw(st.sampled_from(Endpoint))
    text = draw(
        st.one_of(
            _objects(endpoint),
            _mutations(endpoint),
            st.binary(max_size=60),
            VALUES.map(lambda value: json.dumps(value).encode()),
        )
    )
    return endpoint, text


HEADERS = st.lists(st.sampled_from(["application/json", "text/plain"]) | TEXT, max_size=2)
KEYS = st.lists(st.sampled_from(["k", "", "k" * 256]) | TEXT, max_size=2)
PATTERNS = {
    "acquirerId": r"[0-9]{1,11}",
    "cardEntryMode": r"(?i:swipe|scan|manual|preregistered)",
    "collectorNumber": r"[0-9]{1,19}",
    "dateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)?",
    "deviceId": r"[A-Za-z0-9_-]{1,16}",
    "dollarRedeemRequest": r"[0-9]{1,13}(\.[0-9]{1,2})?",
    "instantMessage": r"(?i:en|fr|en-ca|fr-ca)",
    "originalPostTaxBasketAmount": r"[0-9]{1,13}(\.[0-9]{1,2})?",
    "originalPreTaxAmount": r"[0-9]{1,13}(\.[0-9]{1,2})?",
    "postTaxBasketAmount": r"[0-9]{1,13}(\.[0-9]{1,2})?",
    "redemptionConfirmationNum": r"[A-Za-z0-9-]{1,32}",
    "sponsorCode": r"LOY1",
    "storeId": r"[A-Za-z0-9_-]{1,16}",
    "traceId": r"[A-Za-z0-9_-]{1,36}",
    "vendorId": r"100087",
}


@pytest.mark.no_cover  # as in tests/model
@given(_requests(), st.just(["application/json"]) | HEADERS, st.just([]) | KEYS, st.booleans())
@example((ECHO, b"[" * 16_384), ["application/json"], [], False)
@example((ECHO, b"[" * 8_192 + b"]" * 8_192), ["application/json"], [], False)
@example((ECHO, b'{"a":' * 2_700), ["application/json"], [], False)
@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
def test_any_bytes_are_a_command_or_a_rejection_that_can_be_written(sent, content_types, keys, checked):
    """R-WIRE-1: never a 5xx for any byte string."""
    endpoint, text = sent
    found = decode(
        endpoint, text, scope=CHECKED if checked else SCOPE, content_types=content_types, idempotency_keys=keys
    )
    assert isinstance(found, Command | Rejection)
    assert found.endpoint is endpoint
    for name, value in found.sent.items():
        # A foreign sponsor, vendor or acquirer is repeated in the rejection; a command has none.
        pattern = r"[A-Za-z0-9]+" if isinstance(found, Rejection) and name in {"sponsorCode", "vendorId"} else None
        assert re.fullmatch(pattern or PATTERNS[name], value, re.ASCII)
    if isinstance(found, Rejection):
        answer = encode_rejection(found, NOON, programme())
        values = json.loads(answer.body)
        assert values["responseCode"] == "0035"
        assert values["message"].startswith(("Invalid request parameter: ", "Paramètre de requête invalide: "))
        assert answer.status == 400
    else:
        answer = encode_refusal(found, Code.TIMEOUT, NOON, programme())
        values = json.loads(answer.body)
    assert all(isinstance(value, str) and value for value in values.values())


def _both_ways(monkeypatch, again):
    """Decode once as always and once by the careful way alone; return both, the order of what was sent included."""
    found = []
    for ordinary in (wire._ORDINARY, dict.fromkeys(Endpoint, lambda _body: None)):
        monkeypatch.setattr(wire, "_ORDINARY", ordinary)
        result = again()
        found.append((result, list(result.sent.items())))
    monkeypatch.undo()
    return found


_REDEEM = REQUESTS[REDEEM].strip()
NEARLY_ORDINARY = [
    _REDEEM,
    *(_REDEEM.replace(b"{", b"{" + extra + b",", 1) for extra in (b'"timeZone":"x"', b'"x":"\x7f"', b'"x":1')),
    *(_REDEEM.replace(b"{", b"{" + extra + b",", 1) for extra in (b'"traceId":"1"', b'"x":"1","x":"1"', b'"x":""')),
    *(_REDEEM.replace(b"en-CA", value) for value in (b"", b"\x1e", b"\\u001e", b"fr", b"\xc3\xa9", b"en\x1f16.12")),
    *(_REDEEM.replace(b"1972-07-16", value) for value in (b"1972-02-30", b"1972-02-29", b"0000-01-01")),
    _REDEEM.replace(b'"001"', b'"001\x1f16.12"'),
    _REDEEM.replace(b"LOY1", b"\\u004cOY1"),
    _REDEEM.replace(b"{", b'{"x":' + b"[" * 7_000 + b"]" * 7_000 + b",", 1),
    REQUESTS[REVERSE].replace(b"{", b'{"redemptionConfirmationNumber":"2",', 1),
    REQUESTS[REVERSE].replace(b"{", b'{"redemptionConfirmationNumber":"10000000000",', 1),
]


@pytest.mark.parametrize("text", NEARLY_ORDINARY, ids=range(len(NEARLY_ORDINARY)))
@pytest.mark.parametrize("endpoint", Endpoint)
def test_the_way_of_ordinary_requests_only_finds_what_the_careful_way_finds(endpoint, text, monkeypatch):
    usual, careful = _both_ways(monkeypatch, lambda: decode(endpoint, text, scope=SCOPE))
    assert usual == careful


@pytest.mark.no_cover  # as in tests/model
@given(_requests())
@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
def test_so_it_does_for_any_bytes(sent):
    with pytest.MonkeyPatch.context() as monkeypatch:
        usual, careful = _both_ways(monkeypatch, lambda: decode(*sent, scope=SCOPE))
    assert usual == careful


@pytest.mark.parametrize("endpoint", Endpoint)
def test_the_samples_are_ordinary_requests(endpoint):
    """Also with a parameter that older tills send (R-WIRE-3). Else the two ways would be compared for nothing."""
    with_more = body(endpoint, timeZone="America/Toronto")
    assert wire._ORDINARY[endpoint](REQUESTS[endpoint]) == wire._ORDINARY[endpoint](with_more) == request(endpoint)


@pytest.mark.no_cover  # as in tests/model
def test_the_strategies_reach_commands_of_every_endpoint_as_well_as_rejections():
    """Else the test above would say little."""
    seen = set()

    @given(_requests())
    @settings(max_examples=400, derandomize=True, database=None, deadline=None)
    def look(sent):
        found = decode(*sent, scope=SCOPE)
        seen.add((sent[0], type(found)))

    look()
    assert seen >= {
        *((ECHO, Echo), (INQUIRE, Inquire), (REDEEM, Redeem), (REVERSE, Reverse)),
        *((endpoint, Rejection) for endpoint in Endpoint),
    }
