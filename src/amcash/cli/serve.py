"""`amcash serve`: run the service."""

import json
import shlex
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from amcash import wiring
from amcash.cli import printing
from amcash.cli.failing import Refused, sentences
from amcash.cli.load import apply_programme_file, read_programme_file
from amcash.cli.options import settings as read_settings
from amcash.domain.book import Needs
from amcash.domain.vocabulary import CollectorNumber, Sponsor, Terms
from amcash.edge.logs import log_to_stdout
from amcash.edge.server import ListenError
from amcash.edge.workers import WorkersError
from amcash.ledger import register as registers
from amcash.ledger.store import Session, Store, StoreError
from amcash.programme.toml_file import FileClient, ProgrammeFile

CANDIDATES_MAX = 1_000
"""How many collectors of the file are looked at, to find one for the first steps."""


@click.command()
@click.option("--programme", metavar="FILE", help="Load this programme file first.")
@click.option("--database", metavar="URL", help="The ledger. Default: sqlite:///amcash.db")
@click.option("--host", metavar="H", help="Address to listen on. Default: 127.0.0.1")
@click.option("--port", metavar="P", help="Port to listen on, 0 for a free one. Default: 8080")
@click.option(
    "--sandbox",
    is_flag=True,
    default=None,
    help="Open /till and /sandbox/: clocks, faults, a journal; secrets of the file count. Never in production.",
)
@click.option(
    "--workers",
    metavar="N",
    help="Processes that serve and write, on PostgreSQL. One, as ever on SQLite, has another beside it that writes.",
)
@click.option(
    "--unsafe-durability",
    is_flag=True,
    default=None,
    help="Accept a PostgreSQL that can lose what it committed. Never in production.",
)
@click.option("--tls-cert", metavar="F", help="PEM certificate chain; then --tls-key too.")
@click.option("--tls-key", metavar="F", help="PEM private key.")
def serve(**options: str | bool | None) -> None:
    """Run the service until SIGTERM, which drains it.

    Prints `amcash listening on http://H:P` when requests are answered. Logs are JSON lines on stdout.

    \b
    Try it:   amcash serve --sandbox --programme sample-programme.toml
    For real: amcash load programme.toml; amcash client add ID --sponsor CODE;
              amcash serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    settings = read_settings(**options)
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together")
    if settings.tls_cert:
        check_certificate(Path(settings.tls_cert), Path(settings.tls_key))
    file = read_programme_file(Path(settings.programme), sandbox=settings.sandbox) if settings.programme else None
    with sentences(StoreError):
        if file is None and not wiring.is_there(settings.database):
            raise Refused(
                "there is no ledger yet, and no programme has been loaded: run `amcash load FILE`, "
                "or serve with --programme FILE"
            )
    log_to_stdout(settings.log_level)

    steps: list[FirstSteps] = []

    def prepare(store: Store) -> None:
        if file is not None:
            apply_programme_file(store, file)
            with store.read() as session:
                steps.extend(first_steps(session, file, wiring.utc_now()))

    def announce(address: str) -> None:
        click.echo(f"amcash listening on {address}")
        if settings.sandbox and settings.workers == 1:
            click.echo(f"The till, in a browser: {address}/till")
        elif settings.sandbox:
            click.echo("Several processes: without /till and /sandbox/, whose clocks and faults are one process's")
        for item in steps:
            click.echo(item.words(address))

    with sentences(StoreError, ListenError, WorkersError):
        wiring.serve(settings, prepare=prepare, announce=announce, described=file)


def check_certificate(cert: Path, key: Path) -> None:
    """Refuse what TLS cannot use, before anything listens; a passphrase is never asked for."""
    for path in (cert, key):
        if not _is_file(path):
            raise click.UsageError(f"there is no file {path}")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=lambda: _refuse_passphrase(key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Refused(f"the private key in {key} does not belong to the certificate in {cert}") from error
        for path, mark, what in ((cert, b"CERTIFICATE-----", "certificate"), (key, b"PRIVATE KEY-----", "private key")):
            if mark not in path.read_bytes():
                raise Refused(f"{path} holds no {what} in PEM; are --tls-cert and --tls-key swapped?") from error
        raise Refused(f"{cert} and {key} cannot be used for TLS: {error.reason or 'not in PEM'}") from error
    except OSError as error:
        raise Refused(f"{cert} or {key} cannot be read: {error.strerror}") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _refuse_passphrase(key: Path) -> str:
    raise Refused(
        f"the private key in {key} is encrypted, and a service cannot ask for its passphrase; "
        f"decrypt it: openssl pkey -in {shlex.quote(str(key))} -out plain-key.pem"
    )


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Who can redeem what, for lines to paste."""

    client: FileClient
    sponsor: Sponsor
    terms: Terms
    collector: CollectorNumber

    def words(self, address: str) -> str:
        """Return curl lines that get a token and redeem one unit, ready to paste into another terminal."""
        dollars = printing.dollars(self.terms.unit_cents)
        fields = {
            "acquirerId": min(self.sponsor.acquirer_ids),
            "cardEntryMode": "SWIPE",
            "collectorNumber": self.collector,
            "dateTime": "2026-07-16T13:33:00-0400",
            "deviceId": "001",
            "dollarRedeemRequest": dollars,
            "postTaxBasketAmount": dollars,
            "sponsorCode": self.sponsor.code,
            "storeId": "0001",
            "traceId": "000000000001",
            "vendorId": min(self.sponsor.vendor_ids),
        }
        return f"""
Paste into another terminal, to get a token and redeem {self.terms.unit_miles} miles; press Ctrl-C here to stop:

TOKEN=$(curl -s {address}/oauth/token -u {shlex.quote(f"{self.client.client_id}:{self.client.secret}")} \\
  -d grant_type=client_credentials | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
curl -s -w '\\n' {address}/checkout/amcash/redeem -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: $RANDOM-$RANDOM-$RANDOM" \\
  -d {shlex.quote(json.dumps(fields))}

Every message, with examples: {address}/docs
"""


def first_steps(session: Session, file: ProgrammeFile, now: datetime) -> Iterator[FirstSteps]:
    """Return a client of the file, an offer in force for it, and a collector who has the miles for one unit of it.

    Nothing where the file and the ledger know none.
    """
    register = registers.read(session, sandbox=True)
    assert register is not None
    numbers = [item.number for item in islice(file.enrolments, CANDIDATES_MAX)]
    collectors = session.load(Needs(collectors=set(numbers))).collectors
    for client in file.clients:
        if not client.secret or register.clients[client.client_id].disabled:
            continue
        for code in client.sponsors:
            terms = register.terms_in_force(code, now)
            if terms is None or terms.unit_cents > register.programme.daily_cap:
                continue
            for number in numbers:
                item = collectors[number]
                if item.active and item.allow_redemption and item.show_balances and item.cash >= terms.unit_miles:
                    yield FirstSteps(client, register.sponsors[code], terms, number)
                    return
