-- The ledger. Every table about a collector has the collector number first in its primary key or index (invariant 5).
-- Times are whole microseconds since 1970 UTC; days are ISO dates in the programme's zone.

CREATE TABLE collector (
    number            TEXT    NOT NULL PRIMARY KEY,
    active            INTEGER NOT NULL CHECK (active IN (0, 1)),
    show_balances     INTEGER NOT NULL CHECK (show_balances IN (0, 1)),
    allow_redemption  INTEGER NOT NULL CHECK (allow_redemption IN (0, 1)),
    cash              INTEGER NOT NULL CHECK (cash >= 0),       -- R-LED-4
    dream             INTEGER NOT NULL CHECK (dream >= 0),
    transfers         INTEGER NOT NULL CHECK (transfers >= 0),  -- the number of the last one; the ledger itself counts
    cap_day           TEXT,                                     -- the latest on which the collector has redeemed
    cap_used          INTEGER NOT NULL CHECK (cap_used >= 0 AND (cap_day IS NOT NULL OR cap_used = 0)),
    chain             BLOB    NOT NULL CHECK (length(chain) = 32)
) STRICT, WITHOUT ROWID;

-- Append-only (R-LED-1): nothing is ever updated or deleted here, and the triggers below see to it.
-- With rowids, so that the transfers of a batch lie together on the newest pages, and with one index, for it is each
-- index that changes a page here and there. A collector's numbers have none, and are unique all the same: a transfer must
-- bear the number after the one that its collector's row counts, and is counted there.
CREATE TABLE transfer (
    collector     TEXT    NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq >= 1),
    kind          TEXT    NOT NULL
        CHECK (kind IN ('opening', 'credit', 'redemption', 'reversal', 'cancellation', 'adjustment')),
    wallet        TEXT    NOT NULL CHECK (wallet IN ('cash', 'dream')),
    source        TEXT    NOT NULL,
    target        TEXT    NOT NULL CHECK (target <> source),
    miles         INTEGER NOT NULL CHECK (miles > 0),
    balance       INTEGER NOT NULL CHECK (balance >= 0),
    at            INTEGER NOT NULL,
    confirmation  TEXT,
    sponsor       TEXT,
    store         TEXT,
    device        TEXT,
    trace         TEXT,
    acquirer      TEXT,
    vendor        TEXT,
    units         INTEGER,
    cents         INTEGER,
    unit_miles    INTEGER,
    unit_cents    INTEGER,
    offer_id      TEXT,
    cap_day       TEXT,
    reason        TEXT,
    previous      BLOB    NOT NULL CHECK (length(previous) = 32)
) STRICT;

-- One redemption a confirmation number (R-CONF-1), and at most one reversal or cancellation of it (R-REV-1).
CREATE UNIQUE INDEX transfer_by_confirmation ON transfer (collector, confirmation, (kind <> 'redemption'));

CREATE TRIGGER transfer_is_never_updated BEFORE UPDATE ON transfer
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- No gap and no double number (R-LED-4): a transfer bears the number after the one that its collector's row counts, and
-- that row begins at 0, stays, and counts what was just inserted, whoever writes to it. The first has none before it.
CREATE TRIGGER transfer_follows_the_one_before BEFORE INSERT ON transfer
WHEN NOT EXISTS (SELECT 1 FROM collector WHERE number = NEW.collector AND transfers = NEW.seq - 1)
    OR (NEW.seq = 1 AND EXISTS (SELECT 1 FROM transfer WHERE collector = NEW.collector))
BEGIN SELECT RAISE(ABORT, 'a transfer must follow the one before'); END;
CREATE TRIGGER transfer_is_counted AFTER INSERT ON transfer
BEGIN UPDATE collector SET transfers = NEW.seq WHERE number = NEW.collector; END;
CREATE TRIGGER collector_begins_without_transfers BEFORE INSERT ON collector
WHEN NEW.transfers <> 0
BEGIN SELECT RAISE(ABORT, 'the ledger itself counts the transfers'); END;
CREATE TRIGGER collector_counts_what_was_inserted BEFORE UPDATE OF transfers ON collector
WHEN NEW.transfers <> OLD.transfers AND NOT (NEW.transfers = OLD.transfers + 1 AND EXISTS (
    SELECT 1 FROM transfer WHERE rowid = last_insert_rowid() AND collector = NEW.number AND seq = NEW.transfers))
