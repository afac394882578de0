"""The words of the dialogue: the library's, letter for letter, and the service's own French."""

import re

import pytest

from amcash.dialogue.answers import Endpoint, Language, Situation
from amcash.dialogue.words import CALLING, PHRASES, RECEIPTS, RESENDING, SITUATIONS, TITLES, said
from amcash.domain import codes, vocabulary

# The column "Description" of the library's table of all codes.
LIBRARY = {
    "0000": "The transaction was successful. The POS terminal AND receipt should display the appropriate information.",
    "0001": "The transaction was successful, however the Collector opted to not view their rewards balances. The "
    "printed receipt MUST NOT show …",
    "0002": "The Collector account is not active. Please ask the Collector to visit the airmiles.ca self-serve page, "
    "online chat support, or contact our call-center.",
    "0005": "The transaction was successful, but the Collector opted to not view their balances, or allow instant cash "
    "redemptions. The POS terminal MUST NOT prompt for an “AM Cash” Redemption.",
    "0006": "The transaction was successful, but the Collector account is set to not allow instant “AM Cash” "
    "redemptions. The POS terminal MUST NOT prompt for an “AM Cash” Redemption.",
    "0008": "The transaction timed out when a request was sent to the “Instant POS” Switch. The Partner's Switch/POS "
    "Terminal should retry the request one (1) time. If a cashier receives this error, they should escalate the issue "
    "as indicated in the “AM Cash - Sponsor Escalation Guide”.",
    "0009": "Redemption offers will not be sent if the Collector Card is not presented. The Collector Card is "
    "physically required to perform instant cash redemptions. Please ask the Collector to visit the airmiles.ca "
    "self-serve page, online chat support, or contact our call-center to request a replacement card.",
    "0025": "The Collector number is invalid. Please ask the Collector to visit the airmiles.ca self-serve page, "
    "online chat support, or contact our call-center to request a replacement card.",
    "0035": "A mistake was made when submitting the request. Please correct the error and try again.",
    "0051": "The Collector has not earned enough in their “AIR MILES Cash” balance for the requested redemption "
    "amount. Please ask the Collector to go to airmiles.ca and check their redemption/earning history.",
    "0057": "The redemptionConfirmationNumber submitted is invalid. Please resubmit the request with the correct "
    "Redemption Confirmation Number.",
    "0065": "The Collector has exceeded the daily redemption limit. The Collector's account has exceeded the maximum "
    "daily redemption amount. Please ask the Collector to wait until the following day to redeem more Cash miles.",
    "0066": "The Collector's basket size is too small to make a redemption. The purchase amount is not enough to make "
    "a redemption. Ask the customer if they wish to add more items to their basket in order to make an AM Cash "
    "redemption.",
    "0067": "The offer being requested is temporarily unavailable. Please advise the Collector to try redeeming this "
    "offer at a later time.",
    "0080": "The reversal window for the redemption has expired; meaning a reversal can no longer be submitted for "
    "this transaction. This usually happens when a reversal is attempted after 3:00 AM the day after the original "
    "transaction. Any reversals that are attempted past the 3:00 AM time-frame should be refunded to the customer via "
    "in-store credit or gift card. Please DO NOT RETURN CASH to the customer.",
    "0092": "The system is unavailable due to scheduled maintenance. No requests can be sent.",
    "0096": "An unknown error occurred while calling the “Instant POS” Switch. The Sponsor Switch/POS Terminal should "
    "retry one time and if the error persists, they should escalate the issue as indicated in the “AM Cash - Sponsor "
    "Escalation Guide”.",
    "none": "No valid “Bearer Token” present. Please generate a valid “Bearer” Token and submit to continue.",
}


@pytest.mark.parametrize("met", Situation)
def test_every_english_sentence_of_a_pop_up_is_the_librarys(met):
    sentences = SITUATIONS[Language.EN][met].why
    assert sentences
    assert all(sentence in LIBRARY[met] for sentence in sentences)


def test_escalation_is_asked_for_in_the_librarys_words():
    words = "escalate the issue as indicated in the “AM Cash - Sponsor Escalation Guide”."
    assert words in LIBRARY["0008"]
    assert all(calling.why[-1] == f"Please {words}" for calling in CALLING[Language.EN].values())


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("endpoint", [Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE])
@pytest.mark.parametrize("code", codes.Code)
def test_a_screen_says_what_the_services_own_message_says(code, endpoint, language):
    """Two tables, for the till shares no code with the service. They must not part."""
    message = codes.TABLE[code].message(codes.Endpoint(endpoint), vocabulary.Language(language))
    assert said(endpoint, Situation(code), language) == message


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("code", ["0000", "0008", "0035", "0092", "0096"])
def test_so_does_the_screen_of_an_echo_for_the_codes_of_its_table(code, language):
    message = codes.TABLE[codes.Code(code)].message(codes.Endpoint.ECHO, vocabulary.Language(language))
    assert said(Endpoint.ECHO, Situation(code), language) == message


@pytest.mark.parametrize("endpoint", Endpoint)
def test_a_stranger_is_told_what_the_service_tells(endpoint):
    message = codes.no_token_message(codes.Endpoint(endpoint))
    assert said(endpoint, Situation.NO_TOKEN, Language.EN) == message


def _all_words(language):
    yield from TITLES[language].values()
    for table in (SITUATIONS, RESENDING, CALLING):
        for words in table[language].values():
            yield from (words.said, *words.why, *words.rows)
    for phrases in (PHRASES[language], RECEIPTS[language]):
        for name in phrases.__slots__:
            value = getattr(phrases, name)
            yield from (value,) if isinstance(value, str) else value


def test_nothing_is_left_in_the_other_language():
    plain = {""} | {text for text in _all_words(Language.FR) if not re.search("[A-Za-z]", re.sub("{.*?}", "", text))}
    same = set(_all_words(Language.EN)) & set(_all_words(Language.FR)) - plain
    assert same == set()


@pytest.mark.parametrize("language", Language)
def test_words_are_printable_in_latin_1_and_typographic_quotes(language):
    for text in _all_words(language):
        text.replace("“", '"').replace("”", '"').encode("latin-1")
        assert text.isprintable()
