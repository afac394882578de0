"""Many tills at the same moment, over real HTTP: the database settles it, and nobody is charged twice.

On SQLite they meet in one process, on PostgreSQL in three: three servers, or one with three workers.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor

from cli.operating import CommandLine

TILLS = 24


def at_once(call, number=TILLS):
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, range(number)))


def balance(server, collector):
    return CommandLine().json("collector", "show", collector, "--database", server.database)


def assert_books_agree(server):
    assert CommandLine().json("verify", "--database", server.database)["ok"]


def test_one_key_many_times_at_once_takes_the_miles_once(own_servers):
    till = own_servers.till()
    request = till.fields(dollarRedeemRequest="20.00", postTaxBasketAmount="20.00")
    answers = at_once(lambda _: till.ask("redeem", request, "the-key"))
    assert {answer.raw for answer in answers} == {answers[0].raw}
    assert answers[0].code == "0000"
    replayed = [answer for answer in answers if answer.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == TILLS - 1
    assert balance(own_servers, "84095202006")["cash_miles"] == 1900 - 190
    assert_books_agree(own_servers)


def test_no_key_but_one_content_many_times_at_once_takes_the_miles_once(own_servers):
    till = own_servers.till()
    request = till.fields(dollarRedeemRequest="20.00", postTaxBasketAmount="20.00")
    answers = at_once(lambda _: till.ask("redeem", request))
    assert {answer.raw for answer in answers} == {answers[0].raw}
    assert balance(own_servers, "84095202006")["cash_miles"] == 1900 - 190


def test_one_key_with_other_contents_at_once_takes_the_miles_of_one(own_servers):
    till = own_servers.till()
    answers = at_once(lambda number: till.redeem(dollars=f"1{number % 10}.00", key="the-key"))
    assert {answer.code for answer in answers} == {"0000", "0035"}
    assert len({a.body["txnConfirmationNumber"] for a in answers if a.code == "0000"}) == 1
    assert all("Idempotency-Key" in a.body["message"] for a in answers if a.code == "0035")
    assert balance(own_servers, "84095202006")["cash_miles"] == 1900 - 95


def test_many_keys_on_one_balance_never_overdraw_it(own_servers):
    till = own_servers.till()
    answers = at_once(lambda _: till.redeem(dollars="10.00"))
    assert sorted(answer.code for answer in answers) == ["0000"] * 20 + ["0051"] * (TILLS - 20)
    assert balance(own_servers, "84095202006")["cash_miles"] == 0
    assert_books_agree(own_servers)


def test_many_keys_on_one_cap_never_exceed_it(own_servers):
    till = own_servers.till()
    answers = at_once(lambda _: till.redeem("1065", dollars="50.00"))
    assert sorted(answer.code for answer in answers) == ["0000"] * 15 + ["0065"] * (TILLS - 15)
    assert balance(own_servers, "1065")["cap_used_dollars"] == "750.00"
    assert_books_agree(own_servers)


def test_many_reversals_of_one_redemption_give_it_back_once(own_servers):
    till = own_servers.till()
    number = till.redeem(dollars="50.00").body["txnConfirmationNumber"]
    answers = at_once(lambda _: till.reverse(number, key=str(uuid.uuid4())))
    assert sorted(answer.code for answer in answers) == ["0000"] + ["0057"] * (TILLS - 1)
    shown = balance(own_servers, "84095202006")
    assert (shown["cash_miles"], shown["cap_used_dollars"]) == (1900, "0.00")
    assert_books_agree(own_servers)
