# Everything here is a literal: Python gives the same values.
_PREFIX = "/v" "1"
_NOISE = [
    r"^/health/",
    "^/robots\.txt$",
    '''^/tri'ple"/''',
    "^/caf\u00e9/",
    "^/\x41\101\t/",
    "^/line\
/",
    u"^/u/" r"\d+/",
]
_BASE = {"WATCH_CORS_EVENTS": False, "WATCH_AUTH_EVENTS": False}
ACTIVITYLOG = {
    **_BASE,
    "WATCH_AUTH_EVENTS": True,
    "UNREGISTERED_URLS": ["^" + _PREFIX + "/internal/", *_NOISE],
    "UNREGISTERED_CLASSES_EXTRA": ("shop.Basket",),
    "REGISTERED_CLASSES": {"shop.Order"},
    "JWT_AUTH_HEADER_PREFIX": ("JWT"),
    "REMOTE_ADDR_HEADER": "HTTP_X_REAL_IP",
    "DEFAULT_RETENTION_DAYS": 0x5A,
    "GEOIP_PATH": None,
}
ACTIVITYLOG["UNREGISTERED_URLS_EXTRA"] = []
ACTIVITYLOG["UNREGISTERED_URLS_EXTRA"].append("^/a/"); ACTIVITYLOG["UNREGISTERED_URLS_EXTRA"] += ["^/b/"]
ACTIVITYLOG.update({"CRUD_EVENT_NO_CHANGED_FIELDS_SKIP": True}, READONLY_EVENTS=True)
ACTIVITYLOG.setdefault("GEOIP_PATH", "/not/used")
ACTIVITYLOG |= dict(TRACK_RESPONSE_METRICS=True)
