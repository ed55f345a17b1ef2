import os
from datetime import timedelta

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    ],
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=60),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "AUTH_HEADER_TYPES": ("Bearer", "JWT"),
    "USER_ID_CLAIM": "uid",
    "JTI_CLAIM": "token_id",
    "ISSUER": "https://id.example.com",
    "AUDIENCE": ["shop", "back-office"],
    "LEEWAY": timedelta(seconds=10),
}

ACTIVITYLOG = {
    "JWT_VERIFY_SIGNATURE": True,
    "JWT_ALGORITHMS": ["HS256", "HS512", "RS256"],
    "REMOTE_ADDR_HEADER": "HTTP_CF_CONNECTING_IP,HTTP_X_FORWARDED_FOR",
    "REGISTERED_URLS": [
        r"^/api/",
    ],
    "UNREGISTERED_URLS_EXTRA": [
        r"^/api/health/",
        r"^/api/schema/",
    ],
    "REGISTERED_CLASSES": ["shop.Order", "shop.OrderLine"],
}
