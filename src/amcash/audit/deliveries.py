"""Deliveries, proved against redemptions and outcomes: open ones, and the attempts after a cancellation (R-DLV)."""

from itertools import groupby, pairwise

from amcash.audit.account import Account
from amcash.audit.decisions import Case
from amcash.audit.streams import DeliveryRow


def prove_deliveries(rows: list[DeliveryRow], cases: list[Case], account: Account) -> None:
    """Prove that each open delivery is of a standing redemption, and of the newest approval under its key (R-DLV-1).

    How long it is open, and when it is cancelled, is not compared with when the redemption was made: in a sandbox that
    is a time of its client's own clock, and the grace runs on the server's.
    """
    newest = {(case.row.sponsor, case.row.key): case for case in cases if case.row.endpoint == "redeem"}
    for row in rows:
        made, case = account.redemptions.get(row.confirmation), newest.get((row.sponsor, row.key))
        if made is None:
            account.found("R-DLV-1", f"a delivery is open of {row.confirmation}, which is no redemption")
        elif made.closed_by is not None:
            sentence = f"the delivery of {row.confirmation} is open, though a {made.closed_by} has closed it"
            account.found("R-DLV-5", sentence, made.seq)
        elif case is None or not case.approved or case.row.confirmation != row.confirmation:
            sentence = f"the open delivery of {row.confirmation} names a key whose newest outcome is not its approval"
            account.found("R-DLV-1", sentence, made.seq)


def prove_attempts(cases: list[Case], account: Account, purged_before: int) -> None:
    """Prove that under each key only a cancelled approval of the same request was followed by another (R-DLV-6).

    Args:
        cases: the collector's, in the order of their keys and attempts.
        account: behind the last transfer.
        purged_before: in microseconds; before it the first attempts may be absent (R-IDEM-8).
    """
    for _, group in groupby(cases, key=lambda case: (case.row.sponsor, case.row.endpoint, case.row.key)):
        attempts = list(group)
        first = attempts[0]
        if first.row.attempt != 1 and not purged_before:
            first.found(account, "R-DLV-6", f"it is attempt {first.row.attempt}, and there is none before it")
        for before, after in pairwise(attempts):
            if after.row.attempt != before.row.attempt + 1:
                numbers = f"{before.row.attempt} and {after.row.attempt}"
                after.found(account, "R-DLV-6", f"between the attempts {numbers} one is missing")
            if after.row.digest != before.row.digest:
                after.found(account, "R-IDEM-4", "it is another request than the attempt before it")
            made = account.redemptions.get(before.row.confirmation or "")
            if before.row.endpoint != "redeem" or not before.approved or made is None:
                after.found(account, "R-DLV-6", "the attempt before it is no approved redemption")
            elif made.closed_by != "cancellation":
                after.found(account, "R-DLV-6", "the redemption of the attempt before it was not cancelled")
