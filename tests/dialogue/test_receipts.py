"""What the collector takes home."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amcash.dialogue.answers import SUPPRESSED, Endpoint, Language, Situation
from amcash.dialogue.receipts import RECEIPT_COLUMNS, RECEIPT_COLUMNS_MIN, receipt
from dialogue.examples import BALANCES, ECHO, INQUIRE, REDEEM, REVERSE, answered

SUPPRESSED_REDEEM = {name: value for name, value in REDEEM.items() if name not in BALANCES} | {"responseCode": "0001"}

PRINTED = {
    (Endpoint.REDEEM, Language.EN): """
AM Cash Redemption
Cash Miles redeemed                   95
Discount                          $10.00
Confirmation number                 0000
Cash Miles balance                   120
Dream Miles balance                  550
Still usable today                $10.00
Keep this receipt: the confirmation
number is required to process a
reversal.
""",
    (Endpoint.REDEEM, Language.FR): """
Milles Argent : échange
Milles Argent échangés                95
Rabais                           10,00 $
Numéro de confirmation              0000
Solde de milles Argent               120
Solde de milles Rêve                 550
Utilisable aujourd'hui           10,00 $
Conservez ce reçu : le numéro de
confirmation est exigé pour une
annulation.
""",
    (Endpoint.REVERSE, Language.EN): """
AM Cash Reversal
Cash Miles returned                   95
Discount taken back               $10.00
Confirmation number                 0000
Cash Miles balance                   120
Dream Miles balance                  550
Still usable today                $10.00
""",
    (Endpoint.REVERSE, Language.FR): """
Milles Argent : annulation
Milles Argent remis                   95
Rabais repris                    10,00 $
Numéro de confirmation              0000
Solde de milles Argent               120
Solde de milles Rêve                 550
Utilisable aujourd'hui           10,00 $
""",
    (Endpoint.INQUIRE, Language.EN): """
AM Cash Inquiry
Cash Miles balance                   120
Dream Miles balance                  545
Still usable today                $10.00
""",
}


@pytest.mark.parametrize(("endpoint", "language"), PRINTED)
def test_the_published_samples_print_exactly_this(endpoint, language):
    answer = {Endpoint.REDEEM: REDEEM, Endpoint.REVERSE: REVERSE, Endpoint.INQUIRE: INQUIRE}[endpoint]
    assert "\n".join(receipt(endpoint, answer, language)) == PRINTED[endpoint, language].strip()


def test_a_suppressed_balance_leaves_only_the_redemption_itself():
    """0001: the printed receipt MUST NOT show the balances, or the available “AM Cash” that can be redeemed."""
    assert (
        "\n".join(receipt(Endpoint.REDEEM, SUPPRESSED_REDEEM, Language.EN))
        == """\
AM Cash Redemption
Cash Miles redeemed                   95
Discount                          $10.00
Confirmation number                 0000
Keep this receipt: the confirmation
number is required to process a
reversal."""
    )


@given(amounts=st.tuples(*[st.integers(10**6, 10**15)] * 4))
@pytest.mark.parametrize("met", sorted(SUPPRESSED))
@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("language", Language)
def test_not_even_a_balance_that_should_not_have_been_sent_is_printed_for_who_suppressed_it(
    met, endpoint, language, amounts
):
    answer = answered(endpoint, met, **dict(zip(BALANCES, map(str, amounts), strict=True)))
    text = "\n".join(receipt(endpoint, answer, language))
    assert not any(str(amount) in text for amount in amounts)


def test_a_decline_prints_why_and_the_balances_that_no_screen_tells():
    answer = {**REDEEM, "responseCode": "0051", "availableDollarAmount": "0", "cashBalance": "94"}
    assert (
        "\n".join(receipt(Endpoint.REDEEM, answer, Language.FR))
        == """\
Milles Argent : échange
Milles de récompense insuffisants
Solde de milles Argent                94
Solde de milles Rêve                 550
Utilisable aujourd'hui            0,00 $"""
    )


def test_without_an_offer_there_is_no_amount_to_use_today():
    answer = {"responseCode": "0067", "cashBalance": "120", "dreamBalance": "545"}
    assert receipt(Endpoint.INQUIRE, answer, Language.EN)[2:] == (
        "Cash Miles balance                   120",
        "Dream Miles balance                  545",
    )


@pytest.mark.parametrize(
    "answer",
    [{"responseCode": "0002"}, {"responseCode": "0005"}, {"responseCode": "0051"}, {"responseCode": "0096"}, {}, ECHO],
)
def test_without_a_result_and_without_balances_nothing_is_printed(answer):
    assert receipt(Endpoint.ECHO, answer, Language.EN) == ()
    if answer is not ECHO:
        assert receipt(Endpoint.REDEEM, answer, Language.EN) == ()


def test_an_approved_inquiry_of_who_suppressed_balances_prints_nothing():
    assert receipt(Endpoint.INQUIRE, {**INQUIRE, "responseCode": "0001"}, Language.EN) == ()


def test_narrow_paper_puts_the_confirmation_number_below_its_name_and_cuts_nothing():
    answer = {**SUPPRESSED_REDEEM, "txnConfirmationNumber": "4301775582093164"}
    assert (
        "\n".join(receipt(Endpoint.REDEEM, answer, Language.FR, columns=32))
        == """\
Milles Argent : échange
Milles Argent échangés        95
Rabais                   10,00 $
Numéro de confirmation
                4301775582093164
Conservez ce reçu : le numéro de
confirmation est exigé pour une
annulation."""
    )


def test_paper_that_is_too_narrow_is_refused():
    with pytest.raises(ValueError, match="at least 32"):
        receipt(Endpoint.REDEEM, REDEEM, Language.EN, columns=31)


@given(
    columns=st.integers(RECEIPT_COLUMNS_MIN, 2 * RECEIPT_COLUMNS),
    number=st.text("0123456789", min_size=1, max_size=32),
    miles=st.integers(0, 10**18),
)
@pytest.mark.parametrize("met", Situation)
@pytest.mark.parametrize("language", Language)
def test_every_line_fits_the_paper_and_the_confirmation_number_is_whole(met, language, columns, number, miles):
    answer = answered(
        Endpoint.REDEEM, met, txnConfirmationNumber=number, cashBalance=str(miles), milesRedeemed=str(miles)
    )
    lines = receipt(Endpoint.REDEEM, answer, language, columns=columns)
    assert all(0 < len(line) <= columns for line in lines)
    if met in {Situation.APPROVED, Situation.APPROVED_SUPPRESSED}:
        assert any(line.endswith(number) for line in lines)
