"""The register in the database: programme, offers, sponsors, clients, keys, outage. The only home of its SQL.

Every change raises the register's version in the same transaction, so that running servers see it (`Watch`).
"""

import json
import logging
import threading
from collections.abc import Iterable
from datetime import datetime, time
from zoneinfo import ZoneInfo

from amcash.domain.transfers import from_microseconds, microseconds
from amcash.domain.vocabulary import (
    Cents,
    Client,
    Miles,
    Offer,
    Outage,
    OverRequest,
    Programme,
    Register,
    SigningKey,
    Sponsor,
    SponsorCode,
    Terms,
)
from amcash.ledger.store import Session, Store, StoreError

log = logging.getLogger(__name__)

STOP_S = 10.0
"""How long the end of a look is waited for."""
SECRETS_LIVE_MAX = 2
"""Two secrets of a client may be live, so that rotation cuts nobody off (R-AUTH-2)."""


def version(session: Session) -> int:
    """Return the version of the register; it rises with every change."""
    return max(int(number) for (number,) in session.run("SELECT version FROM register_version"))


def read(session: Session, *, sandbox: bool = False) -> Register | None:
    """Read the whole register; None when no programme has been loaded yet.

    Args:
        session: an open transaction.
        sandbox: whether secrets that came from a programme file count.
    """
    programme = _read_programme(session)
    if programme is None:
        return None
    outages = [Outage(_moment(until)) for (until,) in session.run("SELECT until FROM outage")]
    return Register(
        version=version(session),
        programme=programme,
        offers=tuple(_read_offers(session)),
        sponsors={item.code: item for item in _read_sponsors(session)},
        clients={item.client_id: item for item in read_clients(session, sandbox=sandbox)},
        keys=tuple(read_keys(session)),
        outage=outages[0] if outages else None,
    )


def _read_programme(session: Session) -> Programme | None:
    for row in session.run(
        "SELECT name, timezone, currency, cap_day_starts, file_day_starts, reversal_until, daily_cap_cents, "
        "over_request, check_digit FROM programme"
    ):
        name, zone, currency, cap_day, file_day, until, cap, over_request, check_digit = row
        return Programme(
            name,
            ZoneInfo(zone),
            currency,
            time.fromisoformat(cap_day),
            time.fromisoformat(file_day),
            time.fromisoformat(until),
            Cents(cap),
            OverRequest(over_request),
            bool(check_digit),
        )
    return None


def _read_offers(session: Session) -> Iterable[Offer]:
    for row in session.run(
        "SELECT id, type, unit_miles, unit_cents, description_en, description_fr, available, sponsor, valid_from, "
        "valid_until FROM offer ORDER BY id"
    ):
        offer_id, kind, miles, cents, english, french, available, sponsor, begins, ends = row
        terms = Terms(offer_id, kind, Miles(miles), Cents(cents), english, french)
        yield Offer(terms, bool(available), sponsor, _moment(begins), _moment(ends))


def _read_sponsors(session: Session) -> Iterable[Sponsor]:
    for code, name, vendors, acquirers in session.run(
        "SELECT code, name, vendor_ids, acquirer_ids FROM sponsor ORDER BY code"
    ):
        yield Sponsor(code, name, frozenset(json.loads(vendors)), frozenset(json.loads(acquirers)))


def read_clients(session: Session, *, sandbox: bool = False) -> list[Client]:
    """Return every client, by id, with the digests of the secrets that are live."""
    digests: dict[str, list[bytes]] = {}
    for client, digest, from_file in session.run(
        "SELECT client, digest, sandbox FROM client_secret ORDER BY client, created_at"
    ):
        if sandbox or not from_file:
            digests.setdefault(client, []).append(digest)
    return [
        Client(
            client,
            tuple(map(SponsorCode, json.loads(sponsors))),
            tuple(digests.get(client, ())),
            bool(disabled),
        )
        for client, sponsors, disabled in session.run("SELECT id, sponsors, disabled FROM client ORDER BY id")
    ]


def read_keys(session: Session) -> list[SigningKey]:
    """Return the signing keys, newest first."""
    return [
        SigningKey(kid, jwk, from_microseconds(created), _moment(retired))
        for kid, jwk, created, retired in session.run(
            "SELECT kid, jwk, created_at, retired_at FROM signing_key ORDER BY created_at DESC, kid"
        )
    ]


def _moment(number: int | None) -> datetime | None:
    return None if number is None else from_microseconds(number)


# --- changes -------------------------------------------------------------------------------------------------------


class ProgrammeFixedError(StoreError):
    """A setting that tells the days of redemptions cannot change; nothing was changed."""


def put_programme(session: Session, programme: Programme) -> None:
    """Set the programme's own settings.

    The days are decided with the first load, and not only once there are redemptions: a server that has not looked yet
    would go on redeeming under those of before.

    Raises:
        ProgrammeFixedError: with other days the redemptions in the ledger could no longer be proved (R-LED-3).
    """
    before = _read_programme(session)
    if before is not None:
        for name in ("timezone", "cap_day_starts", "reversal_until"):
            attribute = "zone" if name == "timezone" else name
            if getattr(before, attribute) != getattr(programme, attribute):
                raise ProgrammeFixedError(
                    f"programme.{name} cannot change from {getattr(before, attribute)}: the days of a ledger are "
                    "decided with its first load, or its redemptions could no longer be proved. A programme with other "
                    "days needs a new ledger"
                )
    session.run("DELETE FROM programme")
    session.run(
        "INSERT INTO programme VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        programme.name,
        programme.zone.key,
        programme.currency,
        programme.cap_day_starts.isoformat(),
        programme.file_day_starts.isoformat(),
        programme.reversal_until.isoformat(),
        programme.daily_cap,
        programme.over_request,
        int(programme.check_digit),
    )
    _changed(session)


