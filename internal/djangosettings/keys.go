package djangosettings

import "strings"

// known are the settings of the package, each key of its ACTIVITYLOG dict.
var known = []string{
	"WATCH_MODEL_EVENTS", "WATCH_AUTH_EVENTS", "WATCH_REQUEST_EVENTS", "WATCH_CORS_EVENTS",
	"ASYNC_ENABLED", "LOGGING_BACKEND", "MULTI_BACKENDS",
	"REMOTE_ADDR_HEADER", "BROWSER_HEADER", "PLATFORM_HEADER", "OS_HEADER", "TRACK_RESPONSE_METRICS",
	"JWT_AUTH_HEADER_PREFIX", "JWT_ALGORITHM", "JWT_ALGORITHMS", "JWT_SECRET_KEY", "JWT_PUBLIC_KEY", "JWT_VERIFY_SIGNATURE",
	"DATABASE_ALIAS", "USER_DB_CONSTRAINT", "CHECK_IF_REQUEST_USER_EXISTS", "GEOIP_PATH",
	"UNREGISTERED_URLS", "UNREGISTERED_URLS_EXTRA", "REGISTERED_URLS",
	"UNREGISTERED_CLASSES_EXTRA", "REGISTERED_CLASSES",
	"CRUD_EVENT_NO_CHANGED_FIELDS_SKIP", "CRUD_DIFFERENCE_CALLBACKS",
	"READONLY_EVENTS", "PROPAGATE_EXCEPTIONS", "REALTIME_ENABLED", "DEFAULT_RETENTION_DAYS",
	"ADMIN_SHOW_MODEL_EVENTS", "ADMIN_SHOW_AUTH_EVENTS", "ADMIN_SHOW_REQUEST_EVENTS", "ADMIN_SHOW_CORS_EVENTS",
	"CRUD_EVENT_LIST_FILTER", "CRUD_EVENT_SEARCH_FIELDS", "LOGIN_EVENT_LIST_FILTER", "LOGIN_EVENT_SEARCH_FIELDS",
	"REQUEST_EVENT_LIST_FILTER", "REQUEST_EVENT_SEARCH_FIELDS", "CORS_EVENT_LIST_FILTER", "CORS_EVENT_SEARCH_FIELDS",
	"TRUNCATE_TABLE_SQL_STATEMENT",
}

// renamed are the legacy names that are not the prefix and the key.
var renamed = map[string]string{
	"BROWSER_HEADER":    legacyPrefix + "BROWSER",
	"PLATFORM_HEADER":   legacyPrefix + "PLATFORM",
	"OS_HEADER":         legacyPrefix + "OPERATING_SYSTEM",
	"UNREGISTERED_URLS": legacyPrefix + "UNREGISTERED_URLS_DEFAULT",
	"REALTIME_ENABLED":  "ACTIVITYLOG_REALTIME_ENABLED",
}

// legacy gives the top-level name that the package reads where the dict has no
// such key; for some it does not document that it does.
func legacy(key string) string {
	if name, ok := renamed[key]; ok {
		return name
	}
	return legacyPrefix + key
}

// without is why a setting has no counterpart, and what there is instead. A
// value that asks for nothing (plain) is not worth a word.
type without struct {
	plain any
	why   string
}

const adminWhy = "there is no Django admin; the query API filters and searches every field, and its token sees all"

// counterparts of none: the setting cannot mean anything here.
var noCounterpart = map[string]without{
	"TRACK_RESPONSE_METRICS":       {true, "status, time and sizes are what the application sends with a request; let it not send them"},
	"USER_DB_CONSTRAINT":           {nil, ""},
	"CHECK_IF_REQUEST_USER_EXISTS": {nil, ""},
	"READONLY_EVENTS":              {nil, ""},
	"PROPAGATE_EXCEPTIONS":         {false, "no failure of the collector reaches a request: the application's sender decides what it does with an error"},
	"REALTIME_ENABLED":             {false, "the live stream of the query API comes later"},
	"CRUD_DIFFERENCE_CALLBACKS":    {[]any(nil), "Python cannot run here; write the rule as a condition in filter::drop or filter::keep, or let the application not send the event"},
	"ADMIN_SHOW_MODEL_EVENTS":      {true, adminWhy},
	"ADMIN_SHOW_AUTH_EVENTS":       {true, adminWhy},
	"ADMIN_SHOW_REQUEST_EVENTS":    {true, adminWhy},
	"ADMIN_SHOW_CORS_EVENTS":       {true, adminWhy},
	"CRUD_EVENT_LIST_FILTER":       {[]any(nil), adminWhy},
	"CRUD_EVENT_SEARCH_FIELDS":     {[]any(nil), adminWhy},
	"LOGIN_EVENT_LIST_FILTER":      {[]any(nil), adminWhy},
	"LOGIN_EVENT_SEARCH_FIELDS":    {[]any(nil), adminWhy},
	"REQUEST_EVENT_LIST_FILTER":    {[]any(nil), adminWhy},
	"REQUEST_EVENT_SEARCH_FIELDS":  {[]any(nil), adminWhy},
	"CORS_EVENT_LIST_FILTER":       {[]any(nil), adminWhy},
	"CORS_EVENT_SEARCH_FIELDS":     {[]any(nil), adminWhy},
	"TRUNCATE_TABLE_SQL_STATEMENT": {"", "nothing here empties a table at once; auditctl cleanup --days deletes by age"},
}

// dropped are legacy names that version 2 no longer reads.
var dropped = map[string]string{
	legacyPrefix + "PRIMARY_KEY":                  "ids are UUIDs here, or what the client sends",
	legacyPrefix + "UNREGISTERED_CLASSES_DEFAULT": "version 2 no longer reads it; write filter::exclude_models in the place of its built-in exclusions",
}

// Keys lists every setting of the package, with its legacy and its top-level names.
func Keys() []string {
	list := append([]string{}, known...)
	for _, k := range known {
		if name, ok := renamed[k]; ok {
			list = append(list, name)
		}
	}
	for name := range dropped {
		list = append(list, name)
	}
	return append(list, "ACTIVITYLOG_CLICKHOUSE", "ACTIVITYLOG_MONGODB", "ACTIVITYLOG_SCYLLADB", "CELERY_BROKER_URL", "BROKER_URL", "TEST",
		strings.TrimSuffix(legacyPrefix, "_")+"_*")
}
