"""The screens that are the till's own: nobody has answered yet. Those for an answer are `dialogue`'s."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from amcash.dialogue.answers import Endpoint, Language
from amcash.dialogue.words import PHRASES, TITLES


class Menu(StrEnum):
    """What the till can ask or do before an answer."""

    READY = "ready"
    WAITING = "waiting"
    DOLLARS = "dollars"
    NUMBER = "number"


class Step(StrEnum):
    """What a key of these screens does, beside `dialogue.screens.Action`."""

    INQUIRE = "inquire"
    ASK_DOLLARS = "ask dollars"
    ASK_NUMBER = "ask number"
    ECHO = "echo"
    REDEEM_DOLLARS = "redeem dollars"
    REVERSE = "reverse"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the terminal, or a button of the pop-up: a digit, `ENTER` or `CLEAR`."""

    press: str
    action: Step
    label: str


@dataclass(frozen=True, slots=True)
class Screen:
    """As `dialogue.screens.Screen`; an empty row is where the terminal shows what is typed."""

    title: str
    lines: tuple[str, ...]
    keys: tuple[Key, ...]
    rows: tuple[str, ...]


def _english() -> dict[Menu, Screen]:
    titles = TITLES[Language.EN]
    return {
        Menu.READY: Screen(
            titles[Endpoint.ECHO],
            (PHRASES[Language.EN].ready,),
            (
                Key("1", Step.INQUIRE, "Ask for the offer"),
                Key("2", Step.ASK_DOLLARS, "Redeem an amount"),
                Key("3", Step.ASK_NUMBER, "Reverse a redemption"),
                Key("4", Step.ECHO, "Test the connection"),
            ),
            (PHRASES[Language.EN].ready, "1=Offer 2=Amount", "3=Reverse 4=Test"),
        ),
        Menu.WAITING: Screen(titles[Endpoint.ECHO], ("Please wait.",), (), ("Please wait",)),
        Menu.DOLLARS: Screen(
            titles[Endpoint.REDEEM],
            ("How many dollars?",),
            (Key("ENTER", Step.REDEEM_DOLLARS, "Redeem"), Key("CLEAR", Step.BACK, "Back")),
            ("How many dollars?", "", "ENTER=Redeem", "CLEAR=Back"),
        ),
        Menu.NUMBER: Screen(
            titles[Endpoint.REVERSE],
            ("Confirmation number?",),
            (Key("ENTER", Step.REVERSE, "Reverse"), Key("CLEAR", Step.BACK, "Back")),
            ("Confirmation number?", "", "ENTER=Reverse", "CLEAR=Back"),
        ),
    }


def _french() -> dict[Menu, Screen]:
    titles = TITLES[Language.FR]
    return {
        Menu.READY: Screen(
            titles[Endpoint.ECHO],
            (PHRASES[Language.FR].ready,),
            (
                Key("1", Step.INQUIRE, "Demander l'offre"),
                Key("2", Step.ASK_DOLLARS, "Échanger un montant"),
                Key("3", Step.ASK_NUMBER, "Annuler un échange"),
                Key("4", Step.ECHO, "Vérifier la connexion"),
            ),
            (PHRASES[Language.FR].ready, "1=Offre 2=Montant", "3=Annuler 4=Essai"),
        ),
        Menu.WAITING: Screen(titles[Endpoint.ECHO], ("Veuillez patienter.",), (), ("Veuillez patienter",)),
        Menu.DOLLARS: Screen(
            titles[Endpoint.REDEEM],
            ("Combien de dollars ?",),
            (Key("ENTER", Step.REDEEM_DOLLARS, "Échanger"), Key("CLEAR", Step.BACK, "Retour")),
            ("Combien de dollars ?", "", "ENTRÉE=Échanger", "CORR=Retour"),
        ),
        Menu.NUMBER: Screen(
            titles[Endpoint.REVERSE],
            ("Numéro de confirmation ?",),
            (Key("ENTER", Step.REVERSE, "Annuler l'échange"), Key("CLEAR", Step.BACK, "Retour")),
            ("No de confirmation ?", "", "ENTRÉE=Annuler", "CORR=Retour"),
        ),
    }


MENUS: Mapping[Language, Mapping[Menu, Screen]] = MappingProxyType(
    {Language.EN: MappingProxyType(_english()), Language.FR: MappingProxyType(_french())}
)

OK_ROWS: Mapping[Language, str] = MappingProxyType({Language.EN: "ENTER=OK", Language.FR: "ENTRÉE=OK"})
"""What the terminal adds where it has a row left, and only `ENTER` leads on."""