def put_offers(session: Session, offers: Iterable[Offer]) -> None:
    """Set the offers: these and no others. Redemptions keep the terms they were made under."""
    session.run("DELETE FROM offer")
    session.run_many(
        "INSERT INTO offer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                offer.terms.offer_id,
                offer.terms.offer_type,
                offer.terms.unit_miles,
                offer.terms.unit_cents,
                offer.terms.description_en,
                offer.terms.description_fr,
                int(offer.available),
                offer.sponsor,
                None if offer.valid_from is None else microseconds(offer.valid_from),
                None if offer.valid_until is None else microseconds(offer.valid_until),
            )
            for offer in offers
        ],
    )
    _changed(session)


def put_sponsors(session: Session, sponsors: Iterable[Sponsor]) -> None:
    """Add or change sponsors; none is ever removed, for the ledger names them."""
    session.run_many(
        "INSERT INTO sponsor VALUES (?, ?, ?, ?) ON CONFLICT (code) DO UPDATE SET "
        "name = excluded.name, vendor_ids = excluded.vendor_ids, acquirer_ids = excluded.acquirer_ids",
        [
            (item.code, item.name, json.dumps(sorted(item.vendor_ids)), json.dumps(sorted(item.acquirer_ids)))
            for item in sponsors
        ],
    )
    _changed(session)


def put_client(session: Session, client_id: str, sponsors: Iterable[SponsorCode]) -> None:
    """Add a client or change its sponsors; it is not disabled afterwards unless it was before."""
    session.run(
        "INSERT INTO client VALUES (?, ?, 0) ON CONFLICT (id) DO UPDATE SET sponsors = excluded.sponsors",
        client_id,
        json.dumps(list(sponsors)),
    )
    _changed(session)


def add_secret(session: Session, client_id: str, digest: bytes, now: datetime) -> None:
    """Give a client another secret; of its older ones only the newest stays live (R-AUTH-2)."""
    kept = [
        old
        for (old,) in session.run(
            "SELECT digest FROM client_secret WHERE client = ? AND sandbox = 0 ORDER BY created_at DESC",
            client_id,
        )
    ]
    for old in kept[SECRETS_LIVE_MAX - 1 :]:
        session.run("DELETE FROM client_secret WHERE client = ? AND digest = ?", client_id, old)
    session.run("INSERT INTO client_secret VALUES (?, ?, ?, 0)", client_id, digest, microseconds(now))
    _changed(session)


def put_sandbox_secret(session: Session, client_id: str, digest: bytes, now: datetime) -> None:
    """Set the secret that a programme file gives a client: live in a sandbox only."""
    session.run("DELETE FROM client_secret WHERE client = ? AND sandbox = 1", client_id)
    session.run("INSERT INTO client_secret VALUES (?, ?, ?, 1)", client_id, digest, microseconds(now))
    _changed(session)


def disable_client(session: Session, client_id: str) -> None:
    """Shut a client out, its tokens included (R-AUTH-2)."""
    session.run("UPDATE client SET disabled = 1 WHERE id = ?", client_id)
    _changed(session)


def enable_client(session: Session, client_id: str) -> None:
    """Let a client in again that was shut out, with the secrets it has."""
    session.run("UPDATE client SET disabled = 0 WHERE id = ?", client_id)
    _changed(session)


def add_key(session: Session, key: SigningKey) -> None:
    """Sign with `key` from now on; the others are retired and verify until their last token has expired."""
    session.run("UPDATE signing_key SET retired_at = ? WHERE retired_at IS NULL", microseconds(key.created_at))
    session.run("INSERT INTO signing_key VALUES (?, ?, ?, NULL)", key.kid, key.jwk, microseconds(key.created_at))
    _changed(session)


def put_outage(session: Session, outage: Outage | None) -> None:
    """Declare an outage, or end it with None (`0092`)."""
    session.run("DELETE FROM outage")
    if outage is not None:
        until = None if outage.until is None else microseconds(outage.until)
        session.run("INSERT INTO outage VALUES (1, ?)", until)
    _changed(session)


def _changed(session: Session) -> None:
    session.run("UPDATE register_version SET version = version + 1")


# --- seeing changes ------------------------------------------------------------------------------------------------


class Watch:
    """Holds the register in force and reads it again when its version rises, so that a command's change takes effect.

    Args:
        store: a connection of its own; after `start`, the watch's thread alone uses it.
        register: as first read.
        sandbox: whether secrets that came from a programme file count.
        poll_s: seconds between two looks.
    """

    def __init__(self, store: Store, register: Register, *, sandbox: bool, poll_s: float) -> None:
        self._store = store
        self._register = register
        self._sandbox = sandbox
        self._poll_s = poll_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="register-watch", daemon=True)

    def __call__(self) -> Register:
        """Return the register in force."""
        return self._register

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; a look that hangs is not waited for."""
        self._stopped.set()
        self._thread.join(STOP_S)

    def look(self) -> None:
        """Look once."""
        with self._store.read() as session:
            if version(session) != self._register.version:
                self._register = read(session, sandbox=self._sandbox) or self._register

    def _run(self) -> None:
        while not self._stopped.wait(self._poll_s):
            try:
                self.look()
            except StoreError:
                continue  # the lane and the readiness probe report it; the register in hand stays in force
            except Exception:
                log.exception("the register cannot be read; the one in hand stays in force")
