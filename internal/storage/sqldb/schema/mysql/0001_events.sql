-- version 1, works with 1: activity events in one table, partitioned by month
--
-- MySQL commits before and after each of these statements, so that each can be
-- run again after a crash in the middle: the version is noted last.
--
-- Text is VARBINARY: limits are in bytes, and every byte counts in a comparison
-- ('a', 'A' and 'a ' differ). It is 256 where the limit is 255, because InnoDB
-- keeps no column of up to 255 bytes outside the row's page, and a row of them
-- all at their limits must fit into half a page. All of it is 21,000 of the
-- 65,535 bytes that MySQL allows a row beside its BLOBs.

CREATE TABLE IF NOT EXISTS segments (
    name            VARBINARY(256) PRIMARY KEY, -- of a partition of activity_events
    lo_ns           BIGINT NOT NULL,            -- first datetime_ns it may hold
    hi_ns           BIGINT NOT NULL,            -- first datetime_ns it may not hold
    first_stored_ns BIGINT NOT NULL DEFAULT 0,
    last_stored_ns  BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;

INSERT INTO segments (name, lo_ns, hi_ns)
    SELECT 'pmax', -9223372036854775808, 9223372036854775807 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM segments);

CREATE TABLE IF NOT EXISTS store_state (
    only_row       TINYINT PRIMARY KEY CHECK (only_row = 1),
    last_stored_ns BIGINT NOT NULL,             -- never goes back, whatever is deleted
    segment_change BIGINT NOT NULL              -- one more with every change of the list of segments
) ENGINE = InnoDB;

INSERT INTO store_state (only_row, last_stored_ns, segment_change) SELECT 1, 0, 0 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM store_state);

CREATE TABLE IF NOT EXISTS activity_events (
    stored_ns             BIGINT NOT NULL,      -- commit order
    id                    BINARY(16) NOT NULL,
    datetime_ns           BIGINT NOT NULL,
    tenant_id             VARBINARY(256) NOT NULL DEFAULT '',
    kind                  VARBINARY(16) NOT NULL CHECK (kind IN ('crud', 'login', 'request', 'cors', 'system')),
    type                  VARBINARY(256),
    received_ns           BIGINT,
    service               VARBINARY(256),
    producer              VARBINARY(256),
    producer_seq          BIGINT,
    trace_id              BINARY(16),
    span_id               BINARY(8),
    action                VARBINARY(256),
    outcome               VARBINARY(256),
    reason                VARBINARY(512),
    severity_number       BIGINT,
    user_id               VARBINARY(256),
    username              VARBINARY(256),
    user_email            VARBINARY(256),
    actor_type            VARBINARY(256),
    on_behalf_of          VARBINARY(256),
    auth_method           VARBINARY(256),
    auth_verified         VARBINARY(256),
    auth_issuer           VARBINARY(256),
    auth_key_id           VARBINARY(256),
    session_key           VARBINARY(256),
    remote_ip             VARBINARY(256),
    user_agent            VARBINARY(2048),
    browser               VARBINARY(256),
    platform              VARBINARY(256),
    operating_system      VARBINARY(256),
    latitude_e7           BIGINT,               -- degrees x 1e7
    longitude_e7          BIGINT,               -- degrees x 1e7
    city                  VARBINARY(256),
    country               VARBINARY(256),
    country_code          VARBINARY(256),
    region_code           VARBINARY(256),
    object_id             VARBINARY(256),
    content_type          VARBINARY(256),
    object_repr           VARBINARY(512),
    method                VARBINARY(256),
    url                   VARBINARY(2048),
    query_string          VARBINARY(4096),
    route                 VARBINARY(256),
    response_status       BIGINT,
    response_time_us      BIGINT,
    request_body_size     BIGINT,
    response_body_size    BIGINT,
    origin                VARBINARY(512),
    allowed               BIGINT,               -- 1 yes, 2 no
    category              VARBINARY(256),
    source                VARBINARY(512),
    flags                 BIGINT,
    truncated_fields      VARBINARY(2048),
    schema_version        BIGINT,
    integrity_hash        VARBINARY(256),
    integrity_salts       VARBINARY(256),
    integrity_commitments VARBINARY(256),
    user_roles            MEDIUMBLOB,           -- the long ones last
    object_json_repr      MEDIUMBLOB,
    changed_fields        MEDIUMBLOB,
    extra_data            MEDIUMBLOB,
    message               MEDIUMBLOB,
    traceback             MEDIUMBLOB,
    object_hash           BINARY(16) GENERATED ALWAYS AS (unhex(left(sha2(object_id, 256), 32))) STORED,
    datetime              DATETIME(6) GENERATED ALWAYS AS (timestampadd(MICROSECOND, datetime_ns DIV 1000, TIMESTAMP'1970-01-01 00:00:00')) VIRTUAL,
    PRIMARY KEY (stored_ns, datetime_ns),
    UNIQUE KEY activity_key (id, datetime_ns, tenant_id),
    KEY activity_time (tenant_id, kind, datetime_ns, id),
    KEY activity_user (tenant_id, user_id, kind, datetime_ns, id),
    KEY activity_addr (tenant_id, remote_ip, kind, datetime_ns, id),
    KEY activity_object (tenant_id, object_hash, kind, datetime_ns, id),
    KEY activity_failed (tenant_id, type, kind, datetime_ns, id),
    KEY activity_slow (tenant_id, kind, response_time_us, datetime_ns, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC
PARTITION BY RANGE (datetime_ns) (PARTITION pmax VALUES LESS THAN MAXVALUE);
