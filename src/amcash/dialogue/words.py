"""Every fixed word of the dialogue, in both languages: what each situation is called, why, and what to do.

English is the library's, letter for letter, from its tables "Status/response codes": `said` is the column "Display
Message", `why` sentences of "Description". Where it gives none, and all French, and the rows of the small
terminal: ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from amcash.dialogue.answers import Advice, Endpoint, Language, Situation


@dataclass(frozen=True, slots=True)
class Words:
    """What is said about a situation, or about what to do next."""

    said: str = ""
    """The display message, on the small terminal and as the first line of a pop-up."""
    why: tuple[str, ...] = ()
    """Sentences of a pop-up."""
    rows: tuple[str, ...] = ()
    """What to do, on the small terminal, below the display message."""


_EN = {
    Situation.APPROVED: Words("Approved", ("The transaction was successful.",)),
    Situation.APPROVED_SUPPRESSED: Words(
        "Approved - balance suppressed",
        ("The transaction was successful, however the Collector opted to not view their rewards balances.",),
    ),
    Situation.COLLECTOR_INACTIVE: Words(
        "Collector account inactive",
        (
            "The Collector account is not active.",
            (
                "Please ask the Collector to visit the airmiles.ca self-serve page, online chat support, "
                "or contact our call-center."
            ),
        ),
        ("Send Collector to", "airmiles.ca"),
    ),
    Situation.UNABLE_TO_REDEEM_SUPPRESSED: Words(
        "Balance suppressed, unable to redeem",
        (
            (
                "The transaction was successful, but the Collector opted to not view their balances, "
                "or allow instant cash redemptions."
            ),
        ),
        ("Continue the sale",),
    ),
    Situation.UNABLE_TO_REDEEM: Words(
        "Unable to redeem",
        (
            (
                "The transaction was successful, but the Collector account is set to not allow instant “AM Cash” "
                "redemptions."
            ),
        ),
        ("Continue the sale",),
    ),
    Situation.TIMEOUT: Words(
        "Transaction timeout",
        ("The transaction timed out when a request was sent to the “Instant POS” Switch.",),
    ),
    Situation.CARD_NOT_PRESENTED: Words(
        "Card not swiped or scanned",
        (
            "The Collector Card is physically required to perform instant cash redemptions.",
            (
                "Please ask the Collector to visit the airmiles.ca self-serve page, online chat support, "
                "or contact our call-center to request a replacement card."
            ),
        ),
        ("Swipe or scan card",),
    ),
    Situation.UNKNOWN_COLLECTOR: Words(
        "Invalid collector number",
        (
            "The Collector number is invalid.",
            (
                "Please ask the Collector to visit the airmiles.ca self-serve page, online chat support, "
                "or contact our call-center to request a replacement card."
            ),
        ),
        ("Send Collector to", "airmiles.ca"),
    ),
    Situation.INVALID_PARAMETER: Words(
        "Invalid request parameter",
        ("A mistake was made when submitting the request. Please correct the error and try again.",),
        ("Correct the error", "and try again"),
    ),
    Situation.TOO_FEW_MILES: Words(
        "Insufficient AIR MILES reward Miles",
        (
            (
                "The Collector has not earned enough in their “AIR MILES Cash” balance for the requested redemption "
                "amount."
            ),
            "Please ask the Collector to go to airmiles.ca and check their redemption/earning history.",
        ),
        ("Send Collector to", "airmiles.ca"),
    ),
    Situation.INVALID_CONFIRMATION: Words(
        "Invalid redemption confirmation number",
        (
            "The redemptionConfirmationNumber submitted is invalid.",
            "Please resubmit the request with the correct Redemption Confirmation Number.",
        ),
        ("Check the number",),
    ),
    Situation.DAILY_LIMIT: Words(
        "Exceeded daily redemption limit",
        (
            "The Collector has exceeded the daily redemption limit.",
            "Please ask the Collector to wait until the following day to redeem more Cash miles.",
        ),
        ("Try again tomorrow",),
    ),
    Situation.BASKET_TOO_SMALL: Words(
        "Insufficient basket size",
        (
            "The purchase amount is not enough to make a redemption.",
            "Ask the customer if they wish to add more items to their basket in order to make an AM Cash redemption.",
        ),
        ("Add more items?", "1=Yes 0=No"),
    ),
    Situation.OFFER_UNAVAILABLE: Words(
        "Offer is temporarily unavailable",
        (
            "The offer being requested is temporarily unavailable.",
            "Please advise the Collector to try redeeming this offer at a later time.",
        ),
        ("Try again later",),
    ),
    Situation.REVERSAL_WINDOW_OVER: Words(
        "Reversal window expired",
        (
            (
                "The reversal window for the redemption has expired; meaning a reversal can no longer be submitted for "
                "this transaction."
            ),
            (
                "Any reversals that are attempted past the 3:00 AM time-frame should be refunded to the customer via "
                "in-store credit or gift card. Please DO NOT RETURN CASH to the customer."
            ),
        ),
        ("NO CASH: credit or", "gift card"),
    ),
    Situation.OUTAGE: Words(
        "Scheduled outage",
        ("The system is unavailable due to scheduled maintenance. No requests can be sent.",),
        ("Try again later",),
    ),
    Situation.SERVER_ERROR: Words(
        "Server error or no response",
        ("An unknown error occurred while calling the “Instant POS” Switch.",),
    ),
    Situation.NO_TOKEN: Words(
        "Missing or invalid “Bearer token”",
        ("No valid “Bearer Token” present.",),
    ),
}

_FR = {
    Situation.APPROVED: Words("Approuvé", ("La transaction a réussi.",)),
    Situation.APPROVED_SUPPRESSED: Words(
        "Approuvé - solde masqué",
        ("La transaction a réussi, mais l'adhérent a choisi de ne pas voir ses soldes de récompenses.",),
    ),
    Situation.COLLECTOR_INACTIVE: Words(
        "Compte d'adhérent inactif",
        (
            "Le compte de l'adhérent n'est pas actif.",
            (
                "Veuillez inviter l'adhérent à visiter la page libre-service d'airmiles.ca, à clavarder avec le "
                "soutien en ligne ou à communiquer avec notre centre d'appels."
            ),
        ),
        ("Diriger l'adhérent", "vers airmiles.ca"),
    ),
    Situation.UNABLE_TO_REDEEM_SUPPRESSED: Words(
        "Solde masqué, échange impossible",
        (
            (
                "La transaction a réussi, mais l'adhérent a choisi de ne pas voir ses soldes et de ne pas permettre "
                "les échanges instantanés."
            ),
        ),
        ("Continuer la vente",),
    ),
    Situation.UNABLE_TO_REDEEM: Words(
        "Échange impossible",
        ("La transaction a réussi, mais le compte de l'adhérent ne permet pas l'échange instantané de milles Argent.",),
        ("Continuer la vente",),
    ),
    Situation.TIMEOUT: Words(
        "Délai de transaction dépassé",
        ("Le délai est expiré après l'envoi de la demande au commutateur « Instant POS ».",),
    ),
    Situation.CARD_NOT_PRESENTED: Words(
        "Carte non glissée ni numérisée",
        (
            "La présence de la carte de l'adhérent est obligatoire pour un échange instantané.",
            (
                "Veuillez inviter l'adhérent à visiter la page libre-service d'airmiles.ca, à clavarder avec le "
                "soutien en ligne ou à communiquer avec notre centre d'appels pour demander une carte de remplacement."
            ),
        ),
        ("Glisser ou numériser", "la carte"),
    ),
    Situation.UNKNOWN_COLLECTOR: Words(
        "Numéro d'adhérent invalide",
        (
            "Le numéro d'adhérent est invalide.",
            (
                "Veuillez inviter l'adhérent à visiter la page libre-service d'airmiles.ca, à clavarder avec le "
                "soutien en ligne ou à communiquer avec notre centre d'appels pour demander une carte de remplacement."
            ),
        ),
        ("Diriger l'adhérent", "vers airmiles.ca"),
    ),
    Situation.INVALID_PARAMETER: Words(
        "Paramètre de requête invalide",
        ("La demande contient une erreur. Veuillez la corriger et réessayer.",),
        ("Corriger l'erreur", "et réessayer"),
    ),
    Situation.TOO_FEW_MILES: Words(
        "Milles de récompense insuffisants",
        (
            "L'adhérent n'a pas accumulé assez de milles Argent pour le montant demandé.",
            "Veuillez inviter l'adhérent à consulter l'historique de ses échanges et de ses milles à airmiles.ca.",
        ),
        ("Diriger l'adhérent", "vers airmiles.ca"),
    ),
    Situation.INVALID_CONFIRMATION: Words(
        "Numéro de confirmation d'échange invalide",
        (
            "Le numéro de confirmation d'échange soumis est invalide.",
            "Veuillez soumettre de nouveau la demande avec le bon numéro.",
        ),
        ("Vérifier le numéro",),
    ),
    Situation.DAILY_LIMIT: Words(
        "Limite d'échange quotidienne dépassée",
        (
            "L'adhérent a dépassé la limite d'échange quotidienne.",
            "Veuillez inviter l'adhérent à attendre au lendemain pour échanger d'autres milles Argent.",
        ),
        ("Revenir demain",),
    ),
    Situation.BASKET_TOO_SMALL: Words(
        "Montant d'achat insuffisant",
        (
            "Le montant de l'achat ne suffit pas pour un échange.",
            "Demandez au client s'il désire ajouter des articles pour pouvoir échanger des milles Argent.",
        ),
        ("Autres articles ?", "1=Oui 0=Non"),
    ),
    Situation.OFFER_UNAVAILABLE: Words(
        "Offre temporairement indisponible",
        (
            "L'offre demandée est temporairement indisponible.",
            "Veuillez conseiller à l'adhérent d'essayer de nouveau plus tard.",
        ),
        ("Réessayer plus tard",),
    ),
    Situation.REVERSAL_WINDOW_OVER: Words(
        "Délai d'annulation expiré",
        (
            "Le délai d'annulation de l'échange est expiré : une annulation ne peut plus être soumise.",
            (
                "Après 3 h, le remboursement doit se faire par crédit en magasin ou par carte-cadeau. "
                "Veuillez NE PAS REMETTRE D'ARGENT COMPTANT au client."
            ),
        ),
        ("PAS DE COMPTANT :", "crédit/carte-cadeau"),
    ),
    Situation.OUTAGE: Words(
        "Interruption planifiée",
        ("Le système est indisponible en raison d'un entretien planifié. Aucune demande ne peut être envoyée.",),
        ("Réessayer plus tard",),
    ),
    Situation.SERVER_ERROR: Words(
        "Erreur du serveur ou aucune réponse",
        ("Une erreur inconnue s'est produite lors de l'appel au commutateur « Instant POS ».",),
    ),
    Situation.NO_TOKEN: Words(
        "Jeton « Bearer » manquant ou invalide",
        ("Aucun jeton « Bearer » valide n'est présent.",),
    ),
}

SITUATIONS: Mapping[Language, Mapping[Situation, Words]] = MappingProxyType(
    {Language.EN: MappingProxyType(_EN), Language.FR: MappingProxyType(_FR)}
)

_SAID_ELSEWHERE = {
    (Endpoint.INQUIRE, Situation.APPROVED_SUPPRESSED): "Approved - Balance suppressed",
    (Endpoint.ECHO, Situation.NO_TOKEN): "Missing or invalid Bearer token",
}
"""Where an endpoint's own English table differs (R-WIRE-9)."""


