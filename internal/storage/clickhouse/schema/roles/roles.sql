-- writes events and reads them back; create_schema: false
GRANT SELECT, INSERT ON {database}.activity_events TO writer;
GRANT SELECT ON {database}.activity_schema TO writer;
-- retention and erasure (auditapi): also
GRANT ALTER DELETE, ALTER UPDATE ON {database}.activity_events TO keeper;
-- create_schema: true: also
GRANT CREATE TABLE, ALTER TABLE, INSERT ON {database}.* TO keeper;
-- reads (auditctl verify): a profile with readonly = 2, so that limits can be set
GRANT SELECT ON {database}.* TO reader;
