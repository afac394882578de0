"""`amcash verify`: prove the ledger, and say what does not agree."""

import time

import click

from amcash.audit.findings import Finding, Report
from amcash.audit.streams import OrderError
from amcash.audit.verify import verify as audit
from amcash.cli import options, printing
from amcash.cli.failing import sentences
from amcash.domain.vocabulary import masked
from amcash.ledger import history

FINDINGS_SHOWN_MAX = 100


@click.command()
@options.database_option
@options.json_option
@click.pass_context
def verify(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """Prove the ledger: derive every balance, daily use, chain and recorded outcome again, on one snapshot.

    Servers may run meanwhile. Exit code 1 if anything disagrees, with a list of what.

    \b
    JSON: {"ok", "collectors", "transfers", "outcomes", "findings_total",
           "findings": [{"rule", "collector", "seq", "sentence"}]}

    JSON has the first 1,000 findings, collector numbers whole; the table has the first 100, numbers masked.

    \b
    Example:  amcash verify --json
    """
    began = time.perf_counter()
    with (
        sentences(OrderError),
        options.reading(database) as session,
        printing.progress_bar("Proving transfers", history.transfers_total(session)) as progress,
    ):
        report = audit(session, progress=progress)
    if as_json:
        printing.print_json(_described(report))
    else:
        _print(report, time.perf_counter() - began)
    if not report.ok:
        ctx.exit(1)


def _described(report: Report) -> dict[str, object]:
    return {
        "ok": report.ok,
        "collectors": report.collectors,
        "transfers": report.transfers,
        "outcomes": report.outcomes,
        "findings_total": report.findings_total,
        "findings": [
            {"rule": item.rule, "collector": item.collector, "seq": item.seq, "sentence": item.sentence}
            for item in report.findings
        ],
    }


def _print(report: Report, took_s: float) -> None:
    click.echo(
        f"{printing.count(report.collectors, 'collector')}, {printing.count(report.transfers, 'transfer')}, "
        f"{printing.count(report.outcomes, 'outcome')} proved in {took_s:.1f} s"
    )
    if report.ok:
        click.echo("The ledger agrees.")
        return
    click.echo(f"The ledger does not agree: {printing.count(report.findings_total, 'finding')}\n")
    shown = report.findings[:FINDINGS_SHOWN_MAX]
    printing.print_table(("Rule", "Collector", ">Transfer", "What is wrong"), list(map(_row, shown)))
    if report.findings_total > len(shown):
        click.echo(f"{report.findings_total - len(shown):,} more; --json prints the first 1,000, numbers whole")


def _row(item: Finding) -> tuple[str, str, str, str]:
    seq = "" if item.seq is None else str(item.seq)
    return item.rule, masked(item.collector), seq, item.sentence
