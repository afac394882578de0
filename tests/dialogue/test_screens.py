"""What the cashier sees, shown as it stands on the terminal."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amcash.dialogue.amounts import Choice, choice
from amcash.dialogue.answers import Advice, Endpoint, Language, Situation
from amcash.dialogue.screens import COLUMNS, ROWS, Action, amount_screen, screen
from dialogue.examples import BALANCES, ECHO, FIGURE_2, INQUIRE, REDEEM, REVERSE, SAMPLES, answered, lines

# Every answer that is no approval, on the terminal of a redemption; "again" is the one retry's.
TERMINAL = {
    ("0002", "en"): "Collector account / inactive / Send Collector to / airmiles.ca",
    ("0002", "fr"): "Compte d'adhérent / inactif / Diriger l'adhérent / vers airmiles.ca",
    ("0005", "en"): "Balance suppressed, / unable to redeem / Continue the sale",
    ("0005", "fr"): "Solde masqué, / échange impossible / Continuer la vente",
    ("0006", "en"): "Unable to redeem / Continue the sale",
    ("0006", "fr"): "Échange impossible / Continuer la vente",
    ("0008", "en"): "Transaction timeout / Trying again / Please wait",
    ("0008", "fr"): "Délai de transaction / dépassé / Nouvel essai / Veuillez patienter",
    ("0008 again", "en"): "Transaction timeout / Give no discount / See escalation guide",
    ("0008 again", "fr"): "Délai de transaction / dépassé / Aucun rabais / Aviser le soutien",
    ("0009", "en"): "Card not swiped or / scanned / Swipe or scan card",
    ("0009", "fr"): "Carte non glissée ni / numérisée / Glisser ou numériser / la carte",
    ("0025", "en"): "Invalid collector / number / Send Collector to / airmiles.ca",
    ("0025", "fr"): "Numéro d'adhérent / invalide / Diriger l'adhérent / vers airmiles.ca",
    ("0035", "en"): "Invalid request / parameter / Correct the error / and try again",
    ("0035", "fr"): "Paramètre de requête / invalide / Corriger l'erreur / et réessayer",
    ("0051", "en"): "Insufficient AIR / MILES reward Miles / Send Collector to / airmiles.ca",
    ("0051", "fr"): "Milles de récompense / insuffisants / Diriger l'adhérent / vers airmiles.ca",
    ("0057", "en"): "Invalid redemption / confirmation number / Check the number",
    ("0057", "fr"): "Numéro de / confirmation / d'échange invalide / Vérifier le numéro",
    ("0065", "en"): "Exceeded daily / redemption limit / Try again tomorrow",
    ("0065", "fr"): "Limite d'échange / quotidienne dépassée / Revenir demain",
    ("0066", "en"): "Insufficient basket / size / Add more items? / 1=Yes 0=No",
    ("0066", "fr"): "Montant d'achat / insuffisant / Autres articles ? / 1=Oui 0=Non",
    ("0067", "en"): "Offer is temporarily / unavailable / Try again later",
    ("0067", "fr"): "Offre temporairement / indisponible / Réessayer plus tard",
    ("0080", "en"): "Reversal window / expired / NO CASH: credit or / gift card",
    ("0080", "fr"): "Délai d'annulation / expiré / PAS DE COMPTANT : / crédit/carte-cadeau",
    ("0092", "en"): "Scheduled outage / Try again later",
    ("0092", "fr"): "Interruption / planifiée / Réessayer plus tard",
    ("0096", "en"): "Server error or no / response / Trying again / Please wait",
    ("0096", "fr"): "Erreur du serveur ou / aucune réponse / Nouvel essai / Veuillez patienter",
    ("0096 again", "en"): "Server error or no / response / Give no discount / See escalation guide",
    ("0096 again", "fr"): "Erreur du serveur ou / aucune réponse / Aucun rabais / Aviser le soutien",
    ("none", "en"): "Missing or invalid / “Bearer token” / Signing in again / Please wait",
    ("none", "fr"): "Jeton « Bearer » / manquant ou invalide / Nouvelle connexion / Veuillez patienter",
    ("none again", "en"): "Missing or invalid / “Bearer token” / Give no discount / See escalation guide",
    ("none again", "fr"): "Jeton « Bearer » / manquant ou invalide / Aucun rabais / Aviser le soutien",
}


@pytest.mark.parametrize(("code", "language"), TERMINAL)
def test_what_a_refused_redemption_shows(code, language):
    met, _, again = code.partition(" ")
    answer = answered(Endpoint.REDEEM, Situation(met))
    seen = screen(Endpoint.REDEEM, answer, Language(language), retried=bool(again))
    assert " / ".join(seen.rows) == TERMINAL[code, language]


def test_no_answer_shows_what_a_timeout_shows():
    for language, again in itertools.product(Language, (False, True)):
        timeout = answered(Endpoint.REDEEM, Situation.TIMEOUT)
        assert screen(Endpoint.REDEEM, None, language, retried=again) == screen(
            Endpoint.REDEEM, timeout, language, retried=again
        )


def test_while_the_till_sends_again_by_itself_there_is_nothing_to_press():
    for met, again in itertools.product(Situation, (False, True)):
        seen = screen(Endpoint.REDEEM, answered(Endpoint.REDEEM, met), Language.EN, retried=again)
        assert bool(seen.keys) is not seen.advice.resend


@pytest.mark.parametrize(
    ("endpoint", "row"),
    [
        (Endpoint.ECHO, ()),
        (Endpoint.INQUIRE, ()),
        (Endpoint.REDEEM, ("Give no discount",)),
        (Endpoint.REVERSE, ("Do not refund yet",)),
    ],
)
def test_what_is_not_confirmed_is_neither_given_nor_refunded(endpoint, row):
    seen = screen(endpoint, None, Language.EN, retried=True)
    assert seen.advice is Advice.CALL
    assert seen.rows == ("Transaction timeout", *row, "See escalation guide")


def test_the_inquiry_shows_the_four_values_of_the_platforms_figure():
    assert screen(Endpoint.INQUIRE, FIGURE_2, Language.EN).rows == lines("""
        95 Miles = $10.00
        3 units (day: 20)
        Redeem $30.00?
        1=Yes 2=Other 0=No
        """)
    assert screen(Endpoint.INQUIRE, FIGURE_2, Language.FR).rows == lines("""
        95 milles = 10,00 $
        3 unités (jour : 20)
        Échanger 30,00 $ ?
        1=Oui 2=Autre 0=Non
        """)


def test_the_pop_up_of_an_inquiry_says_the_same_in_full_with_the_offer_and_its_buttons():
    seen = screen(Endpoint.INQUIRE, FIGURE_2, Language.FR)
    assert seen.title == "Milles Argent : offre"
    assert seen.lines == lines("""
        Approuvé
        Exemple de description de l'offre en français.
        1 unité : 95 milles Argent = 10,00 $
        Pour cet achat, au plus : 3 unités = 30,00 $
        Pour la journée, au plus : 20 unités = 200,00 $
        """)
    assert [(key.press, key.action, key.label) for key in seen.keys] == [
        ("1", Action.REDEEM, "Échanger 30,00 $"),
        ("2", Action.OTHER_AMOUNT, "Autre montant"),
        ("0", Action.NO, "Aucun échange"),
    ]
    seen = screen(Endpoint.INQUIRE, INQUIRE, Language.EN)
    assert seen.lines == lines("""
        Approved
        Sample offer description in English.
        1 unit: 95 Cash Miles = $10.00
        For this sale, at most: 1 unit = $10.00
        For the day, at most: 10 units = $100.00
        """)


def test_an_offer_without_a_description_is_shown_without_one():
    nameless = {name: value for name, value in INQUIRE.items() if name != "offerDescEn"}
    assert screen(Endpoint.INQUIRE, nameless, Language.EN).lines[1] == "1 unit: 95 Cash Miles = $10.00"


def test_the_tills_own_basket_lowers_the_proposal():
    assert screen(Endpoint.INQUIRE, FIGURE_2, Language.EN, basket="25.00").rows[1:3] == (
        "2 units (day: 20)",
        "Redeem $20.00?",
    )


@pytest.mark.parametrize("code", ["0000", "0001"])
def test_where_nothing_can_be_redeemed_nothing_is_offered(code):
    """ "If no offer is returned, the POS terminal won't display any of the information shown above"."""
    answer = {"responseCode": code, "cashBalance": "1900", "availableCashBalance": "0"}
    seen = screen(Endpoint.INQUIRE, answer, Language.EN)
    assert seen.rows[-2:] == ("Nothing to redeem", "for this sale")
    assert seen.advice is Advice.DO_NOT_PROMPT
    assert [key.action for key in seen.keys] == [Action.OK]


def test_another_amount_is_asked_for_in_units():
    seen = amount_screen(choice(FIGURE_2), Language.EN)
    assert seen.rows == lines("""
        How many units?
        1 to 3
        ENTER=3 ($30.00)
        0=No
        """)
    assert seen.lines == ("How many units, 1 to 3?", "1 unit: 95 Cash Miles = $10.00")
    assert [key.action for key in seen.keys] == [Action.REDEEM, Action.NO]
    assert amount_screen(choice(FIGURE_2), Language.FR).rows == lines("""
        Combien d'unités ?
        De 1 à 3
        ENTRÉE=3 (30,00 $)
        0=Non
        """)


def test_a_redemption_shows_the_discount_and_the_confirmation_number():
    answer = {**REDEEM, "unitsRedeemed": "75", "milesRedeemed": "7125", "txnConfirmationNumber": "4301775582093164"}
    assert screen(Endpoint.REDEEM, answer, Language.EN).rows == lines("""
        Approved
        $750.00 = 7125 Miles
        No. 4301775582093164
        """)
    assert screen(Endpoint.REDEEM, {**answer, "responseCode": "0001"}, Language.FR).rows == lines("""
        Approuvé - solde
        masqué
        750,00 $ 7125 milles
        No 4301775582093164
        """)
    assert screen(Endpoint.REDEEM, answer, Language.EN).lines == lines("""
        Approved
        Discount: $750.00
        7125 Cash Miles redeemed
        Confirmation number: 4301775582093164
        """)


def test_a_reversal_asks_for_the_return_to_be_accepted():
    """ "… prompt the sales associate to accept the return and issue a full monetary refund"."""
    seen = screen(Endpoint.REVERSE, REVERSE, Language.EN)
    assert seen.rows == ("Approved", "$10.00 = 95 Miles", "No. 0000")
    assert seen.lines == lines("""
        Approved
        Accept the return and issue a full monetary refund.
        Discount taken back: $10.00
        95 Cash Miles returned
        Confirmation number: 0000
        """)


def test_an_echo_says_that_the_path_works():
    assert screen(Endpoint.ECHO, ECHO, Language.EN).rows == ("Approved", "AM Cash is ready")


def test_a_small_basket_asks_whether_to_add_items():
    seen = screen(Endpoint.REDEEM, answered(Endpoint.REDEEM, Situation.BASKET_TOO_SMALL), Language.EN)
    assert [(key.press, key.action) for key in seen.keys] == [("1", Action.ADD_ITEMS), ("0", Action.NO)]


def test_the_pop_up_of_an_invalid_parameter_names_it():
    told = "Invalid request parameter: deviceId must be 1 to 16 letters, digits, _ or -"
    answer = {"responseCode": "0035", "message": told}
    assert screen(Endpoint.REDEEM, answer, Language.EN).lines[:2] == ("Invalid request parameter", told)
    bare = {"responseCode": "0035", "message": "Invalid request parameter"}
    assert screen(Endpoint.REDEEM, bare, Language.EN).lines == (
        "Invalid request parameter",
        "A mistake was made when submitting the request. Please correct the error and try again.",
    )


@pytest.mark.parametrize(
    ("endpoint", "language", "met", "again"), list(itertools.product(Endpoint, Language, Situation, (False, True)))
)
def test_every_answer_of_every_endpoint_fits_the_terminal(endpoint, language, met, again):
    seen = screen(endpoint, answered(endpoint, met), language, retried=again)
    assert 1 <= len(seen.rows) <= ROWS
    assert all(0 < len(row) <= COLUMNS for row in seen.rows)
    assert seen.title
    assert all(seen.lines)
    assert "#" not in "".join(seen.rows)


_BALANCE = st.integers(10**6, 10**9).map(str)


@given(
    balances=st.fixed_dictionaries(dict.fromkeys(BALANCES, _BALANCE)),
    counts=st.fixed_dictionaries(
        dict.fromkeys(
            ("availableOfferUnits", "dailyOfferLimit", "unitsRedeemed", "unitsReversed"), st.integers(0, 75).map(str)
        )
    ),
    endpoint=st.sampled_from(Endpoint),
    language=st.sampled_from(Language),
    met=st.sampled_from(Situation),
    again=st.booleans(),
)
def test_a_balance_is_never_on_a_screen(balances, counts, endpoint, language, met, again):
    answer = answered(endpoint, met, **balances, **counts)
    seen = screen(endpoint, answer, language, retried=again)
    shown = "\n".join((seen.title, *seen.lines, *seen.rows, *(key.label for key in seen.keys)))
    assert not any(balance in shown for balance in balances.values())


@given(
    figures=st.fixed_dictionaries(
        dict.fromkeys(
            [
                *("availableOfferUnits", "dailyOfferLimit", "unitValueAMCash", "unitValueDollars", "unitsRedeemed"),
                *("milesRedeemed", "unitsReversed", "milesReversed"),
            ],
            st.integers(1, 10**18).map(str),
        )
    ),
    number=st.text("0123456789ABCDEF-", min_size=1, max_size=32),
    endpoint=st.sampled_from(Endpoint),
    language=st.sampled_from(Language),
    code=st.sampled_from(["0000", "0001"]),
)
def test_no_figure_however_wide_leaves_the_terminal_or_is_cut(figures, number, endpoint, language, code):
    answer = {**SAMPLES[endpoint], **figures, "txnConfirmationNumber": number, "responseCode": code}
    seen = screen(endpoint, answer, language)
    assert len(seen.rows) <= ROWS
    assert all(len(row) <= COLUMNS for row in seen.rows)
    whole = {figure for text in seen.lines for figure in _figures(text)} | {"0", "1", "2"}
    assert {figure for row in seen.rows for figure in _figures(row)} <= whole


@given(most=st.integers(1, 10**12), miles=st.integers(1, 10**12), unit=st.integers(1, 10**12))
@pytest.mark.parametrize("language", Language)
def test_no_amount_however_wide_leaves_the_terminal(language, most, miles, unit):
    rows = amount_screen(Choice(most, most, miles, unit), language).rows
    assert len(rows) == ROWS
    assert all(len(row) <= COLUMNS for row in rows)


def test_a_figure_too_wide_for_a_row_shows_as_too_wide_and_stands_whole_in_the_pop_up():
    answer = {**FIGURE_2, "unitValueAMCash": "9" * 20}
    seen = screen(Endpoint.INQUIRE, answer, Language.EN)
    assert seen.rows[0] == "#" * COLUMNS
    assert f"1 unit: {'9' * 20} Cash Miles = $10.00" in seen.lines


def test_a_confirmation_number_too_wide_for_a_row_is_looked_up_on_the_receipt():
    answer = {**REDEEM, "txnConfirmationNumber": "9" * 32}
    assert screen(Endpoint.REDEEM, answer, Language.EN).rows[-1] == "No. on the receipt"


def _figures(text):
    """Return every run of signs that a number may consist of and that holds a digit."""
    return {run.rstrip(".,-") for run in re.findall("[0-9A-F.,-]*[0-9][0-9A-F.,-]*", text)}
