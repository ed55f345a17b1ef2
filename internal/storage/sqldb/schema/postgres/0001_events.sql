-- version 1, works with 1: activity events by month
--
-- Names are those of the store's own schema: search_path is that and pg_temp.
-- Text compares by bytes (COLLATE "C"): no library of the operating system can
-- change the order of an index.

CREATE TABLE store_state (
    only_row       INTEGER PRIMARY KEY CHECK (only_row = 1),
    last_stored_ns BIGINT NOT NULL               -- never goes back; its lock makes the commits of all writers follow each other
) WITH (fillfactor = 10);

INSERT INTO store_state (only_row, last_stored_ns) VALUES (1, 0);

CREATE TABLE activity_events (
    stored_ns             BIGINT NOT NULL,       -- commit order, over every writer
    datetime_ns           BIGINT NOT NULL,
    received_ns           BIGINT,
    id                    UUID NOT NULL,
    tenant_id             TEXT COLLATE "C" NOT NULL DEFAULT '',
    kind                  TEXT COLLATE "C" NOT NULL CHECK (kind IN ('crud', 'login', 'request', 'cors', 'system')),
    type                  TEXT COLLATE "C",
    service               TEXT COLLATE "C",
    producer              TEXT COLLATE "C",
    producer_seq          BIGINT,
    trace_id              BYTEA,
    span_id               BYTEA,
    action                TEXT COLLATE "C",
    outcome               TEXT COLLATE "C",
    reason                TEXT COLLATE "C",
    severity_number       BIGINT,
    user_id               TEXT COLLATE "C",
    username              TEXT COLLATE "C",
    user_email            TEXT COLLATE "C",
    actor_type            TEXT COLLATE "C",
    on_behalf_of          TEXT COLLATE "C",
    auth_method           TEXT COLLATE "C",
    auth_verified         TEXT COLLATE "C",
    auth_issuer           TEXT COLLATE "C",
    auth_key_id           TEXT COLLATE "C",
    session_key           TEXT COLLATE "C",
    remote_ip             TEXT COLLATE "C",
    user_agent            TEXT COLLATE "C",
    browser               TEXT COLLATE "C",
    platform              TEXT COLLATE "C",
    operating_system      TEXT COLLATE "C",
    latitude_e7           BIGINT,                -- degrees x 1e7
    longitude_e7          BIGINT,                -- degrees x 1e7
    city                  TEXT COLLATE "C",
    country               TEXT COLLATE "C",
    country_code          TEXT COLLATE "C",
    region_code           TEXT COLLATE "C",
    object_id             TEXT COLLATE "C",
    content_type          TEXT COLLATE "C",
    object_repr           TEXT COLLATE "C",
    method                TEXT COLLATE "C",
    url                   TEXT COLLATE "C",
    query_string          TEXT COLLATE "C",
    route                 TEXT COLLATE "C",
    response_status       BIGINT,
    response_time_us      BIGINT,
    request_body_size     BIGINT,
    response_body_size    BIGINT,
    origin                TEXT COLLATE "C",
    allowed               BIGINT,                -- 1 yes, 2 no
    category              TEXT COLLATE "C",
    source                TEXT COLLATE "C",
    flags                 BIGINT,
    truncated_fields      TEXT COLLATE "C",
    schema_version        BIGINT,
    integrity_hash        BYTEA,
    integrity_salts       BYTEA,
    integrity_commitments BYTEA,
    user_roles            TEXT COLLATE "C",
    object_json_repr      TEXT COLLATE "C",
    changed_fields        TEXT COLLATE "C",
    extra_data            TEXT COLLATE "C",
    message               TEXT COLLATE "C",
    traceback             TEXT COLLATE "C"
) PARTITION BY RANGE (datetime_ns);

CREATE UNIQUE INDEX activity_events_key ON activity_events (id, datetime_ns, tenant_id);

CREATE INDEX activity_events_time ON activity_events (tenant_id, kind, datetime_ns, id);

CREATE INDEX activity_events_user ON activity_events (tenant_id, user_id, kind, datetime_ns, id) WHERE user_id IS NOT NULL;

CREATE INDEX activity_events_addr ON activity_events (tenant_id, remote_ip, kind, datetime_ns, id) WHERE remote_ip IS NOT NULL;

CREATE INDEX activity_events_object ON activity_events (tenant_id, object_id, kind, datetime_ns, id) WHERE object_id IS NOT NULL;

CREATE INDEX activity_events_failed ON activity_events (tenant_id, kind, datetime_ns, id) WHERE type = 'login_failed';

CREATE INDEX activity_events_slow ON activity_events (tenant_id, kind, response_time_us, datetime_ns, id) WHERE response_time_us IS NOT NULL;

CREATE INDEX activity_events_stored ON activity_events (stored_ns);

-- Events whose month has no partition. It is watched: it should be empty.
CREATE TABLE activity_events_default PARTITION OF activity_events DEFAULT;

-- Makes the partition of the month of a time, so that a writer needs no right to
-- change tables. Gives false for a time more than 11 years ago or 3 months ahead.
-- The new table is attached empty. That takes locks from the parent down, waits a
-- second for each, and reads the default partition to its end while nobody else
-- can: the caller has to bound the statement, which does nothing when it ends early.
-- A month with events in the default partition is refused; auditctl migrate moves them.
CREATE FUNCTION activity_make_partition(at_ns BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '1s' AS $$
DECLARE
    month TIMESTAMP := date_trunc('month', to_timestamp(at_ns / 1000000000) AT TIME ZONE 'UTC');
    part TEXT := 'activity_events_' || to_char(month, 'YYYYMM');
    lo BIGINT := extract(epoch FROM month)::BIGINT * 1000000000;
    hi BIGINT := extract(epoch FROM month + INTERVAL '1 month')::BIGINT * 1000000000;
BEGIN
    IF month < (now() AT TIME ZONE 'UTC') - INTERVAL '11 years' OR month > (now() AT TIME ZONE 'UTC') + INTERVAL '3 months' THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock('activity_events'::regclass::oid::bigint);
    IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'activity_events'::regclass AND inhrelid = to_regclass(part)) THEN
        RETURN true;
    END IF;
    LOCK TABLE ONLY activity_events IN SHARE UPDATE EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM activity_events_default WHERE datetime_ns >= lo AND datetime_ns < hi) THEN
        RAISE EXCEPTION 'events of the month are in activity_events_default: auditctl migrate moves them' USING ERRCODE = 'check_violation';
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE activity_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE)', part);
    EXECUTE format('ALTER TABLE activity_events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', part, lo, hi);
    RETURN true;
END
$$;

SELECT activity_make_partition(extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') + n * INTERVAL '1 month')::BIGINT * 1000000000)
FROM generate_series(0, 2) AS n;

REVOKE ALL ON FUNCTION activity_make_partition(BIGINT) FROM PUBLIC;

-- For people: the time as a timestamp.
CREATE VIEW activity_log AS SELECT to_timestamp(datetime_ns / 1e9) AS datetime, activity_events.* FROM activity_events;
