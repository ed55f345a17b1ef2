SECRET_KEY = "hunter2"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "app"},
    "logs": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "activity_logs",
        "HOST": "logs-db.example.com",
        "USER": "loguser",
        "PASSWORD": "hunter2",
        "OPTIONS": {"sslmode": "require"},
    },
}
CELERY_BROKER_URL = "redis://:hunter2@localhost:6379/0"

ACTIVITYLOG = {
    "ASYNC_ENABLED": True,
    "LOGGING_BACKEND": "activitylog.backends.MultiBackend",
    "MULTI_BACKENDS": [
        "activitylog.backends.ModelBackend",
        "activitylog.backends.ClickHouseBackend",
        "activitylog.backends.MongoBackend",
        "activitylog.backends.ScyllaDBBackend",
        "acme.logging.SplunkBackend",
    ],
    "DATABASE_ALIAS": "logs",
    "USER_DB_CONSTRAINT": False,
    "CHECK_IF_REQUEST_USER_EXISTS": False,
    "CRUD_EVENT_NO_CHANGED_FIELDS_SKIP": True,
    "CRUD_DIFFERENCE_CALLBACKS": ["acme.hooks.should_log"],
    "JWT_VERIFY_SIGNATURE": True,
    "JWT_ALGORITHM": "RS256",
    "JWT_PUBLIC_KEY": """
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAywjf1qVoBBu/RHTdl8Jv
faZ/jmwFLFUi4Snyh3Y52RsfXsrCIfv5sFiZgfOAC6ZEzeFj3aRyRbGvHx+1O+1A
zxkd5rzzytw5VmngtX15s3vQomOSsKrtRnZWnsI9HM17xLHm8xXozIlwGi+y9NCl
8udwl1y2ULebwvElm3zUpm9lnDZh44BI1Xtf275KFmKVkKsbfLe9oiAdOhnvTgBM
IqpFIt8RqaBCecXQddhDEqVy0TlnkTTNWDVYM8DJo4kBm7W6stUPLro1JVZQ29Eb
BSzurzUTUJuF/vAjafMT6GObbQhYXmPqiu9YhRSjumHi5GrxrRNe2jNigsX8HJyA
RwIDAQAB
-----END PUBLIC KEY-----
""",
    "REALTIME_ENABLED": True,
    "TRUNCATE_TABLE_SQL_STATEMENT": 'TRUNCATE TABLE "{db_table}" RESTART IDENTITY CASCADE',
}
ACTIVITYLOG["UNREGISTERED_URLS_EXTRA"] = [r"^/static/", r"^/media/"]
ACTIVITYLOG["UNREGISTERED_URLS_EXTRA"] += [r"^/admin/jsi18n/"]
ACTIVITYLOG.update({"DEFAULT_RETENTION_DAYS": 90})

ACTIVITYLOG_CLICKHOUSE = {
    "host": "clickhouse.example.com",
    "port": 9000,
    "database": "activitylog",
    "user": "default",
    "password": "hunter2",
}
ACTIVITYLOG_MONGODB = {"uri": "mongodb://app:hunter2@mongo.example.com:27017", "database": "activitylog"}
ACTIVITYLOG_SCYLLADB = {
    "contact_points": ["scylla1.example.com", "scylla2.example.com"],
    "port": 9042,
    "keyspace": "activitylog",
}