def said(endpoint: Endpoint, met: Situation, language: Language) -> str:
    """Return the display message of a situation."""
    words = SITUATIONS[language][met].said
    return _SAID_ELSEWHERE.get((endpoint, met), words) if language == Language.EN else words


RESENDING: Mapping[Language, Mapping[Advice, Words]] = MappingProxyType(
    {
        Language.EN: {
            Advice.RETRY_IDENTICAL: Words(why=("Trying again. Please wait.",), rows=("Trying again", "Please wait")),
            Advice.RENEW_TOKEN: Words(
                why=("Signing in again. Please wait.",), rows=("Signing in again", "Please wait")
            ),
        },
        Language.FR: {
            Advice.RETRY_IDENTICAL: Words(
                why=("Nouvel essai. Veuillez patienter.",), rows=("Nouvel essai", "Veuillez patienter")
            ),
            Advice.RENEW_TOKEN: Words(
                why=("Nouvelle connexion. Veuillez patienter.",), rows=("Nouvelle connexion", "Veuillez patienter")
            ),
        },
    }
)
"""While the till sends a request again by itself."""

_CALL_EN = "Please escalate the issue as indicated in the “AM Cash - Sponsor Escalation Guide”."
_CALL_FR = "Veuillez signaler le problème en suivant le guide « AM Cash - Sponsor Escalation Guide »."
_CALL_ROW_EN = "See escalation guide"
_CALL_ROW_FR = "Aviser le soutien"

