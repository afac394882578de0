"""Load over HTTP by wrk: one thread, so many connections, so many seconds; every answer must be a 2xx."""

import json
import random
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from measurement import Measurement, NotRightError
from members import FIRST

MISSING = "make bench needs wrk, which sends the requests: apt-get install wrk, or https://github.com/wg/wrk"

SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer TOKEN"
wrk.headers["Content-Type"] = "application/json"

REQUEST

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests": %d, "us": %d, "errors": %d, "mean": %f, "p50": %f, "p90": %f, "p99": %f, "p99.9": %f}\\n',
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99), latency:percentile(99.9)))
end
"""
ECHO = """
wrk.path = "/checkout/amcash/echo"
wrk.body = '{"deviceId":"001","sponsorCode":"LOY1","storeId":"0001","traceId":"000012345678","vendorId":"100087"}'
"""
INQUIRE = """
local n = OFFSET
local body = '{"acquirerId":"100000","cardEntryMode":"SWIPE","collectorNumber":"%d",'
  .. '"dateTime":"2026-07-16T13:32:00+0400","deviceId":"001","postTaxBasketAmount":"16.12",'
  .. '"sponsorCode":"LOY1","storeId":"0001","traceId":"RUN-%d","vendorId":"100087"}'
request = function()
  n = n + 1
  return wrk.format("POST", "/checkout/amcash/inquire", nil, string.format(body, FIRST + (n * 618033) % MEMBERS, n))
end
"""
REDEEM = """
local n = OFFSET
local body = '{"acquirerId":"100000","cardEntryMode":"SWIPE","collectorNumber":"%d",'
  .. '"dateTime":"2026-07-16T13:32:00+0400","deviceId":"001","dollarRedeemRequest":"16.12",'
  .. '"postTaxBasketAmount":"16.12","sponsorCode":"LOY1","storeId":"0001","traceId":"RUN-%d","vendorId":"100087"}'
request = function()
  n = n + 1
  wrk.headers["Idempotency-Key"] = "RUN-" .. n
  return wrk.format("POST", "/checkout/amcash/redeem", nil, string.format(body, FIRST + (n * 618033) % MEMBERS, n))
end
"""
REQUESTS = {"echo": ECHO, "inquire": INQUIRE, "redeem": REDEEM}


@dataclass(frozen=True)
class Target:
    """Where a load goes: an address, the token it takes, and how many members it knows."""

    address: str
    token: str
    members: int


def is_installed() -> bool:
    """Tell whether wrk can be called."""
    return shutil.which("wrk") is not None


def measure(target: Target, endpoint: str, connections: int, seconds: int, folder: Path) -> Measurement:
    """Send `endpoint` requests to `target`, each with a key of its own, over all members in turn.

    Raises:
        NotRightError: an answer was no 2xx, or a connection broke.
    """
    request = REQUESTS[endpoint].replace("RUN", uuid.uuid4().hex[:12])
    request = request.replace("FIRST", str(FIRST)).replace("MEMBERS", str(target.members))
    request = request.replace("OFFSET", str(random.randrange(target.members)))  # noqa: S311 -- where to begin, no secret
    script = folder / "load.lua"
    script.write_text(SCRIPT.replace("REQUEST", request, 1).replace("TOKEN", target.token))
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--timeout=10", "-s", script, target.address]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if done.returncode != 0 or line is None:
        raise NotRightError(f"wrk failed: {done.stderr}{done.stdout}")
    found = json.loads(line.removeprefix("RESULT "))
    if found["errors"] or not found["requests"]:
        raise NotRightError(f"not every answer to {endpoint} was right:\n{done.stdout}")
    return Measurement(
        per_s=found["requests"] / found["us"] * 1e6,
        requests=found["requests"],
        ms={name: found[name] / 1000 for name in Measurement.PERCENTILES},
        mean_ms=found["mean"] / 1000,
    )
