"""`amcash client`: the OAuth clients of partners. A secret is printed once, here, and nowhere else (R-AUTH-2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from amcash import wiring
from amcash.access.clients import new_secret
from amcash.cli import options, printing
from amcash.cli.failing import Refused, forget_output
from amcash.domain.vocabulary import Client, SponsorCode, secret_digest
from amcash.ledger import register as registers
from amcash.ledger.store import Session

NAMED_MAX = 10
"""How many ids a refusal names, to help with a typing mistake."""


@click.group()
def client() -> None:
    """Register the OAuth clients of partners, rotate their secrets, shut one out and let it in again.

    A client gets tokens with its id and secret, and may act for the sponsors it was given, for no other.

    \b
    Example:  amcash client add loy1-pos --sponsor LOY1
    """


@client.command()
@click.argument("client_id", metavar="ID", type=options.CLIENT_ID)
@click.option(
    "--sponsor",
    "sponsors",
    metavar="CODE",
    multiple=True,
    required=True,
    help="A sponsor it may act for; again for another.",
)
@options.database_option
@options.json_option
def add(client_id: str, sponsors: tuple[str, ...], database: str | None, as_json: bool) -> None:
    """Register a client and print its secret, once.

    A client that a programme file names without a secret gets its first one this way.
    JSON: {"id", "secret"}.

    \b
    Example:  amcash client add loy1-pos --sponsor LOY1 --sponsor LOY2
    """
    codes = tuple(dict.fromkeys(map(SponsorCode, sponsors)))
    secret = new_secret()
    with _never_lost(), options.changing(database) as session:
        known = options.register_of(session).sponsors
        for code in codes:
            if code not in known:
                raise Refused(f"there is no sponsor {code}; this ledger has {', '.join(sorted(known)) or 'none'}")
        there = _clients(session).get(client_id)
        if there is None:
            registers.put_client(session, client_id, codes)
        else:
            _refuse_unless_first_secret(there, codes)
        registers.add_secret(session, client_id, secret_digest(secret), wiring.utc_now())
        _print_secret(client_id, secret, "", as_json=as_json)


@contextmanager
def _never_lost() -> Iterator[None]:
    """Undo the making of a secret that could not be printed: it is printed before it counts."""
    try:
        yield
    except OSError as error:
        forget_output()
        raise Refused(f"the secret could not be printed ({error.strerror}), so none was made") from error


def _refuse_unless_first_secret(there: Client, codes: tuple[SponsorCode, ...]) -> None:
    """A client without a secret waits for its first one (programme.md); any other exists already."""
    if there.disabled:
        raise Refused(
            f"client {there.client_id} is there already, and disabled; choose another id, "
            f"or let it in again: amcash client enable {there.client_id}"
        )
    if there.secret_digests:
        raise Refused(
            f"client {there.client_id} is there already, for {', '.join(there.sponsors)}; "
            f"a new secret for it: amcash client rotate {there.client_id}"
        )
    if set(codes) != set(there.sponsors):
        raise Refused(
            f"client {there.client_id} is in the programme file, for {', '.join(there.sponsors)}; "
            "name these sponsors, or change the file and load it"
        )


@client.command()
@click.argument("client_id", metavar="ID", type=options.CLIENT_ID)
@options.database_option
@options.json_option
def rotate(client_id: str, database: str | None, as_json: bool) -> None:
    """Give a client a new secret and print it, once; its latest one before stays good beside it.

    Two secrets are live at most, so the one before those two ends. Rotate, hand the new secret over, and rotate
    again when the partner uses it if the old one is to end too.
    JSON: {"id", "secret"}.

    \b
    Example:  amcash client rotate loy1-pos
    """
    secret = new_secret()
    with _never_lost(), options.changing(database) as session:
        there = _existing(session, client_id)
        if there.disabled:
            raise Refused(f"client {client_id} is disabled; let it in again first: amcash client enable {client_id}")
        registers.add_secret(session, client_id, secret_digest(secret), wiring.utc_now())
        before = "Its latest secret before this one stays good beside it." if there.secret_digests else ""
        _print_secret(client_id, secret, before, as_json=as_json)


@client.command()
@click.argument("client_id", metavar="ID", type=options.CLIENT_ID)
@options.database_option
def disable(client_id: str, database: str | None) -> None:
    """Shut a client out, its tokens included, within 5 s in every server.

    `amcash client enable ID` lets it in again.

    \b
    Example:  amcash client disable loy1-pos
    """
    with options.changing(database) as session:
        _existing(session, client_id)
        registers.disable_client(session, client_id)
    click.echo(
        f"Client {client_id} is disabled; its secrets and its tokens are refused within 5 s. "
        f"To let it in again: amcash client enable {client_id}"
    )


@client.command()
@click.argument("client_id", metavar="ID", type=options.CLIENT_ID)
@options.database_option
def enable(client_id: str, database: str | None) -> None:
    """Let a disabled client in again, with the secrets and the tokens it had, within 5 s in every server.

    Where a secret had got into wrong hands, rotate twice at once afterwards: then both old ones have ended.

    \b
    Example:  amcash client enable loy1-pos
    """
    with options.changing(database) as session:
        if not _existing(session, client_id).disabled:
            raise Refused(f"client {client_id} is not disabled; nothing was changed")
        registers.enable_client(session, client_id)
    click.echo(f"Client {client_id} is enabled; its secrets and its tokens count again within 5 s.")


@client.command(name="list")
@options.database_option
@options.json_option
def list_(database: str | None, as_json: bool) -> None:
    """List the clients; secrets are counted, never shown.

    JSON: an array of {"id", "sponsors", "disabled", "secrets", "sandbox_secret"}: how many secrets are live, and
    whether a programme file gave it one that counts in a sandbox only.

    \b
    Example:  amcash client list
    """
    with options.reading(database) as session:
        clients = _clients(session)
        with_sandbox = {item.client_id: item for item in registers.read_clients(session, sandbox=True)}
    described = [_described(item, with_sandbox[client_id]) for client_id, item in clients.items()]
    if as_json:
        printing.print_json(described)
    elif not described:
        click.echo("There is no client yet; make one: amcash client add ID --sponsor CODE")
    else:
        printing.print_table(
            ("Client", "State", ">Live secrets", "Sandbox secret", "Sponsors"),
            [
                (
                    item.client_id,
                    "disabled" if item.disabled else "active",
                    str(len(item.secret_digests)),
                    printing.yes_or_no(_has_sandbox_secret(item, with_sandbox[item.client_id])),
                    ", ".join(item.sponsors),
                )
                for item in clients.values()
            ],
        )


def _described(item: Client, with_sandbox: Client) -> dict[str, object]:
    return {
        "id": item.client_id,
        "sponsors": list(item.sponsors),
        "disabled": item.disabled,
        "secrets": len(item.secret_digests),
        "sandbox_secret": _has_sandbox_secret(item, with_sandbox),
    }


def _has_sandbox_secret(item: Client, with_sandbox: Client) -> bool:
    return len(with_sandbox.secret_digests) > len(item.secret_digests)


def _clients(session: Session) -> dict[str, Client]:
    return {item.client_id: item for item in registers.read_clients(session)}


def _existing(session: Session, client_id: str) -> Client:
    clients = _clients(session)
    there = clients.get(client_id)
    if there is None:
        raise Refused(f"there is no client {client_id}; this ledger has {_some(list(clients))}")
    return there


def _some(ids: list[str]) -> str:
    if not ids:
        return "none"
    more = f" and {len(ids) - NAMED_MAX} more" if len(ids) > NAMED_MAX else ""
    return ", ".join(ids[:NAMED_MAX]) + more


def _print_secret(client_id: str, secret: str, note: str, *, as_json: bool) -> None:
    if as_json:
        printing.print_json({"id": client_id, "secret": secret})
        return
    printing.print_pairs([("client", client_id), ("secret", secret)])
    click.echo("\nThis secret is shown once, now: only a digest of it is kept. Hand it over on a safe way.")
    if note:
        click.echo(note)