CALLING: Mapping[Language, Mapping[Endpoint, Words]] = MappingProxyType(
    {
        Language.EN: {
            Endpoint.ECHO: Words(why=(_CALL_EN,), rows=(_CALL_ROW_EN,)),
            Endpoint.INQUIRE: Words(why=(_CALL_EN,), rows=(_CALL_ROW_EN,)),
            Endpoint.REDEEM: Words(
                why=("The redemption is not confirmed: give no discount.", _CALL_EN),
                rows=("Give no discount", _CALL_ROW_EN),
            ),
            Endpoint.REVERSE: Words(
                why=("The reversal is not confirmed: do not refund yet.", _CALL_EN),
                rows=("Do not refund yet", _CALL_ROW_EN),
            ),
        },
        Language.FR: {
            Endpoint.ECHO: Words(why=(_CALL_FR,), rows=(_CALL_ROW_FR,)),
            Endpoint.INQUIRE: Words(why=(_CALL_FR,), rows=(_CALL_ROW_FR,)),
            Endpoint.REDEEM: Words(
                why=("L'échange n'est pas confirmé : n'accordez aucun rabais.", _CALL_FR),
                rows=("Aucun rabais", _CALL_ROW_FR),
            ),
            Endpoint.REVERSE: Words(
                why=("L'annulation n'est pas confirmée : ne remboursez pas encore.", _CALL_FR),
                rows=("Ne pas rembourser", _CALL_ROW_FR),
            ),
        },
    }
)
"""When the retry failed too: what is not known, and whom to tell."""

