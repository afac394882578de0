"""Redemptions a second over HTTP beside echoes of the same server, alternating, medians and their ratio.

Run it with `make bench`. Absolute figures mean little on a shared machine; the ratio, and the cost of an fsync measured
in the same run, say more.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

COLLECTORS = 20_000
FIRST = 84_000_000_000
PROGRAMME = """
[programme]
name = "Benchmark"
timezone = "America/Toronto"
currency = "CAD"
cap_day_starts = "03:00"
file_day_starts = "00:00"
daily_cap_dollars = "75000000.00"
over_request = "decline"
check_digit = false
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
[[clients]]
id = "bench"
secret = "bench-secret"
sponsors = ["LOY1"]
"""
COMMON = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer TOKEN"
wrk.headers["Content-Type"] = "application/json"
"""
ECHO = (
    COMMON
    + """
wrk.path = "/checkout/amcash/echo"
wrk.body = '{"deviceId":"001","sponsorCode":"LOY1","storeId":"0001","traceId":"000012345678","vendorId":"100087"}'
"""
)
REDEEM = (
    COMMON
    + """
local n = 0
local body = '{"acquirerId":"100000","cardEntryMode":"SWIPE","collectorNumber":"%d",'
  .. '"dateTime":"2026-07-16T13:32:00+0400","deviceId":"001","dollarRedeemRequest":"16.12",'
  .. '"postTaxBasketAmount":"16.12","sponsorCode":"LOY1","storeId":"0001","traceId":"RUN-%d","vendorId":"100087"}'
request = function()
  n = n + 1
  wrk.headers["Idempotency-Key"] = "RUN-" .. n
  return wrk.format("POST", "/checkout/amcash/redeem", nil, string.format(body, FIRST + (n * 7919) % COLLECTORS, n))
end
"""
)


def main() -> None:
    """Start a server, load it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("make bench needs wrk: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="amcash-bench-") as name:
        run(Path(name), options)


def run(folder: Path, options: argparse.Namespace) -> None:
    """Measure on a ledger in `folder`."""
    (folder / "programme.toml").write_text(PROGRAMME)
    with (folder / "collectors.csv").open("w") as out:
        out.write("number,cash_miles,dream_miles\n")
        out.writelines(f"{FIRST + i},9500000,0\n" for i in range(COLLECTORS))
    database = f"sqlite:///{folder}/ledger.db"
    command = [sys.executable, "-m", "amcash"]
    for file in ("programme.toml", "collectors.csv"):
        subprocess.run([*command, "load", "--sandbox", folder / file, "--database", database], check=True)
    began = time.perf_counter()
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen([*command, "serve", "--sandbox", "--port", "0", "--database", database], stdout=log)
        try:
            address = wait_for_address(folder / "log")
            token = fetch_token(address)
            print(f"seconds from start to the first token: {time.perf_counter() - began:.2f}")
            measure(folder, address, token, options)
        finally:
            server.terminate()
            server.wait()


def measure(folder: Path, address: str, token: str, options: argparse.Namespace) -> None:
    """Alternate the two loads, and print medians and their ratio."""
    rates: dict[str, list[float]] = {"redeem": [], "echo": []}
    for number in range(options.pairs):
        for name, script in (("redeem", REDEEM), ("echo", ECHO)):
            path = folder / f"{name}.lua"
            filled = script.replace("TOKEN", token).replace("RUN", f"{os.getpid()}-{number}")
            path.write_text(filled.replace("FIRST", str(FIRST)).replace("COLLECTORS", str(COLLECTORS)))
            rates[name].append(load(address, path, options))
    print(f"fsync of 4 KiB, median: {fsync_ms(folder):.2f} ms")
    redeem, echo = statistics.median(rates["redeem"]), statistics.median(rates["echo"])
    result = {
        "connections": options.connections,
        "redemptions_per_s": round(redeem),
        "echoes_per_s": round(echo),
        "redemptions_to_echoes": round(redeem / echo, 2),
        "runs": {name: [round(rate) for rate in values] for name, values in rates.items()},
    }
    print(json.dumps(result, indent=2))


def load(address: str, script: Path, options: argparse.Namespace) -> float:
    """Return the requests a second of one run of wrk; stop if any answer was no approval."""
    words = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}", "-s", script, address]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"not every answer was right:\n{text}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found
    return float(found[1])


def fsync_ms(folder: Path) -> float:
    """Return what one small durable write costs here, in milliseconds: what bounds a single commit."""
    times = []
    with (folder / "fsync").open("wb") as out:
        for _ in range(200):
            out.write(b"x" * 4096)
            out.flush()
            began = time.perf_counter()
            os.fsync(out.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def wait_for_address(log: Path) -> str:
    """Return the address that the server says it listens on."""
    while True:
        for line in log.read_text().splitlines():
            if line.startswith("amcash listening on "):
                return line.split()[-1]
        time.sleep(0.01)


def fetch_token(address: str) -> str:
    """Return a bearer token."""
    form = b"grant_type=client_credentials&client_id=bench&client_secret=bench-secret"
    with urllib.request.urlopen(f"{address}/oauth/token", form) as answer:
        return str(json.load(answer)["access_token"])


if __name__ == "__main__":
    main()
