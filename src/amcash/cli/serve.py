"""`amcash serve`: run the service."""

import json
from pathlib import Path

import click

from amcash import wiring
from amcash.cli.failing import sentences
from amcash.cli.load import apply_programme_file
from amcash.cli.options import settings as read_settings
from amcash.edge.logs import log_to_stdout
from amcash.edge.server import ListenError
from amcash.ledger.store import Store, StoreError
from amcash.programme.toml_file import ProgrammeFile


@click.command()
@click.option("--programme", metavar="FILE", help="Load this programme file first.")
@click.option("--database", metavar="URL", help="The ledger. Default: sqlite:///amcash.db")
@click.option("--host", metavar="H", help="Address to listen on. Default: 127.0.0.1")
@click.option("--port", metavar="P", help="Port to listen on, 0 for a free one. Default: 8080")
@click.option(
    "--sandbox",
    is_flag=True,
    default=None,
    help="Let secrets of a programme file count. Never in production.",
)
@click.option("--workers", metavar="N", help="Processes. An SQLite ledger has one.")
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
    for name in (settings.tls_cert, settings.tls_key):
        if name and not Path(name).is_file():
            raise click.UsageError(f"there is no file {name}")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise click.UsageError("--tls-cert and --tls-key go together")
    log_to_stdout(settings.log_level)

    described: list[ProgrammeFile] = []

    def prepare(store: Store) -> None:
        if settings.programme:
            described.append(apply_programme_file(store, Path(settings.programme), sandbox=settings.sandbox))

    def announce(address: str) -> None:
        click.echo(f"amcash listening on {address}")
        for file in described:
            click.echo(first_steps(address, file))

    with sentences(StoreError, ListenError):
        wiring.serve(settings, prepare=prepare, announce=announce)


def first_steps(address: str, file: ProgrammeFile) -> str:
    """Return curl lines that get a token and redeem one unit, ready to paste into another terminal.

    Empty where the file has no client with a secret, or no collector who could redeem.
    """
    client = next((item for item in file.clients if item.secret), None)
    collector = next((item for item in file.enrolments if item.active and item.allow_redemption), None)
    if client is None or collector is None:
        return ""
    sponsor = next(item for item in file.sponsors if item.code == client.sponsors[0])
    fields = {
        "acquirerId": min(sponsor.acquirer_ids),
        "cardEntryMode": "SWIPE",
        "collectorNumber": collector.number,
        "dateTime": "2026-07-16T13:33:00-0400",
        "deviceId": "001",
        "dollarRedeemRequest": "16.12",
        "postTaxBasketAmount": "16.12",
        "sponsorCode": sponsor.code,
        "storeId": "0001",
        "traceId": "000000000001",
        "vendorId": min(sponsor.vendor_ids),
    }
    return f"""
Paste into another terminal, to get a token and redeem 95 miles; press Ctrl-C here to stop:

TOKEN=$(curl -s {address}/oauth/token -u {client.client_id}:{client.secret} \\
  -d grant_type=client_credentials | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
curl -s {address}/checkout/amcash/redeem -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/json' -H "Idempotency-Key: $RANDOM-$RANDOM-$RANDOM" \\
  -d '{json.dumps(fields)}'

Every message, with examples: {address}/docs
"""