TITLES: Mapping[Language, Mapping[Endpoint, str]] = MappingProxyType(
    {
        Language.EN: {
            Endpoint.ECHO: "AM Cash",
            Endpoint.INQUIRE: "AM Cash Inquiry",
            Endpoint.REDEEM: "AM Cash Redemption",
            Endpoint.REVERSE: "AM Cash Reversal",
        },
        Language.FR: {
            Endpoint.ECHO: "Milles Argent",
            Endpoint.INQUIRE: "Milles Argent : offre",
            Endpoint.REDEEM: "Milles Argent : échange",
            Endpoint.REVERSE: "Milles Argent : annulation",
        },
    }
)


@dataclass(frozen=True, slots=True)
class Phrases:
    """What is said with figures in it. Each `rows` names one row of the terminal, the widest way of saying it first."""

    one_unit: str
    units: str
    rate: str
    rate_rows: tuple[str, ...]
    sale: str
    day: str
    units_rows: tuple[str, ...]
    question_rows: tuple[str, ...]
    question_keys: str
    redeem: str
    other_amount: str
    add_items: str
    no: str
    how_many: str
    how_many_row: str
    most_rows: tuple[str, ...]
    enter_rows: tuple[str, ...]
    no_key: str
    nothing: str
    nothing_rows: tuple[str, ...]
    ready: str
    taken: str
    given_back: str
    discount: str
    discount_back: str
    refund: str
    amount_rows: tuple[str, ...]
    number: str
    number_rows: tuple[str, ...]


