"""Every row of the library's table of response codes, as a till sees it."""

import pytest

from api.serving import PROGRAMME, by_hand, run_command, serving


def show(server, collector):
    return server.command("collector", "show", collector, "--json").stdout


@pytest.mark.parametrize("endpoint", ["echo", "inquire", "redeem", "reverse"])
def test_without_a_token_there_is_a_message_and_no_response_code(server, endpoint):
    answer = server.send("POST", f"/checkout/amcash/{endpoint}", b"rubbish")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert set(answer.body) == {"message"}


def test_echo_is_approved(till):
    answer = till.echo()
    assert (answer.status, answer.code) == (200, "0000")


def test_inquire_is_approved_with_the_four_values_of_the_offer(till):
    answer = till.inquire(basket="43.50")
    assert (answer.status, answer.code) == (200, "0000")
    assert answer.body["availableOfferUnits"] == "4"
    assert answer.body["dailyOfferLimit"] == "75"
    assert (answer.body["unitValueAMCash"], answer.body["unitValueDollars"]) == ("95", "10.00")


def test_redeem_and_reverse_are_approved_and_undo_each_other(own_server):
    till = own_server.till()
    redeemed = till.redeem(dollars="16.12", basket="16.12")
    assert (redeemed.status, redeemed.code) == (200, "0000")
    assert (redeemed.body["unitsRedeemed"], redeemed.body["milesRedeemed"]) == ("1", "95")
    assert redeemed.body["cashBalance"] == "1805"
    reversed_ = till.reverse(redeemed.body["txnConfirmationNumber"], storeId="0999", deviceId="007")
    assert (reversed_.status, reversed_.code) == (200, "0000")
    assert reversed_.body["txnConfirmationNumber"] == redeemed.body["txnConfirmationNumber"]
    assert reversed_.body["cashBalance"] == "1900"


def test_suppressed_balances_give_0001_and_no_balance(till):
    for answer in (till.inquire("1001"), till.redeem("1001")):
        assert (answer.status, answer.code) == (202, "0001")
        balances = {"cashBalance", "dreamBalance", "availableCashBalance", "availableDollarAmount"}
        assert not balances & set(answer.body)
        assert answer.body["offerId"] == "1111111111"


@pytest.mark.parametrize(
    ("collector", "status", "code"),
    [("1002", 401, "0002"), ("1005", 202, "0005"), ("1006", 202, "0006"), ("1051", 202, "0051"), ("999", 401, "0025")],
)
def test_a_collector_who_cannot_redeem_gets_the_code_that_says_why(till, collector, status, code):
    for answer in (till.inquire(collector), till.redeem(collector)):
        assert (answer.status, answer.code) == (status, code)
        assert answer.body["collectorNumber"] == collector


def test_a_typed_card_number_gives_0009_whoever_it_is(till):
    for collector in ("84095202006", "999", "1002"):
        answers = [
            till.inquire(collector, cardEntryMode="manual"),
            till.redeem(collector, cardEntryMode="MANUAL"),
            till.reverse("1", collector, cardEntryMode="Manual"),
        ]
        assert [(answer.status, answer.code) for answer in answers] == [(403, "0009")] * 3


def test_a_bad_parameter_gives_0035_and_is_named(till):
    answer = till.inquire(basket="sixteen", instantMessage="fr-CA")
    assert (answer.status, answer.code) == (400, "0035")
    assert answer.body["message"] == (
        "Paramètre de requête invalide: postTaxBasketAmount doit être un montant en dollars, par exemple 16.12"
    )


def test_a_body_over_16_kib_gives_0035_with_413(till):
    answer = till.ask("redeem", b'{"deviceId": "' + b"1" * 20_000 + b'"}')
    assert (answer.status, answer.code) == (413, "0035")


@pytest.mark.parametrize("name", ["sponsorCode", "vendorId", "acquirerId"])
def test_anothers_id_gives_the_same_words_as_one_that_does_not_exist(till, name):
    anothers = {"sponsorCode": "LOY2", "vendorId": "200087", "acquirerId": "200000"}[name]
    nobodys = {"sponsorCode": "NOSUCH", "vendorId": "9", "acquirerId": "9"}[name]
    messages = {till.inquire(**{name: value}).body["message"] for value in (anothers, nobodys)}
    assert messages == {f"Invalid request parameter: {name} is not one that this client may use"}


