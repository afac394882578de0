"""`amcash sandbox postman`: a Postman collection and its environment, written into a folder."""

from pathlib import Path

import click

from amcash.cli.failing import Refused
from amcash.cli.load import read_programme_file
from amcash.programme.toml_file import ProgrammeFile


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
@click.option("--programme", metavar="FILE", required=True, help="Who asks, for whom, and about which collector.")
@click.pass_context
def postman(ctx: click.Context, folder: Path, programme: str) -> None:
    """Write a Postman collection, and an environment for a sandbox that serves FILE, into FOLDER.

    The first client with a secret asks for its first sponsor; the first collector with nothing in the way spends.

    \b
    Example:  amcash sandbox postman --programme sample-programme.toml postman
    """
    from amcash.sandbox import postman as made  # noqa: PLC0415 -- only this command needs the document

    values = {"baseUrl": ctx.obj.url.rstrip("/"), **_values(read_programme_file(Path(programme), sandbox=True))}
    texts = {
        made.COLLECTION_FILE: made.written(made.collection()),
        made.ENVIRONMENT_FILE: made.written(made.environment(values)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{folder} cannot be written: {error.strerror}") from error
    for name in texts:
        click.echo(f"wrote {folder / name}")


def _values(file: ProgrammeFile) -> dict[str, str]:
    client = next((item for item in file.clients if item.secret), None)
    units = [offer.terms.unit_miles for offer in file.offers]
    able = (item for item in file.enrolments if item.active and item.show_balances and item.allow_redemption)
    collector = next((item for item in able if item.cash >= max(units, default=0)), None)
    if client is None or collector is None:
        what = (
            "client with a secret" if client is None else "collector with the miles for one unit and nothing in the way"
        )
        raise Refused(f"the programme file has no {what}")
    sponsor = next(item for item in file.sponsors if item.code == client.sponsors[0])
    return {
        "clientId": client.client_id,
        "clientSecret": str(client.secret),
        "sponsorCode": sponsor.code,
        "vendorId": min(sponsor.vendor_ids),
        "acquirerId": min(sponsor.acquirer_ids),
        "collectorNumber": collector.number,
    }
