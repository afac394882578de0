"""amcash without delivery, for what delivery costs: `amcash` whose approvals are final with their commit.

    .venv/bin/python bench/undelivered.py serve ...

No row awaits a hand-over, so no journal is written, nothing is marked, and nothing is ever cancelled (R-DLV-1). It
exists here alone: the service has no such switch.
"""

import functools

from amcash import cli, wiring


def main() -> None:
    """Do what `amcash` does, with a `Settler` that opens no deliveries."""
    settler = wiring.Settler

    @functools.wraps(settler, updated=())
    def without_grace(*args: object, grace: object = None, **named: object) -> object:  # noqa: ARG001 -- dropped
        return settler(*args, **named)  # type: ignore[arg-type]

    wiring.Settler = without_grace  # type: ignore[misc, assignment]
    cli.main()


if __name__ == "__main__":
    main()
