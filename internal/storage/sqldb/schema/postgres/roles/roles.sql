-- A role that writes events and can neither change nor delete them, and one that
-- reads. Run it as the owner of the schema, after auditctl migrate, with the
-- schema in the search_path; then GRANT activitylog_writer TO the user of the
-- collector, which runs with create_schema: false. Retention and erasure need
-- the owner: give that user to the collector (or the auditctl) that does them.

CREATE ROLE activitylog_writer NOLOGIN;

GRANT USAGE ON SCHEMA activitylog TO activitylog_writer;

GRANT SELECT, INSERT ON activity_events TO activitylog_writer;

GRANT SELECT ON schema_version, activity_events_default TO activitylog_writer;

GRANT SELECT, UPDATE ON store_state TO activitylog_writer;

GRANT EXECUTE ON FUNCTION activity_make_partition(BIGINT) TO activitylog_writer;

-- Batches go through a temporary table. PUBLIC has this right unless it was revoked.
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO activitylog_writer', current_database()); END $$;

CREATE ROLE activitylog_reader NOLOGIN;

GRANT USAGE ON SCHEMA activitylog TO activitylog_reader;

GRANT SELECT ON schema_version, activity_events, activity_events_default, activity_log TO activitylog_reader;
