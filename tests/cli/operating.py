"""The command line as an operator runs it, a small programme, and a ledger that a server could have written."""

import json
from datetime import UTC, datetime

from click.testing import CliRunner

from amcash import wiring
from amcash.cli import main
from amcash.domain.codes import Endpoint
from amcash.domain.commands import Cancel
from amcash.ledger import register as registers
from amcash.ledger.settle import Settler
from amcash.wire.decode import Scope, decode

PROGRAMME = """
[programme]
name = "AM Cash"
timezone = "America/Toronto"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "750.00"

[[offers]]
id = "1111111111"
type = "RGL"
unit_miles = 95
unit_dollars = "10.00"
description_en = "95 Cash Miles = $10 off"
description_fr = "95 milles Argent = 10 $ de rabais"

[[sponsors]]
code = "LOY1"
name = "Loyal Grocer"
vendor_ids = ["100087"]
acquirer_ids = ["100000"]

[[sponsors]]
code = "LOY2"
name = "Loyal Fuel"
vendor_ids = ["100088"]
acquirer_ids = ["100001"]

[[clients]]
id = "waiting"
sponsors = ["LOY1"]

[[collectors]]
number = "84095202006"
cash_miles = 1900
dream_miles = 545

[[collectors]]
number = "80000000014"
"""

RICH = "84095202006"
POOR = "80000000014"


class CommandLine:
    """Runs commands in this process; the result has exit_code, stdout, stderr."""

    def __init__(self, environment=None):
        self.environment = environment or {}

    def __call__(self, *arguments, **environment):
        result = CliRunner().invoke(main, list(arguments), prog_name="amcash", env={**self.environment, **environment})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result

    def done(self, *arguments, **environment):
        """Run a command that must succeed, and return what it printed."""
        result = self(*arguments, **environment)
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.done(*arguments, "--json"))

    def refused(self, *arguments, **environment):
        """Run a command that must be refused with one sentence, and return the sentence."""
        result = self(*arguments, **environment)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr.removeprefix("Error: ").strip()

    def misused(self, *arguments, **environment):
        """Run a command that must be a usage error, and return what was said."""
        result = self(*arguments, **environment)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        return result.stderr


class Ledger:
    """A loaded ledger; it also plays the server."""

    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:///{path}"

    def open(self):
        return wiring.open_ledger(self.url)

    def rows(self, sql, *values):
        with self.open() as store, store.read() as session:
            return list(session.run(sql, *values))

    def change(self, sql, *values):
        with self.open() as store, store.write() as session:
            for _ in session.run(sql, *values):
                pass

    def settle(self, endpoint, *, key=None, at=None, number=RICH, store="0001", **parameters):
        """Settle one request as a server would, and return its decision."""
        body = {
            "acquirerId": "100000",
            "cardEntryMode": "SWIPE",
            "collectorNumber": number,
            "dateTime": "2026-01-05T10:00:00-05:00",
            "deviceId": "12",
            "sponsorCode": "LOY1",
            "storeId": store,
            "traceId": "trace-1",
            "vendorId": "100087",
            **parameters,
        }
        at = at or datetime.now(UTC)
        with self.open() as opened:
            with opened.read() as session:
                register = registers.read(session)
            scope = Scope(register.sponsors)
            keys = [key] if key else []
            command = decode(endpoint, json.dumps(body).encode(), scope=scope, idempotency_keys=keys)
            return Settler(opened, lambda: register, lambda: at).settle([command])[0]

    def cancel(self, number, confirmation, at):
        """Cancel a redemption as the sweeper would, where its delivery is open and over."""
        with self.open() as opened:
            with opened.read() as session:
                register = registers.read(session)
            return Settler(opened, lambda: register, lambda: at).settle([Cancel(number, confirmation)])[0]

    def redeem(self, dollars="10.00", **more):
        return self.settle(Endpoint.REDEEM, dollarRedeemRequest=dollars, postTaxBasketAmount="900.00", **more).outcome

    def reverse(self, confirmation, **more):
        return self.settle(Endpoint.REVERSE, redemptionConfirmationNum=confirmation, **more).outcome
