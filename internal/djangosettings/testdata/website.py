"""Settings of a website: sessions, the Django admin, one database."""
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "django-insecure-hunter2-$(x)s"
DEBUG = False

INSTALLED_APPS = [
    "django.contrib.admin",
    "activitylog",
]
INSTALLED_APPS += ["rest_framework"]

MIDDLEWARE = [
    "activitylog.middleware.middleware.ActivityLogMiddleware",
    *["django.middleware.security.SecurityMiddleware"],
]

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}

ACTIVITYLOG = {
    "WATCH_MODEL_EVENTS": True,
    "WATCH_AUTH_EVENTS": True,
    "WATCH_REQUEST_EVENTS": True,
    "WATCH_CORS_EVENTS": False,
    "LOGGING_BACKEND": "activitylog.backends.ModelBackend",
    "UNREGISTERED_URLS_EXTRA": [
        r"^/static/",
        r"^/media/",
        r"^/health/",
        r"/private/(?!open)",  # RE2 has no look-ahead
        "^/robots\.txt$",
        "a|b",
    ],
    "UNREGISTERED_CLASSES_EXTRA": ["shop.Basket", "sessions.Session", AuditIgnored],
    "GEOIP_PATH": str(BASE_DIR / "geo" / "GeoLite2-City.mmdb"),
    "DEFAULT_RETENTION_DAYS": 90,
    "ADMIN_SHOW_CORS_EVENTS": False,
    "READONLY_EVENTS": True,
}