def test_an_unknown_foreign_or_closed_redemption_gives_0057(server, till):
    other = server.till("loy2-pos", "loy2-secret")
    other.sponsor = "LOY2"
    theirs = other.redeem().body["txnConfirmationNumber"]
    mine = till.redeem().body["txnConfirmationNumber"]
    assert till.reverse(mine).code == "0000"
    for number in ("1234567890123456", theirs, mine):
        answer = till.reverse(number)
        assert (answer.status, answer.code) == (400, "0057")


def test_beyond_the_days_cap_is_0065_and_the_basket_decides_0066_first(own_server):
    till = own_server.till()
    assert till.redeem("1065", dollars="740.00").code == "0000"
    answer = till.redeem("1065", dollars="20.00")
    assert (answer.status, answer.code) == (202, "0065")
    answer = till.redeem("1065", dollars="20.00", basket="9.99")
    assert (answer.status, answer.code) == (202, "0066")
    assert till.redeem("1065", dollars="10.00").body["availableCashBalance"] == "0"
    used_up = till.inquire("1065")
    assert (used_up.code, used_up.body["availableCashBalance"]) == ("0000", "0")
    assert "offerId" not in used_up.body


def test_without_an_offer_in_force_it_is_0067(till):
    ids = {"sponsorCode": "LOY3", "vendorId": "300087", "acquirerId": "300000"}
    for answer in (till.inquire(**ids), till.redeem(**ids)):
        assert (answer.status, answer.code) == (408, "0067")


def test_after_the_window_a_reversal_is_0080(database, kind, tmp_path):
    run_command("load", str(PROGRAMME), "--sandbox", "--database", database)
    with serving(tmp_path, database=database) as server:
        till = server.till()
        number = till.redeem().body["txnConfirmationNumber"]
    # The redemption is made older by hand: the one thing that no clock of a production server can do.
    with by_hand(database) as ledger:
        unlock = {
            "sqlite": "DROP TRIGGER transfer_is_never_updated",
            "postgres": "ALTER TABLE transfer DISABLE TRIGGER USER",
        }
        ledger.execute(unlock[kind])
        ledger.execute("UPDATE transfer SET at = at - 3 * 86400000000 WHERE kind = 'redemption'")
    with serving(tmp_path, database=database) as server:
        answer = server.till().reverse(number)
        assert (answer.status, answer.code) == (409, "0080")


def test_an_outage_is_0092_and_ends(own_server):
    till = own_server.till()
    own_server.command("outage", "on")
    while (answer := till.echo()).code == "0000":
        pass
    assert (answer.status, answer.code) == (503, "0092")
    assert int(answer.headers["retry-after"]) > 0
    assert till.ask("redeem", b"not even json").code == "0092"
    french = till.redeem(instantMessage="fr")
    assert french.body["message"] == "Interruption planifiée"
    assert french.body["collectorNumber"] == "84095202006"
    own_server.command("outage", "off")
    while till.echo().code == "0092":
        pass
    assert till.redeem().code == "0000"


def test_a_ledger_that_cannot_be_written_is_0096_then_recovers_without_a_restart(own_server):
    till = own_server.till()
    with by_hand(own_server.database) as ledger:
        for table in ("heartbeat", "outcome"):
            ledger.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    for answer in (till.echo(), till.redeem()):
        assert (answer.status, answer.code) == (500, "0096")
    assert own_server.send("GET", "/readyz").status == 503
    with by_hand(own_server.database) as ledger:
        for table in ("heartbeat", "outcome"):
            ledger.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")
    assert till.redeem().code == "0000"
    assert own_server.send("GET", "/readyz").status == 200


def test_a_ledger_that_does_not_answer_in_the_budget_is_0008_and_the_retry_tells_the_truth(database, kind, tmp_path):
    with serving(tmp_path, database=database, AMCASH_BUDGET_MS="300") as server:
        till = server.till()
        with by_hand(database) as ledger:
            ledger.execute("BEGIN IMMEDIATE" if kind == "sqlite" else "BEGIN")
            if kind == "postgres":
                ledger.execute("SELECT FROM collector FOR UPDATE")
            request = till.fields(dollarRedeemRequest="10.00", postTaxBasketAmount="10.00")
            answer = till.ask("redeem", request, "one-key")
            assert (answer.status, answer.code) == (408, "0008")
            ledger.execute("ROLLBACK")
        while (answer := till.ask("redeem", request, "one-key")).code == "0008":
            pass
        assert answer.code == "0000"
        assert '"cash_miles": 1805' in show(server, "84095202006")