BEGIN SELECT RAISE(ABORT, 'the ledger itself counts the transfers'); END;
CREATE TRIGGER collector_with_transfers_stays BEFORE DELETE ON collector
WHEN OLD.transfers <> 0
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- REPLACE deletes without asking the trigger below, unless a connection chose to; so it must not begin. Its victim can
-- be named by either of the two that are unique; NEW.rowid is that of no row (-1) where the statement gives none.
CREATE TRIGGER transfer_is_never_replaced BEFORE INSERT ON transfer
WHEN EXISTS (SELECT 1 FROM transfer WHERE rowid = NEW.rowid)
    OR (NEW.confirmation IS NOT NULL AND EXISTS (
        SELECT 1 FROM transfer WHERE collector = NEW.collector AND confirmation = NEW.confirmation
            AND (kind <> 'redemption') = (NEW.kind <> 'redemption')))
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER transfer_is_never_row_minus_one AFTER INSERT ON transfer  -- it would be found before every other insert
WHEN NEW.rowid < 1
BEGIN SELECT RAISE(ABORT, 'a transfer''s rowid must be positive'); END;
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON transfer
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- What was answered, under its idempotency key (R-IDEM-6): the request as it was sent and the outcome, as JSON.
-- A retry after a cancellation is the next attempt (R-DLV-6). Rowids rise with time: the purge begins at the first.
CREATE TABLE outcome (
    collector     TEXT    NOT NULL,
    sponsor       TEXT    NOT NULL,
    endpoint      TEXT    NOT NULL,
    key           TEXT    NOT NULL,
    attempt       INTEGER NOT NULL CHECK (attempt >= 1),
    digest        BLOB    NOT NULL CHECK (length(digest) = 32),
    at            INTEGER NOT NULL,
    code          TEXT    NOT NULL,
    confirmation  TEXT,
    request       TEXT    NOT NULL,
    answer        TEXT    NOT NULL,
    PRIMARY KEY (collector, sponsor, endpoint, key, attempt)
) STRICT;

-- Approvals whose hand-over is not known yet (R-DLV-1). A row is deleted when its answer was handed over, or when the
-- redemption is reversed or cancelled; so this table stays small, and what became of a delivery stands in `transfer`.
CREATE TABLE open_delivery (
    collector     TEXT    NOT NULL,
    confirmation  TEXT    NOT NULL,
    sponsor       TEXT    NOT NULL,
    key           TEXT    NOT NULL,  -- with the collector and the sponsor: the outcome's
    open_until    INTEGER NOT NULL,
    PRIMARY KEY (collector, confirmation)
) STRICT, WITHOUT ROWID;

-- Before the horizon an outcome may be absent, for it was purged (R-IDEM-8).
CREATE TABLE purge (
    only     INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    horizon  INTEGER NOT NULL
) STRICT;
INSERT INTO purge VALUES (1, 0);

-- Written by the probe behind echo and readiness (R-ECHO-1).
CREATE TABLE heartbeat (
    only  INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    at    INTEGER NOT NULL
) STRICT;
INSERT INTO heartbeat VALUES (1, 0);

-- The register: all that operators configure. Read whole; its version says when to read it again.
CREATE TABLE register_version (
    only     INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    version  INTEGER NOT NULL
) STRICT;
INSERT INTO register_version VALUES (1, 0);

CREATE TABLE programme (
    only               INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    name               TEXT    NOT NULL,
    timezone           TEXT    NOT NULL,
    currency           TEXT    NOT NULL,
    cap_day_starts     TEXT    NOT NULL,
    file_day_starts    TEXT    NOT NULL,
    reversal_until     TEXT    NOT NULL,
    daily_cap_cents    INTEGER NOT NULL,
    over_request       TEXT    NOT NULL,
    check_digit        INTEGER NOT NULL
) STRICT;

CREATE TABLE offer (
    id              TEXT    NOT NULL PRIMARY KEY,
    type            TEXT    NOT NULL,
    unit_miles      INTEGER NOT NULL CHECK (unit_miles > 0),
    unit_cents      INTEGER NOT NULL CHECK (unit_cents > 0),
    description_en  TEXT    NOT NULL,
    description_fr  TEXT    NOT NULL,
    available       INTEGER NOT NULL,
    sponsor         TEXT,
    valid_from      INTEGER,
    valid_until     INTEGER
) STRICT;

CREATE TABLE sponsor (
    code          TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL,
    vendor_ids    TEXT NOT NULL,  -- JSON arrays of strings
    acquirer_ids  TEXT NOT NULL
) STRICT;

CREATE TABLE client (
    id        TEXT    NOT NULL PRIMARY KEY,
    sponsors  TEXT    NOT NULL,  -- a JSON array of sponsor codes
    disabled  INTEGER NOT NULL
) STRICT;

CREATE TABLE client_secret (
    client      TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    created_at  INTEGER NOT NULL,
    sandbox     INTEGER NOT NULL,  -- from a programme file: live only in a sandbox
    PRIMARY KEY (client, digest)
) STRICT;

CREATE TABLE signing_key (
    kid         TEXT    NOT NULL PRIMARY KEY,
    jwk         TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    retired_at  INTEGER
) STRICT;

CREATE TABLE outage (
    only   INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    until  INTEGER
) STRICT;
