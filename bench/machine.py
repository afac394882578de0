"""What the figures depend on besides the code: the machine, what else runs on it, and what a durable write costs."""

import mmap
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import apsw

WRITES = 200
BLOCK = b"x" * 4096


def describe(folder: Path) -> dict[str, str | float]:
    """Return what is worth knowing of this machine, measured now; the ledgers are in `folder`."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "cores": os.cpu_count() or 0,
        "cpu": cpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "file_system": file_system(folder),
        "load_average_before": round(os.getloadavg()[0], 2),
        "fsync_ms_before": round(fsync_ms(folder), 3),
    }


def describe_after(folder: Path) -> dict[str, float]:
    """Return the same of the end of a run: whether somebody else came or went meanwhile."""
    return {"load_average_after": round(os.getloadavg()[0], 2), "fsync_ms_after": round(fsync_ms(folder), 3)}


@contextmanager
def in_memory(folder: Path) -> Iterator[int]:
    """Keep every ledger in a folder, whatever its database, in the system's memory; give how many bytes that are.

    Some systems take back the memory of a file that nobody has asked for in a minute, though there is enough. Then the
    next to touch a page waits for the disk, how often depends on how large the ledger is and which was written first.
    Pages that some process has mapped are left alone, so this one maps them.

    They are read as the services read them, a page here and there: what is read in long pieces ext4 keeps in memory in
    long pieces since Linux 6.16, and a page that is then written into one was measured to cost 20 times as much CPU.
    """
    with ExitStack() as mapped:
        size = 0
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.stat().st_size and "pg_wal" not in path.parts:
                with path.open("rb") as file:
                    pages = mapped.enter_context(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
                pages.madvise(mmap.MADV_RANDOM)
                size += len(pages)
                _ = pages[:: mmap.PAGESIZE]  # touches each
        yield size


def fsync_ms(folder: Path) -> float:
    """Return what one small durable write costs here, in milliseconds, median: what bounds a single commit."""
    times = []
    path = folder / "fsync"
    with path.open("wb") as out:
        for _ in range(WRITES):
            out.write(BLOCK)
            out.flush()
            began = time.perf_counter()
            os.fdatasync(out.fileno())
            times.append(time.perf_counter() - began)
    path.unlink()
    return statistics.median(times) * 1000


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds `folder`."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    holding = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    return max(holding, key=lambda item: len(item[0]), default=("", "unknown"))[1]
