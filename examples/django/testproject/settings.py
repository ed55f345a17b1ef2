"""A shop with session and JWT logins that reports to a collector. The tests steer it by environment."""
import os
import sys
from datetime import timedelta
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(BASE_DIR.parent))  # activitylog.py

DEBUG = False
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "only for tests, and at least thirty-two bytes")
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework", "shop",
    "activitylog.ActivityLog",
]
MIDDLEWARE = [
    "activitylog.middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ACTIVITYLOG_PRODUCER = {
    "service": "shop",
    "endpoint": os.environ.get("SHOP_COLLECTOR", "http://127.0.0.1:4319/v1/events"),
    "spool_dir": os.environ.get("SHOP_SPOOL", BASE_DIR / "spool"),
    "timeout": float(os.environ.get("SHOP_TIMEOUT", "5")),
    "spool_bytes": int(os.environ.get("SHOP_SPOOL_BYTES", 256 << 20)),
    "mask_fields": "^iban$",
}

DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("SHOP_DB", BASE_DIR / "shop.sqlite3"),
    "OPTIONS": {"timeout": 20},
}}
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]}
SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1), "SIGNING_KEY": SECRET_KEY}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed, in tests only
