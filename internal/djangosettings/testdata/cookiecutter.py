# ruff: noqa: ERA001, E501
"""Base settings to build other settings files upon."""

import environ

from .common import *  # noqa: F403

env = environ.Env()

READ_DOT_ENV_FILE = env.bool("DJANGO_READ_DOT_ENV_FILE", default=False)
if READ_DOT_ENV_FILE:
    env.read_env(str(BASE_DIR / ".env"))

DATABASES = {"default": env.db("DATABASE_URL", default="postgres:///shop")}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DATABASES["audit"] = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": env("AUDIT_DB_NAME", default="audit"),
    "USER": "audit",
    "PASSWORD": env("AUDIT_DB_PASSWORD", default="hunter2"),
    "HOST": env("AUDIT_DB_HOST"),
}
SECRET_KEY = env("DJANGO_SECRET_KEY", default="hunter2")
CELERY_BROKER_URL = env("REDIS_URL", default="redis://redis:6379/0")

_NOISE = [r"^/health/", r"^/metrics/"]

ACTIVITYLOG = {
    **AUDIT_DEFAULTS,
    "WATCH_REQUEST_EVENTS": env.bool("AUDIT_REQUESTS", default=True),
    "GEOIP_PATH": env("GEOIP_PATH", default="/usr/share/GeoIP/GeoLite2-City.mmdb"),
    "UNREGISTERED_URLS_EXTRA": [
        *_NOISE,
        rf"^/{ADMIN_URL}",
        r"^/ws/" r"(chat|feed)/",
        r"^/\w+/preview$",
    ],
    "DATABASE_ALIAS": "audit",
    "JWT_VERIFY_SIGNATURE": True,
    "JWT_SECRET_KEY": get_secret("hunter2"),
    "DEFAULT_RETENTION_DAYS": env.int("AUDIT_DAYS", 365),
}

if DEBUG:
    ACTIVITYLOG["ASYNC_ENABLED"] = False
