-- version 1, works with 1: activity events in time segments
--
-- A statement that names {segment} runs once for every segment there is, and is
-- kept in segment_ddl, from which every later segment is made.

CREATE TABLE segments (
    name            TEXT PRIMARY KEY,
    lo_ns           INTEGER NOT NULL,           -- first datetime_ns it may hold
    hi_ns           INTEGER NOT NULL,           -- first datetime_ns it may not hold
    event_count     INTEGER NOT NULL DEFAULT 0,
    max_datetime_ns INTEGER NOT NULL DEFAULT 0,
    first_stored_ns INTEGER NOT NULL DEFAULT 0,
    last_stored_ns  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE store_state (
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_stored_ns INTEGER NOT NULL             -- never goes back, whatever is deleted
) STRICT;

INSERT INTO store_state (only_row, last_stored_ns) VALUES (1, 0);

CREATE TABLE {segment} (
    stored_ns             INTEGER PRIMARY KEY,  -- commit order; one writer assigns it
    id                    BLOB NOT NULL,
    datetime_ns           INTEGER NOT NULL,
    tenant_id             TEXT NOT NULL DEFAULT '',
    kind                  TEXT NOT NULL CHECK (kind IN ('crud', 'login', 'request', 'cors', 'system')),
    type                  TEXT,
    received_ns           INTEGER,
    service               TEXT,
    producer              TEXT,
    producer_seq          INTEGER,
    trace_id              BLOB,
    span_id               BLOB,
    action                TEXT,
    outcome               TEXT,
    reason                TEXT,
    severity_number       INTEGER,
    user_id               TEXT,
    username              TEXT,
    user_email            TEXT,
    actor_type            TEXT,
    on_behalf_of          TEXT,
    auth_method           TEXT,
    auth_verified         TEXT,
    auth_issuer           TEXT,
    auth_key_id           TEXT,
    session_key           TEXT,
    remote_ip             TEXT,
    user_agent            TEXT,
    browser               TEXT,
    platform              TEXT,
    operating_system      TEXT,
    latitude_e7           INTEGER,              -- degrees x 1e7
    longitude_e7          INTEGER,              -- degrees x 1e7
    city                  TEXT,
    country               TEXT,
    country_code          TEXT,
    region_code           TEXT,
    object_id             TEXT,
    content_type          TEXT,
    object_repr           TEXT,
    method                TEXT,
    url                   TEXT,
    query_string          TEXT,
    route                 TEXT,
    response_status       INTEGER,
    response_time_us      INTEGER,
    request_body_size     INTEGER,
    response_body_size    INTEGER,
    origin                TEXT,
    allowed               INTEGER,              -- 1 yes, 2 no
    category              TEXT,
    source                TEXT,
    flags                 INTEGER,
    truncated_fields      TEXT,
    schema_version        INTEGER,
    integrity_hash        BLOB,
    integrity_salts       BLOB,
    integrity_commitments BLOB,
    user_roles            TEXT,                 -- the long ones last
    object_json_repr      TEXT,
    changed_fields        TEXT,
    extra_data            TEXT,
    message               TEXT,
    traceback             TEXT,
    datetime              TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', datetime_ns / 1e9, 'unixepoch')) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX {segment}_key ON {segment} (id, datetime_ns, tenant_id);

CREATE INDEX {segment}_time ON {segment} (tenant_id, kind, datetime_ns, id);

CREATE INDEX {segment}_user ON {segment} (tenant_id, user_id, kind, datetime_ns, id) WHERE user_id IS NOT NULL;

CREATE INDEX {segment}_addr ON {segment} (tenant_id, remote_ip, kind, datetime_ns, id) WHERE remote_ip IS NOT NULL;

CREATE INDEX {segment}_object ON {segment} (tenant_id, object_id, kind, datetime_ns, id) WHERE object_id IS NOT NULL;

CREATE INDEX {segment}_failed ON {segment} (tenant_id, kind, datetime_ns, id) WHERE type = 'login_failed';

CREATE INDEX {segment}_slow ON {segment} (tenant_id, kind, response_time_us, datetime_ns, id) WHERE response_time_us IS NOT NULL;