PHRASES: Mapping[Language, Phrases] = MappingProxyType(
    {
        Language.EN: Phrases(
            one_unit="1 unit",
            units="{units} units",
            rate="1 unit: {miles} Cash Miles = {dollars}",
            rate_rows=("{miles} Miles = {dollars}", "{miles} = {dollars}"),
            sale="For this sale, at most: {units} = {dollars}",
            day="For the day, at most: {units} = {dollars}",
            units_rows=("{units} (day: {day})", "{most} (day: {day})"),
            question_rows=("Redeem {dollars}?", "{dollars}?"),
            question_keys="1=Yes 2=Other 0=No",
            redeem="Redeem {dollars}",
            other_amount="Other amount",
            add_items="Add items",
            no="No redemption",
            how_many="How many units, 1 to {most}?",
            how_many_row="How many units?",
            most_rows=("1 to {most}",),
            enter_rows=("ENTER={most} ({dollars})", "ENTER={most}"),
            no_key="0=No",
            nothing="Nothing can be redeemed for this sale.",
            nothing_rows=("Nothing to redeem", "for this sale"),
            ready="AM Cash is ready",
            taken="{miles} Cash Miles redeemed",
            given_back="{miles} Cash Miles returned",
            discount="Discount: {dollars}",
            discount_back="Discount taken back: {dollars}",
            refund="Accept the return and issue a full monetary refund.",
            amount_rows=("{dollars} = {miles} Miles", "{dollars} {miles} Miles", "{dollars}"),
            number="Confirmation number: {number}",
            number_rows=("No. {number}", "{number}", "No. on the receipt"),
        ),
        Language.FR: Phrases(
            one_unit="1 unité",
            units="{units} unités",
            rate="1 unité : {miles} milles Argent = {dollars}",
            rate_rows=("{miles} milles = {dollars}", "{miles} = {dollars}"),
            sale="Pour cet achat, au plus : {units} = {dollars}",
            day="Pour la journée, au plus : {units} = {dollars}",
            units_rows=("{units} (jour : {day})", "{units} (jour {day})", "{most} (jour : {day})"),
            question_rows=("Échanger {dollars} ?", "{dollars} ?"),
            question_keys="1=Oui 2=Autre 0=Non",
            redeem="Échanger {dollars}",
            other_amount="Autre montant",
            add_items="Ajouter des articles",
            no="Aucun échange",
            how_many="Combien d'unités, de 1 à {most} ?",
            how_many_row="Combien d'unités ?",
            most_rows=("De 1 à {most}",),
            enter_rows=("ENTRÉE={most} ({dollars})", "ENTRÉE={most}"),
            no_key="0=Non",
            nothing="Rien ne peut être échangé pour cet achat.",
            nothing_rows=("Rien à échanger", "pour cet achat"),
            ready="Système prêt",
            taken="{miles} milles Argent échangés",
            given_back="{miles} milles Argent remis",
            discount="Rabais : {dollars}",
            discount_back="Rabais repris : {dollars}",
            refund="Acceptez le retour et remboursez le plein montant.",
            amount_rows=("{dollars} = {miles} milles", "{dollars} {miles} milles", "{dollars}"),
            number="Numéro de confirmation : {number}",
            number_rows=("No {number}", "{number}", "Numéro sur le reçu"),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The labels of a printed receipt."""

    taken: str
    given_back: str
    discount: str
    discount_back: str
    number: str
    cash: str
    dream: str
    available: str
    keep: str


RECEIPTS: Mapping[Language, Receipt] = MappingProxyType(
    {
        Language.EN: Receipt(
            taken="Cash Miles redeemed",
            given_back="Cash Miles returned",
            discount="Discount",
            discount_back="Discount taken back",
            number="Confirmation number",
            cash="Cash Miles balance",
            dream="Dream Miles balance",
            available="Still usable today",
            keep="Keep this receipt: the confirmation number is required to process a reversal.",
        ),
        Language.FR: Receipt(
            taken="Milles Argent échangés",
            given_back="Milles Argent remis",
            discount="Rabais",
            discount_back="Rabais repris",
            number="Numéro de confirmation",
            cash="Solde de milles Argent",
            dream="Solde de milles Rêve",
            available="Utilisable aujourd'hui",
            keep="Conservez ce reçu : le numéro de confirmation est exigé pour une annulation.",
        ),
    }
)
