-- Least privilege on a database that auditctl migrate has made, here named
-- activitylog. Give the three to users; MySQL and MariaDB take the same words
-- for a role and a user.
--
-- The writer cannot change or delete an event, nor where reads look for one; of
-- segments it notes what the feed goes by. With create_schema: false it
-- makes no partitions: run auditctl migrate as the owner once a month, or what
-- comes later than the months there are lies in the last partition until then.

GRANT SELECT, INSERT ON activitylog.activity_events TO activitylog_writer;
GRANT SELECT, UPDATE (first_stored_ns, last_stored_ns) ON activitylog.segments TO activitylog_writer;
GRANT SELECT, UPDATE ON activitylog.store_state TO activitylog_writer;
GRANT SELECT ON activitylog.schema_version TO activitylog_writer;

-- The keeper is auditapi with retention and erasure. Without ALTER and DROP, and
-- with create_schema: false, it deletes rows instead of partitions.
GRANT SELECT, INSERT, UPDATE, DELETE, ALTER, CREATE, DROP ON activitylog.activity_events TO activitylog_keeper;
GRANT SELECT, INSERT, UPDATE, DELETE ON activitylog.segments TO activitylog_keeper;
GRANT SELECT, UPDATE ON activitylog.store_state TO activitylog_keeper;
GRANT SELECT ON activitylog.schema_version TO activitylog_keeper;

GRANT SELECT ON activitylog.activity_events TO activitylog_reader;
GRANT SELECT ON activitylog.segments TO activitylog_reader;
GRANT SELECT ON activitylog.store_state TO activitylog_reader;
GRANT SELECT ON activitylog.schema_version TO activitylog_reader;
