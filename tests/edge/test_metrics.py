"""What several processes count together; each in a process of its own, for the library's switch is for good."""

import subprocess
import sys

from amcash.edge.metrics import FILE_BYTES

SCRIPT = """
import sys
from pathlib import Path
from amcash.domain.codes import Code, Endpoint
from amcash.edge.metrics import Metrics, Shared

folder, place, waiting = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
metrics = Metrics(Shared(folder, place))
metrics.watch_queue("writes", lambda: waiting)
for endpoint in Endpoint:
    for code in Code:
        metrics.answered(endpoint, code, replayed=False, seconds=0.003)
        metrics.answered(endpoint, code, replayed=True, seconds=0.003)
    metrics.answered(endpoint, None, replayed=False, seconds=0.003)
print(metrics.text().decode())
if len(sys.argv) > 4:
    Shared(folder, place).forget_queues()
"""


def tell(folder, *words):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), *words], check=True, capture_output=True, text=True
    )
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if line and not line.startswith("#"))


def test_what_processes_counted_adds_up_and_what_waits_ends_with_them(tmp_path):
    tell(tmp_path, "0", "3")
    told = tell(tmp_path, "1", "4", "and forget")
    assert told['amcash_queue_commands{lane="writes"}'] == "7.0"
    assert told['amcash_requests_total{code="0000",endpoint="redeem"}'] == "4.0"
    told = tell(tmp_path, "2", "0")
    assert told['amcash_queue_commands{lane="writes"}'] == "3.0"
    assert told['amcash_requests_total{code="0000",endpoint="redeem"}'] == "6.0"
    assert (
        told['amcash_request_seconds_bucket{endpoint="redeem",le="0.005"}']
        == told['amcash_request_seconds_count{endpoint="redeem"}']
    )


def test_who_takes_over_a_place_counts_on_in_the_same_files_and_every_series_fits_in(tmp_path):
    tell(tmp_path, "0", "3")
    files = set(tmp_path.iterdir())
    told = tell(tmp_path, "0", "1")
    assert told['amcash_queue_commands{lane="writes"}'] == "1.0"
    assert told['amcash_requests_total{code="0000",endpoint="redeem"}'] == "4.0"
    assert set(tmp_path.iterdir()) == files
    assert {path.stat().st_size for path in files} == {FILE_BYTES}
    assert all(path.stat().st_blocks * 512 >= FILE_BYTES for path in files)  # really there, and not only so long
