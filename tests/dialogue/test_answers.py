"""What an answer means to the till."""

import pytest

from amcash.dialogue.answers import Advice, Endpoint, Language, Situation, advise, situation
from amcash.domain import codes, vocabulary
from dialogue.examples import SAMPLES

ADVICE = """
    0000 proceed
    0001 proceed
    0002 refer collector
    0005 do not prompt
    0006 do not prompt
    0008 retry identical
    0009 present card
    0025 refer collector
    0035 correct
    0051 refer collector
    0057 correct
    0065 try later
    0066 add items
    0067 try later
    0080 store credit
    0092 try later
    0096 retry identical
    none renew token
    """


@pytest.mark.parametrize("row", ADVICE.strip().splitlines())
def test_each_code_has_its_advice(row):
    code, advice = row.strip().split(" ", 1)
    assert advise(Situation(code)) == advice


def test_only_what_may_have_been_lost_or_needs_a_token_is_sent_again_and_only_once():
    resent = {met for met in Situation if advise(met).resend}
    assert resent == {Situation.TIMEOUT, Situation.SERVER_ERROR, Situation.NO_TOKEN}
    assert {advise(met, retried=True) for met in resent} == {Advice.CALL}
    assert not any(advise(met, retried=True).resend for met in Situation)


def test_a_retry_that_was_answered_is_advised_on_like_any_answer():
    for met in set(Situation) - {Situation.TIMEOUT, Situation.SERVER_ERROR, Situation.NO_TOKEN}:
        assert advise(met, retried=True) is advise(met)


def test_no_answer_is_a_timeout():
    assert situation(None) is Situation.TIMEOUT


def test_an_answer_without_a_code_is_the_strangers():
    assert situation({"message": "Missing or invalid “Bearer token”"}) is Situation.NO_TOKEN


def test_a_code_that_the_library_does_not_have_is_a_server_error():
    assert situation({"responseCode": "0099", "message": "Novel"}) is Situation.SERVER_ERROR


def test_the_situations_are_the_response_codes_of_the_service_and_the_row_without_one():
    assert {met.value for met in Situation} == {code.value for code in codes.Code} | {"none"}
    assert {met.name for met in Situation} == {code.name for code in codes.Code} | {"NO_TOKEN"}


def test_endpoints_and_languages_are_those_of_the_service():
    assert list(Endpoint) == list(codes.Endpoint) == list(SAMPLES)
    assert list(Language) == list(vocabulary.Language)
