-- The ledger. Every table about a collector has the collector number first in its primary key (invariant 5).
-- Times are whole microseconds since 1970 UTC; days are ISO dates in the programme's zone.
-- Texts collate as bytes ("C"): the order of two collector numbers must not depend on the machine's language.

CREATE TABLE collector (
    number            text COLLATE "C"  NOT NULL PRIMARY KEY,
    active            smallint          NOT NULL CHECK (active IN (0, 1)),
    show_balances     smallint          NOT NULL CHECK (show_balances IN (0, 1)),
    allow_redemption  smallint          NOT NULL CHECK (allow_redemption IN (0, 1)),
    cash              bigint            NOT NULL CHECK (cash >= 0),       -- R-LED-4
    dream             bigint            NOT NULL CHECK (dream >= 0),
    transfers         bigint            NOT NULL CHECK (transfers >= 0),  -- the number of the last one
    cap_day           text COLLATE "C",                                   -- the latest on which the collector has redeemed
    cap_used          bigint            NOT NULL CHECK (cap_used >= 0 AND (cap_day IS NOT NULL OR cap_used = 0)),
    chain             bytea             NOT NULL CHECK (length(chain) = 32)
) WITH (fillfactor = 80);  -- room for a row's next versions on its own page, so that no index has to learn of them

-- Append-only (R-LED-1): nothing is ever updated or deleted here, and the triggers below see to it.
CREATE TABLE transfer (
    collector     text COLLATE "C"  NOT NULL,
    seq           bigint            NOT NULL CHECK (seq >= 1),
    kind          text COLLATE "C"  NOT NULL
        CHECK (kind IN ('opening', 'credit', 'redemption', 'reversal', 'cancellation', 'adjustment')),
    wallet        text COLLATE "C"  NOT NULL CHECK (wallet IN ('cash', 'dream')),
    source        text COLLATE "C"  NOT NULL,
    target        text COLLATE "C"  NOT NULL CHECK (target <> source),
    miles         bigint            NOT NULL CHECK (miles > 0),
    balance       bigint            NOT NULL CHECK (balance >= 0),
    at            bigint            NOT NULL,
    confirmation  text COLLATE "C",
    sponsor       text COLLATE "C",
    store         text COLLATE "C",
    device        text COLLATE "C",
    trace         text COLLATE "C",
    acquirer      text COLLATE "C",
    vendor        text COLLATE "C",
    units         bigint,
    cents         bigint,
    unit_miles    bigint,
    unit_cents    bigint,
    offer_id      text COLLATE "C",
    cap_day       text COLLATE "C",
    reason        text COLLATE "C",
    previous      bytea             NOT NULL CHECK (length(previous) = 32),
    PRIMARY KEY (collector, seq)
);

-- One redemption a confirmation number (R-CONF-1), and at most one reversal or cancellation of it (R-REV-1).
CREATE UNIQUE INDEX transfer_by_confirmation
    ON transfer (collector, confirmation, (kind <> 'redemption')) WHERE confirmation IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER transfer_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- R-LED-4: the primary key alone allows a gap. Looked at once a statement, so that a batch pays for it once.
CREATE FUNCTION refuse_gap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added
        WHERE added.seq > 1
            AND NOT EXISTS (
                SELECT FROM transfer WHERE transfer.collector = added.collector AND transfer.seq = added.seq - 1
            )
    ) THEN
        RAISE EXCEPTION 'a transfer must follow the one before' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_follows_the_one_before AFTER INSERT ON transfer
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION refuse_gap();

-- What was answered, under its idempotency key (R-IDEM-6): the request as it was sent and the outcome, as JSON.
-- A retry after a cancellation is the next attempt (R-DLV-6). No index by time: the purge walks over the pages.
CREATE TABLE outcome (
    collector     text COLLATE "C"  NOT NULL,
    sponsor       text COLLATE "C"  NOT NULL,
    endpoint      text COLLATE "C"  NOT NULL,
    key           text COLLATE "C"  NOT NULL,
    attempt       bigint            NOT NULL CHECK (attempt >= 1),
    digest        bytea             NOT NULL CHECK (length(digest) = 32),
    at            bigint            NOT NULL,
    code          text COLLATE "C"  NOT NULL,
    confirmation  text COLLATE "C",
    request       text COLLATE "C"  NOT NULL,
    answer        text COLLATE "C"  NOT NULL,
    PRIMARY KEY (collector, sponsor, endpoint, key, attempt)
);

