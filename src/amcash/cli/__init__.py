"""The command line. This file knows which commands there are; each lives in a file of its own, imported when called.

Exit codes: 0 done, 1 refused or found wrong, 2 usage (surface.md).
"""

import importlib
from typing import Any

import click

from amcash.cli.failing import printed_or_refused

_COMMANDS = {
    "client": ("amcash.cli.client", "Register the OAuth clients of partners, rotate their secrets."),
    "collector": ("amcash.cli.collector", "Look at one collector, credit miles, set flags."),
    "config": ("amcash.cli.config", "Print the settings in force, secrets hidden."),
    "demo": ("amcash.cli.demo", "See the whole story in one terminal, in under a minute."),
    "key": ("amcash.cli.key", "List and rotate the keys that sign tokens."),
    "load": ("amcash.cli.load", "Load a programme file (TOML) or collectors (CSV) into a ledger."),
    "migrate": ("amcash.cli.migrate", "Make a ledger, or bring its schema up to date."),
    "outage": ("amcash.cli.outage", "Declare a scheduled outage (0092), end it, show it."),
    "sandbox": ("amcash.cli.sandbox", "Move the clock, order faults, read the journal of a running sandbox."),
    "serve": ("amcash.cli.serve", "Run the service."),
    "transaction": ("amcash.cli.transaction", "Look at one redemption: transfers, delivery, requests."),
    "verify": ("amcash.cli.verify", "Prove the ledger: every balance, chain and outcome, derived again."),
}


class _Lazy(click.Group):
    """A group whose commands are imported only when one is called: `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with printed_or_refused():  # --help and --version print here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with printed_or_refused():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in sorted(_COMMANDS.items())])


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        from amcash import __version__  # noqa: PLC0415 -- reading package metadata is slow, and rarely wanted

        click.echo(f"amcash {__version__}")
        ctx.exit()


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: `amcash demo`. Then `make run`, or `amcash serve --sandbox --programme FILE`. "
    "Every option is also an environment variable: --database is AMCASH_DATABASE.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print it.")
def main() -> None:
    """Spend Cash Miles at the till: a real-time redemption platform with a provable ledger.

    An independent implementation of the published AM Cash API.
    """
