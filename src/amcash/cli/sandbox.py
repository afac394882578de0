"""`amcash sandbox`: the clock, faults, journal and collectors of a running sandbox, over its own HTTP."""

import base64
import http.client
import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click

from amcash.cli import options, printing
from amcash.cli.failing import Refused
from amcash.cli.postman import postman

ANSWER_S = 120
"""A reset of a large ledger takes its time."""

_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_STEP = re.compile("(?:[0-9]{1,9}[dhms])+")


class _Step(click.ParamType[dict[str, int]]):
    """How far a clock moves: `1d2h30m`."""

    name = "step"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        if not _STEP.fullmatch(str(value)):
            self.fail("must be such as 1d2h30m or 90s", param, ctx)
        parts = re.findall("([0-9]+)([dhms])", str(value))
        if len({unit for _, unit in parts}) < len(parts):
            self.fail("must name each of d, h, m and s once at most", param, ctx)
        return {_UNITS[unit]: int(number) for number, unit in parts}


@dataclass(slots=True)
class Sandbox:
    """A running sandbox, and as whom it is spoken to."""

    url: str
    client: str | None = None
    secret: str | None = None
    _token: str = field(default="", repr=False)

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, own: bool = True) -> Any:
        """Return what a path shows."""
        wanted = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        return self.ask("GET", f"{path}?{wanted}" if wanted else path, own=own)

    def ask(self, method: str, path: str, body: object = None, *, own: bool = True) -> Any:
        """Send one request and return its answer; refuse with a sentence where it is no success."""
        headers = {"Authorization": f"Bearer {self._bearer()}"} if own else {}
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        status, answer = self._send(method, path, content, headers)
        if status == HTTPStatus.NOT_FOUND and "detail" not in answer:
            raise Refused(
                f"{self.url} is no sandbox: it has no {path.partition('?')[0]}. Start it with `serve --sandbox`"
            )
        if status == HTTPStatus.UNAUTHORIZED:
            raise Refused("the sandbox does not know this client, or no longer")
        if status >= HTTPStatus.BAD_REQUEST:
            raise Refused(str(answer.get("detail") or answer.get("title") or f"the sandbox answered {status}"))
        return answer

    def _bearer(self) -> str:
        if not self._token:
            self._token = self._with_secret() if self.secret else self._without_secret()
        return self._token

    def _with_secret(self) -> str:
        if not self.client:
            raise click.UsageError("--secret needs --client")
        basic = base64.b64encode(f"{quote(self.client)}:{quote(str(self.secret))}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._send("POST", "/oauth/token", "grant_type=client_credentials", headers)
        if status != HTTPStatus.OK:
            raise Refused(f"no token for {self.client}: {answer.get('error_description', status)}")
        return str(answer["access_token"])

    def _without_secret(self) -> str:
        client = self.client
        if client is None:
            known = [item["id"] for item in self.get("/sandbox/clients", own=False)["clients"]]
            if len(known) != 1:
                raise click.UsageError(f"say who you are with --client: one of {', '.join(known) or 'none there are'}")
            client = known[0]
        return str(self.ask("POST", "/sandbox/token", {"client_id": client}, own=False)["access_token"])

    def _send(
        self, method: str, path: str, content: str | None, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        split = urlsplit(self.url)
        if split.scheme not in {"http", "https"} or not split.hostname:
            raise click.UsageError("--url must be such as http://127.0.0.1:8080")
        kind = http.client.HTTPSConnection if split.scheme == "https" else http.client.HTTPConnection
        try:
            with closing(kind(split.hostname, split.port, timeout=ANSWER_S)) as connection:
                connection.request(method, split.path.rstrip("/") + path, content, dict(headers))
                response = connection.getresponse()
                value = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"nothing answers at {self.url}: {error}. Start one: amcash serve --sandbox") from error
        except ValueError as error:
            raise Refused(f"{self.url} is no sandbox: its answer is not JSON") from error
        return response.status, value if isinstance(value, dict) else {}


@click.group()
@click.option(
    "--url",
    metavar="URL",
    envvar="AMCASH_SANDBOX_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Of the running sandbox.",
)
@click.option(
    "--client", metavar="ID", envvar="AMCASH_SANDBOX_CLIENT", help="As whom. Default: the only client there is."
)
@click.option(
    "--secret", metavar="TEXT", envvar="AMCASH_SANDBOX_SECRET", help="Of the client; in a sandbox none is needed."
)
@click.pass_context
def sandbox(ctx: click.Context, url: str, client: str | None, secret: str | None) -> None:
    """Move the clock, order faults and read the journal of a running sandbox.

    Everything but the collectors is a client's own: two partners do not disturb each other. The same over HTTP:
    docs/sandbox.md.

    \b
    Example:  amcash sandbox --client loy1-pos faults order lost_after_commit --endpoint redeem
    """
    ctx.obj = Sandbox(url, client or None, secret or None)


sandbox.add_command(postman)


@sandbox.command()
@options.json_option
@click.pass_obj
def clients(running: Sandbox, as_json: bool) -> None:
    """List who can ask, and for which sponsors.

    \b
    Example:  amcash sandbox clients
    """
    shown = running.get("/sandbox/clients", own=False)
    if as_json:
        printing.print_json(shown)
        return
    printing.print_table(
        ("CLIENT", "SPONSOR", "VENDOR IDS", "ACQUIRER IDS", "OFFER"),
        [
            (
                item["id"],
                sponsor["code"],
                " ".join(sponsor["vendor_ids"]),
                " ".join(sponsor["acquirer_ids"]),
                sponsor["offer"]["description_en"] if sponsor["offer"] else "none",
            )
            for item in shown["clients"]
            for sponsor in item["sponsors"]
        ],
    )


@sandbox.command()
@options.json_option
@click.pass_obj
def collectors(running: Sandbox, as_json: bool) -> None:
    """List the magic collectors: a number for every response code.

    An echo has no collector: send the number as its traceId.

    \b
    Example:  amcash sandbox collectors
    """
    shown = running.get("/sandbox/collectors", own=False)
    if as_json:
        printing.print_json(shown)
        return
    printing.print_table(
        ("NUMBER", "CODE", "ENDPOINTS", "ABOUT"),
        [
            (item["number"], item["code"] or "401", " ".join(item["endpoints"]), item["about"])
            for item in shown["magic"]
        ],
    )
    click.echo(
        f"\nAs redemptionConfirmationNum, {shown['confirmation']} stands for a redemption made ready just before."
    )


# --- the clock -------------------------------------------------------------------------------------------------------


@sandbox.group()
def clock() -> None:
    """Read, set, step, stop your clock; the rules go by it.

    Tokens and the grace of a delivery stay on the server's clock.

    \b
    Example:  amcash sandbox clock step 1d
    """


@clock.command(name="show")
@options.json_option
@click.pass_obj
def show_clock(running: Sandbox, as_json: bool) -> None:
    """Show your clock.

    \b
    Example:  amcash sandbox clock show
    """
    _print_clock(running.get("/sandbox/clock"), as_json)


@clock.command(name="set")
@click.argument("time")
@click.option("--still", is_flag=True, help="Let it stand there. Default: it goes on as it did.")
@options.json_option
@click.pass_obj
def set_clock(running: Sandbox, time: str, still: bool, as_json: bool) -> None:
    """Set your clock to TIME: ISO 8601, with an offset, or on the programme's wall clock.

    \b
    Example:  amcash sandbox clock set 2026-03-08T01:59:50 --still
    """
    asked = {"time": time} | ({"runs": False} if still else {})
    _print_clock(running.ask("PUT", "/sandbox/clock", asked), as_json)


@clock.command(name="step")
@click.argument("step", type=_Step())
@click.option("--back", is_flag=True, help="Move it back. Default: forward.")
@options.json_option
@click.pass_obj
def step_clock(running: Sandbox, step: dict[str, int], back: bool, as_json: bool) -> None:
    """Move your clock by STEP, such as 1d2h30m; a day is 24 hours.

    \b
    Example:  amcash sandbox clock step 1d
    """
    asked = {name: -number if back else number for name, number in step.items()}
    _print_clock(running.ask("POST", "/sandbox/clock/step", asked), as_json)


@clock.command(name="run")
@options.json_option
@click.pass_obj
def run_clock(running: Sandbox, as_json: bool) -> None:
    """Let your clock run, from where it is.

    \b
    Example:  amcash sandbox clock run
    """
    _print_clock(running.ask("PUT", "/sandbox/clock", {"runs": True}), as_json)


@clock.command(name="stop")
@options.json_option
@click.pass_obj
def stop_clock(running: Sandbox, as_json: bool) -> None:
    """Let your clock stand where it is.

    \b
    Example:  amcash sandbox clock stop
    """
    _print_clock(running.ask("PUT", "/sandbox/clock", {"runs": False}), as_json)


@clock.command(name="back")
@options.json_option
@click.pass_obj
def clear_clock(running: Sandbox, as_json: bool) -> None:
    """Go back to the server's clock.

    \b
    Example:  amcash sandbox clock back
    """
    _print_clock(running.ask("DELETE", "/sandbox/clock"), as_json)


def _print_clock(shown: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        printing.print_json(shown)
        return
    whose = "your own" if shown["own"] else "the server's"
    click.echo(
        f"{shown['local'].replace('T', ' ')} ({shown['timezone']}), {'runs' if shown['runs'] else 'stands still'}, "
        f"{whose}; cap day {shown['cap_day']}"
    )


# --- faults ----------------------------------------------------------------------------------------------------------


@sandbox.group()
def faults() -> None:
    """Order faults for your next requests, list and clear them.

    \b
    Example:  amcash sandbox faults order cut --bytes 100 --endpoint redeem
    """


@faults.command(name="list")
@options.json_option
@click.pass_obj
def list_faults(running: Sandbox, as_json: bool) -> None:
    """List your orders, newest first, also those that are used up.

    \b
    Example:  amcash sandbox faults list
    """
    shown = running.get("/sandbox/faults")
    if as_json:
        printing.print_json(shown)
        return
    if not shown["faults"]:
        click.echo("No fault is ordered.")
        return
    printing.print_table((">ID", "FAULT", ">LEFT", ">FIRED", "STRIKES"), [_fault_row(item) for item in shown["faults"]])


def _fault_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    what = item["fault"]
    if item["bytes"] is not None:
        what += f" after {printing.count(item['bytes'], 'byte')}"
    if item["delay_ms"]:
        what += f" {item['delay_ms']} ms"
    strikes = ", ".join(f"{name} {value}" for name, value in item["match"].items()) or "every request of yours"
    return str(item["id"]), what, str(item["left"]), str(item["fired"]), strikes


@faults.command(name="order")
@click.argument("fault")
@click.option("--times", metavar="N", type=int, default=1, show_default=True, help="It strikes so many requests.")
@click.option("--endpoint", metavar="E", help="Only echo, inquire, redeem or reverse.")
@click.option("--collector", metavar="NUMBER", help="Only of this collector.")
@click.option("--store", metavar="ID", help="Only from this store.")
@click.option("--device", metavar="ID", help="Only from this device.")
@click.option("--bytes", "cut_bytes", metavar="N", type=int, help="For cut: so many bytes go out.")
@click.option("--delay-ms", metavar="N", type=int, help="For delay and late.")
@options.json_option
@click.pass_obj
def order_fault(
    running: Sandbox,
    /,
    fault: str,
    times: int,
    cut_bytes: int | None,
    delay_ms: int | None,
    as_json: bool,
    **match: str | None,
) -> None:
    """Order FAULT for your next requests that match.

    \b
    lost_before_commit  the connection breaks; nothing was done
    lost_after_commit   the connection breaks; the request was carried out
    cut                 so many bytes of the answer, then the connection breaks
    delay               the request is held up on its way in
    late                0008, and the request is carried out after that
    duplicate           the request is delivered twice
    0096  0092  0067    that code; nothing was done
    token_expired       401, as if the token had expired
    \b
    Example:  amcash sandbox faults order lost_after_commit --endpoint redeem
    """
    asked = {"fault": fault, "times": times, "match": {name: word for name, word in match.items() if word is not None}}
    parts = {"bytes": cut_bytes, "delay_ms": delay_ms}
    shown = running.ask("POST", "/sandbox/faults", asked | {name: n for name, n in parts.items() if n is not None})
    if as_json:
        printing.print_json(shown)
    else:
        number, what, left, _, strikes = _fault_row(shown)
        click.echo(f"Fault {number} is ordered: {what}, {printing.count(int(left), 'time')}, {strikes}.")


@faults.command(name="clear")
@click.argument("fault_id", metavar="[ID]", type=int, required=False)
@options.json_option
@click.pass_obj
def clear_faults(running: Sandbox, fault_id: int | None, as_json: bool) -> None:
    """Clear all your orders, or the one with ID.

    \b
    Example:  amcash sandbox faults clear
    """
    path = "/sandbox/faults" if fault_id is None else f"/sandbox/faults/{fault_id}"
    _print_cleared(running.ask("DELETE", path), "order", as_json)


def _print_cleared(shown: Mapping[str, Any], noun: str, as_json: bool) -> None:
    if as_json:
        printing.print_json(shown)
    else:
        click.echo(f"Cleared: {printing.count(shown['cleared'], noun)}.")


# --- the journal, and the way back -----------------------------------------------------------------------------------


@sandbox.group(invoke_without_command=True)
@click.option("--endpoint", metavar="E", help="Only echo, inquire, redeem or reverse.")
@click.option("--collector", metavar="NUMBER", help="Only of this collector.")
@click.option("--code", metavar="CODE", help="Only with this response code.")
@click.option("--trace", metavar="ID", help="Only with this traceId.")
@click.option("--limit", metavar="N", type=int, default=20, show_default=True, help="At most so many.")
@click.option("--why", is_flag=True, help="Say of each why: every check, and what it saw.")
@options.json_option
@click.pass_context
def journal(ctx: click.Context, /, why: bool, as_json: bool, **query: str | int | None) -> None:
    """Show your requests and answers, newest first, and why each was answered so.

    \b
    Example:  amcash sandbox journal --code 0051 --limit 1 --why
    """
    if ctx.invoked_subcommand is not None:
        return
    shown = ctx.obj.get("/sandbox/journal", query)
    if as_json:
        printing.print_json(shown)
    elif not shown["entries"]:
        click.echo("No request of yours is in the journal.")
    elif why:
        for entry in shown["entries"]:
            _print_why(entry)
    else:
        printing.print_table(
            (">ID", "CLOCK, UTC", "ENDPOINT", "COLLECTOR", "CODE", "WHY"), [_row(e) for e in shown["entries"]]
        )


@journal.command(name="clear")
@options.json_option
@click.pass_obj
def clear_journal(running: Sandbox, as_json: bool) -> None:
    """Empty your journal.

    \b
    Example:  amcash sandbox journal clear
    """
    _print_cleared(running.ask("DELETE", "/sandbox/journal"), "request", as_json)


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    marks = [f"fault {entry['fault']['fault']}"] if entry["fault"] else []
    marks += ["replayed"] if entry["replayed"] else []
    why = "; ".join([*marks, f"{entry['why']['rule']} {entry['why']['sentence']}"])
    return (
        str(entry["id"]),
        entry["clock"][:19].replace("T", " "),
        entry["endpoint"],
        entry["collector"] or "",
        entry["code"] or "-",
        why,
    )


def _print_why(entry: Mapping[str, Any]) -> None:
    number, at, endpoint, collector, code, why = _row(entry)
    click.echo(f"{number}  {at}  {endpoint}  {collector}  {code}  {why}")
    marks = {"passed": "+", "decided": ">", "not reached": " "}
    printing.print_pairs(
        [
            (
                f"{marks[check['result']]} {check['rule']}",
                ", ".join([check["check"], *(f"{name} {_word(value)}" for name, value in check["saw"].items())]),
            )
            for check in entry["why"]["checks"]
        ]
    )


def _word(value: object) -> str:
    if isinstance(value, bool):
        return printing.yes_or_no(value)
    return "none" if value is None else str(value)


@sandbox.command()
@click.option("--collector", metavar="NUMBER", multiple=True, help="Only this one; may be given several times.")
@options.json_option
@click.pass_obj
def reset(running: Sandbox, collector: tuple[str, ...], as_json: bool) -> None:
    """Go back to the programme file: balances, daily use, offers; and your clock, faults and journal.

    The ledger only grows: redemptions are reversed, and what is missing is credited or adjusted. With --collector only
    those collectors are put back, and nothing else changes.

    \b
    Example:  amcash sandbox reset
    """
    shown = running.ask("POST", "/sandbox/reset", {"collectors": list(collector)} if collector else {})
    if as_json:
        printing.print_json(shown)
        return
    click.echo(
        f"Put back: {printing.count(shown['collectors'], 'collector')}; "
        f"{printing.count(shown['reversed'], 'redemption')} reversed, {shown['credited']} wallets credited, "
        f"{shown['adjusted']} adjusted."
    )