-- Approvals whose hand-over is not known yet (R-DLV-1). A row is deleted when its answer was handed over, or when the
-- redemption is reversed or cancelled; so this table stays small, and what became of a delivery stands in `transfer`.
-- Each redemption's row comes and goes within the second: dead ones are cleared away after a number, not a share.
CREATE TABLE open_delivery (
    collector     text COLLATE "C"  NOT NULL,
    confirmation  text COLLATE "C"  NOT NULL,
    sponsor       text COLLATE "C"  NOT NULL,
    key           text COLLATE "C"  NOT NULL,  -- with the collector and the sponsor: the outcome's
    open_until    bigint            NOT NULL,
    PRIMARY KEY (collector, confirmation)
) WITH (autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0);

-- Before the horizon an outcome may be absent, for it was purged (R-IDEM-8).
CREATE TABLE purge (
    "only"   smallint  NOT NULL PRIMARY KEY CHECK ("only" = 1),
    horizon  bigint    NOT NULL
);
INSERT INTO purge VALUES (1, 0);

-- Written by the probe behind echo and readiness (R-ECHO-1).
CREATE TABLE heartbeat (
    "only"  smallint  NOT NULL PRIMARY KEY CHECK ("only" = 1),
    at      bigint    NOT NULL
) WITH (fillfactor = 10);
INSERT INTO heartbeat VALUES (1, 0);

-- The register: all that operators configure. Read whole; its version says when to read it again.
CREATE TABLE register_version (
    "only"   smallint  NOT NULL PRIMARY KEY CHECK ("only" = 1),
    version  bigint    NOT NULL
);
INSERT INTO register_version VALUES (1, 0);

CREATE TABLE programme (
    "only"             smallint          NOT NULL PRIMARY KEY CHECK ("only" = 1),
    name               text COLLATE "C"  NOT NULL,
    timezone           text COLLATE "C"  NOT NULL,
    currency           text COLLATE "C"  NOT NULL,
    cap_day_starts     text COLLATE "C"  NOT NULL,
    file_day_starts    text COLLATE "C"  NOT NULL,
    reversal_until     text COLLATE "C"  NOT NULL,
    daily_cap_cents    bigint            NOT NULL,
    over_request       text COLLATE "C"  NOT NULL,
    check_digit        smallint          NOT NULL
);

CREATE TABLE offer (
    id              text COLLATE "C"  NOT NULL PRIMARY KEY,
    type            text COLLATE "C"  NOT NULL,
    unit_miles      bigint            NOT NULL CHECK (unit_miles > 0),
    unit_cents      bigint            NOT NULL CHECK (unit_cents > 0),
    description_en  text COLLATE "C"  NOT NULL,
    description_fr  text COLLATE "C"  NOT NULL,
    available       smallint          NOT NULL,
    sponsor         text COLLATE "C",
    valid_from      bigint,
    valid_until     bigint
);

CREATE TABLE sponsor (
    code          text COLLATE "C"  NOT NULL PRIMARY KEY,
    name          text COLLATE "C"  NOT NULL,
    vendor_ids    text COLLATE "C"  NOT NULL,  -- JSON arrays of strings
    acquirer_ids  text COLLATE "C"  NOT NULL
);

CREATE TABLE client (
    id        text COLLATE "C"  NOT NULL PRIMARY KEY,
    sponsors  text COLLATE "C"  NOT NULL,  -- a JSON array of sponsor codes
    disabled  smallint          NOT NULL
);

CREATE TABLE client_secret (
    client      text COLLATE "C"  NOT NULL,
    digest      bytea             NOT NULL CHECK (length(digest) = 32),
    created_at  bigint            NOT NULL,
    sandbox     smallint          NOT NULL,  -- from a programme file: live only in a sandbox
    PRIMARY KEY (client, digest)
);

CREATE TABLE signing_key (
    kid         text COLLATE "C"  NOT NULL PRIMARY KEY,
    jwk         text COLLATE "C"  NOT NULL,
    created_at  bigint            NOT NULL,
    retired_at  bigint
);

CREATE TABLE outage (
    "only"  smallint  NOT NULL PRIMARY KEY CHECK ("only" = 1),
    until   bigint
);
