"""amcash in one process, for what is compared process by process: `amcash` without a process that writes.

    .venv/bin/python bench/one_process.py serve ...

It settles on a thread, as each of `--workers N` does. It exists here alone: the service has no such switch.
"""

import os
from contextlib import nullcontext

from amcash import cli, wiring


def main() -> None:
    """Do what `amcash` does, with a server that writes itself and, being alone, waits for no company."""
    os.environ.setdefault("AMCASH_BATCH_WAIT_US", "0")
    wiring._writer = lambda *_: nullcontext(None)  # type: ignore[assignment, return-value]  # noqa: SLF001 -- as above
    cli.main()


if __name__ == "__main__":
    main()
