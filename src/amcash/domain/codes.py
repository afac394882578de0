"""The one table of response codes: code, HTTP status, words in both languages, recorded or not, in order of precedence.

Words and statuses are the library's; where its tables differ, the endpoint's own wins (R-WIRE-9). French is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType

from amcash.domain.vocabulary import Language


class Endpoint(StrEnum):
    """The four calls of the API."""

    ECHO = "echo"
    INQUIRE = "inquire"
    REDEEM = "redeem"
    REVERSE = "reverse"


class Code(StrEnum):
    """A response code, by what it means."""

    OUTAGE = "0092"
    INVALID_PARAMETER = "0035"
    CARD_NOT_PRESENTED = "0009"
    UNKNOWN_COLLECTOR = "0025"
    COLLECTOR_INACTIVE = "0002"
    UNABLE_TO_REDEEM_SUPPRESSED = "0005"
    UNABLE_TO_REDEEM = "0006"
    OFFER_UNAVAILABLE = "0067"
    BASKET_TOO_SMALL = "0066"
    TOO_FEW_MILES = "0051"
    DAILY_LIMIT = "0065"
    INVALID_CONFIRMATION = "0057"
    REVERSAL_WINDOW_OVER = "0080"
    APPROVED_SUPPRESSED = "0001"
    APPROVED = "0000"
    TIMEOUT = "0008"
    SERVER_ERROR = "0096"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; `rule` is the check of `rules.md` that the code carries out."""

    code: Code
    status: HTTPStatus
    recorded: bool
    """Kept under its idempotency key, so that a retry gets it again (R-IDEM-5)."""
    rule: str
    en: str
    fr: str
    endpoint_en: Mapping[Endpoint, str] = field(default_factory=dict)

    def message(self, endpoint: Endpoint, language: Language) -> str:
        """Return the words for a display."""
        return self.fr if language is Language.FR else self.endpoint_en.get(endpoint, self.en)


_THREE = (Endpoint.INQUIRE, Endpoint.REDEEM, Endpoint.REVERSE)

_ROWS = (
    Row(
        Code.OUTAGE,
        HTTPStatus.SERVICE_UNAVAILABLE,
        recorded=False,
        rule="R-ORDER-2",
        en="Scheduled outage",
        fr="Interruption planifiée",
    ),
    Row(
        Code.INVALID_PARAMETER,
        HTTPStatus.BAD_REQUEST,
        recorded=False,
        rule="R-ORDER-3",
        en="Invalid request parameter",
        fr="Paramètre de requête invalide",
    ),
    Row(
        Code.CARD_NOT_PRESENTED,
        HTTPStatus.FORBIDDEN,
        recorded=False,
        rule="R-ORDER-5",
        en="Card not swiped or scanned",
        fr="Carte non glissée ni numérisée",
    ),
    Row(
        Code.UNKNOWN_COLLECTOR,
        HTTPStatus.UNAUTHORIZED,
        recorded=False,
        rule="R-ORDER-6",
        en="Invalid Collector number",
        fr="Numéro d'adhérent invalide",
        endpoint_en=dict.fromkeys(_THREE, "Invalid collector number"),
    ),
    Row(
        Code.COLLECTOR_INACTIVE,
        HTTPStatus.UNAUTHORIZED,
        recorded=True,
        rule="R-ORDER-7",
        en="Collector account inactive",
        fr="Compte d'adhérent inactif",
    ),
    Row(
        Code.UNABLE_TO_REDEEM_SUPPRESSED,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-8",
        en="Balance suppressed, unable to redeem",
        fr="Solde masqué, échange impossible",
    ),
    Row(
        Code.UNABLE_TO_REDEEM,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-8",
        en="Unable to redeem",
        fr="Échange impossible",
    ),
    Row(
        Code.OFFER_UNAVAILABLE,
        HTTPStatus.REQUEST_TIMEOUT,
        recorded=False,
        rule="R-ORDER-9",
        en="Offer is temporarily unavailable",
        fr="Offre temporairement indisponible",
    ),
    Row(
        Code.BASKET_TOO_SMALL,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-10",
        en="Insufficient basket size",
        fr="Montant d'achat insuffisant",
    ),
    Row(
        Code.TOO_FEW_MILES,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-11",
        en="Insufficient reward miles",
        fr="Milles de récompense insuffisants",
        endpoint_en=dict.fromkeys(_THREE, "Insufficient AIR MILES reward Miles"),
    ),
    Row(
        Code.DAILY_LIMIT,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-12",
        en="Exceeded daily redemption limit",
        fr="Limite d'échange quotidienne dépassée",
    ),
    Row(
        Code.INVALID_CONFIRMATION,
        HTTPStatus.BAD_REQUEST,
        recorded=True,
        rule="R-ORDER-13",
        en="Invalid redemption confirmation number",
        fr="Numéro de confirmation d'échange invalide",
    ),
    Row(
        Code.REVERSAL_WINDOW_OVER,
        HTTPStatus.CONFLICT,
        recorded=True,
        rule="R-ORDER-13",
        en="Reversal window expired",
        fr="Délai d'annulation expiré",
    ),
    Row(
        Code.APPROVED_SUPPRESSED,
        HTTPStatus.ACCEPTED,
        recorded=True,
        rule="R-ORDER-14",
        en="Approved - balance suppressed",
        fr="Approuvé - solde masqué",
        endpoint_en={Endpoint.INQUIRE: "Approved - Balance suppressed"},
    ),
    Row(Code.APPROVED, HTTPStatus.OK, recorded=True, rule="R-ORDER-14", en="Approved", fr="Approuvé"),
    Row(
        Code.TIMEOUT,
        HTTPStatus.REQUEST_TIMEOUT,
        recorded=False,
        rule="R-TIME-1",
        en="Transaction timeout",
        fr="Délai de transaction dépassé",
    ),
    Row(
        Code.SERVER_ERROR,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        recorded=False,
        rule="R-ECHO-1",
        en="Server error or no response",
        fr="Erreur du serveur ou aucune réponse",
    ),
)

TABLE: Mapping[Code, Row] = MappingProxyType({row.code: row for row in _ROWS})

APPROVALS = frozenset({Code.APPROVED, Code.APPROVED_SUPPRESSED})

NO_TOKEN_STATUS = HTTPStatus.UNAUTHORIZED


def no_token_message(endpoint: Endpoint) -> str:
    """Return the words of the table's last row, which has no response code: no valid bearer token (R-ORDER-1)."""
    if endpoint is Endpoint.ECHO:
        return "Missing or invalid Bearer token"
    return "Missing or invalid “Bearer token”"
