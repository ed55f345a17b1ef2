package djangosettings

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

// store is a database that events are written to.
type store struct {
	exporter string // auditsql
	driver   string // postgres
	// keys are the driver's, a line each; a block's begin with spaces.
	keys []string
}

const backends = "activitylog.backends."

// stores gives the databases of the backends, and whether what is accepted is
// delivered later.
func (c *converter) stores() (list []store, later bool) {
	backend, given := c.get("LOGGING_BACKEND")
	main, _ := c.text(backend, given)
	asked, isAsked := c.get("ASYNC_ENABLED")
	broker, hasBroker := first(func() (setting, bool) { return c.top("CELERY_BROKER_URL") }, func() (setting, bool) { return c.top("BROKER_URL") })
	later = isAsked && c.flag("ASYNC_ENABLED", true) || hasBroker || main == backends+"AsyncBackend"
	if isAsked && !c.flag("ASYNC_ENABLED", true) || main == backends+"ModelBackend" {
		later = false
	}
	if hasBroker {
		c.add(Differs, broker, "no broker and no worker are needed: the collector keeps what it accepted on its own disk until the database has it")
	}
	if later {
		s := broker
		switch {
		case isAsked:
			s = asked
		case given:
			s = backend
		}
		c.add(Differs, s, "an event is acknowledged when it is on the collector's disk; without the sending_queue blocks it is when the database has it")
	}
	names, from := []string{main}, backend
	if multi, ok := c.get("MULTI_BACKENDS"); main == backends+"MultiBackend" {
		names, from = c.texts(multi, ok), multi
	} else if list, isList := multi.Value.([]any); ok && multi.Value != nil && (!isList || len(list) > 0) {
		c.add(Differs, multi, "left out, as it counts for MultiBackend alone")
	}
	for _, name := range names {
		st, ok := c.store(name, from)
		if ok && !slices.ContainsFunc(list, func(s store) bool { return s.exporter == st.exporter }) {
			list = append(list, st)
		}
	}
	if len(list) == 0 {
		list = append(list, c.sql())
	}
	return list, later
}

func (c *converter) store(name string, from setting) (store, bool) {
	switch name {
	case "", backends + "ModelBackend", backends + "AsyncBackend":
		return c.sql(), true
	case backends + "ClickHouseBackend":
		return c.clickhouse(), true
	case backends + "MongoBackend":
		return c.mongo(), true
	case backends + "ScyllaDBBackend":
		return c.scylla(), true
	}
	c.add(Lost, from, "%s is a class of your own; send its copy of the events with another exporter (otlphttp, kafka), with a sending_queue on file_storage", strconv.Quote(cut(name)))
	return store{}, false
}

var sqlite = store{exporter: "auditsql", driver: "sqlite", keys: []string{"directory: ${env:ACTIVITYLOG_DATA_DIR:-./data}"}}

// sql is the database behind the alias: SQLite beside the collector unless an
// alias of its own names a server.
func (c *converter) sql() store {
	s, given := c.get("DATABASE_ALIAS")
	alias, ok := c.text(s, given)
	if !ok || alias == "default" {
		return sqlite
	}
	item, _ := c.module.Get("DATABASES")
	all, _ := item.Value.(*pyliteral.Dict)
	entry, there := all.Get(alias)
	db, isDict := entry.Value.(*pyliteral.Dict)
	if !there || !isDict {
		c.add(Lost, s, "DATABASES does not say what %s is; events go to SQLite. See deploy/postgres.yaml and its neighbours for a server", strconv.Quote(cut(alias)))
		return sqlite
	}
	at := setting{"DATABASES[" + strconv.Quote(cut(alias)) + "]", entry}
	engine := ""
	if e, ok := db.Get("ENGINE"); ok {
		engine, _ = e.Value.(string)
	}
	engine = engine[strings.LastIndexByte(engine, '.')+1:]
	server := &server{c: c, at: at, dict: db}
	switch engine {
	case "postgresql", "postgresql_psycopg2", "postgis":
		return store{"auditsql", "postgres", server.keys("activitylog", "postgres-dsn", "5432", postgresDSN)}
	case "mysql":
		return store{"auditsql", "mysql", server.keys("activitylog", "mysql-dsn", "3306", mysqlDSN)}
	case "sqlite3":
		c.add(Differs, at, "events go to a SQLite file of the collector's own, in ACTIVITYLOG_DATA_DIR")
		return sqlite
	}
	c.add(Lost, at, "%s is no database of the collector; events go to SQLite", strconv.Quote(cut(engine)))
	return sqlite
}

// server is a dict that says where a database server is.
type server struct {
	c    *converter
	at   setting
	dict *pyliteral.Dict
	open bool // something in it is not a literal
}

// part gives a member as text, a word in capitals for what is not known.
func (s *server) part(otherwise string, keys ...string) string {
	for _, key := range keys {
		item, ok := s.dict.Get(key)
		if !ok {
			continue
		}
		switch v := item.Value.(type) {
		case nil:
		case string:
			if v != "" {
				return v
			}
		case int64:
			return strconv.FormatInt(v, 10)
		default:
			s.open = true
			return strings.ToUpper(keys[0])
		}
	}
	return otherwise
}

// has reports whether a member is given and not empty.
func (s *server) has(keys ...string) bool {
	for _, key := range keys {
		if item, ok := s.dict.Get(key); ok && item.Value != nil && item.Value != "" {
			return true
		}
	}
	return false
}

type dsn func(user, password, host, name string) string

func postgresDSN(user, password, host, name string) string {
	return urlDSN("postgres", user, password, host, name)
}

func mysqlDSN(user, password, host, name string) string {
	if password != "" {
		user += ":" + password
	}
	return user + "@tcp(" + host + ")/" + name
}

func urlDSN(scheme, user, password, host, name string) string {
	u := url.URL{Scheme: scheme, Host: host, Path: "/" + name}
	switch {
	case password != "":
		u.User = url.UserPassword(user, password)
	case user != "":
		u.User = url.User(user)
	}
	return u.String()
}

// keys gives the DSN, or the file that is to hold it when it has a password or
// what is not known here.
func (s *server) keys(user, file, port string, write dsn) []string {
	user = s.part(user, "USER", "user")
	host, name := s.part("localhost", "HOST", "host"), s.part("activitylog", "NAME", "database")
	local := host == "localhost" || host == "127.0.0.1" || host == "::1"
	host = net.JoinHostPort(host, s.part(port, "PORT", "port"))
	var keys []string
	password := ""
	if s.has("PASSWORD", "password") {
		password = "PASSWORD"
	}
	text := write(user, password, host, name)
	if password == "" && !s.open {
		keys = []string{"dsn: " + quote(text)}
	} else {
		what := strconv.Quote(text)
		if password != "" {
			what += " with the password in the place of PASSWORD (percent-encoded in a URL)"
		}
		if s.open {
			what += ", and what stands in capitals as the application has it"
		}
		keys = []string{"dsn_file: " + quote(s.c.secretFile(s.at, file, what))}
	}
	if local {
		keys = append(keys, "tls:", "  insecure: true # the server is on this machine")
	} else {
		s.c.add(Differs, s.at, "TLS to the server is on and verified; write tls: {insecure: true} for one without, on a trusted network alone")
	}
	for _, key := range []string{"OPTIONS", "options"} {
		if s.has(key) {
			s.c.add(Lost, s.at, "%s of the connection are left out", key)
		}
	}
	return keys
}

// server gives a dict of the package's database keys.
func (c *converter) server(name string) *server {
	s, ok := c.top(name)
	d, isDict := s.Value.(*pyliteral.Dict)
	if ok && !isDict {
		c.wrong(s, "a dict")
	}
	return &server{c: c, at: s, dict: d}
}

func (c *converter) clickhouse() store {
	s := c.server("ACTIVITYLOG_CLICKHOUSE")
	user, host := s.part("default", "user"), s.part("localhost", "host")
	address := net.JoinHostPort(host, s.part("9000", "port"))
	text := urlDSN("clickhouse", user, "", address, s.part("activitylog", "database"))
	keys := []string{"dsn: " + quote(text)}
	if s.open {
		keys[0] = "dsn_file: " + quote(c.secretFile(s.at, "clickhouse-dsn", strconv.Quote(text)+" with what stands in capitals as the application has it"))
	}
	if s.has("password") {
		keys = append(keys, "password_file: "+quote(c.secretFile(s.at, "clickhouse-password", "the password")))
	}
	if host != "localhost" && host != "127.0.0.1" {
		keys = append(keys, "tls:", "  insecure: true # as there: on a trusted network alone")
		c.add(Differs, s.at, "the connection is without TLS, as there; for one with it write https:// or clickhouses:// with that port, and remove tls: {insecure: true}")
	}
	return store{"auditclickhouse", "clickhouse", keys}
}

func (c *converter) mongo() store {
	s := c.server("ACTIVITYLOG_MONGODB")
	item, _ := s.dict.Get("uri")
	keys := []string{}
	local := true
	switch v := item.Value.(type) {
	case nil:
		keys = append(keys, "dsn: mongodb://localhost:27017")
	case string:
		u, err := url.Parse(v) // fails for several hosts, which may have a password before them
		if err != nil {
			u = &url.URL{}
		}
		local = u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"
		_, secret := u.User.Password()
		switch {
		case u.Scheme != "mongodb" && u.Scheme != "mongodb+srv" || secret || u.RawQuery != "":
			keys = append(keys, "dsn_file: "+quote(c.secretFile(s.at, "mongodb-dsn", "the uri")))
		default:
			keys = append(keys, "dsn: "+quote(v))
		}
	case pyliteral.Env:
		local = false
		keys = append(keys, "dsn: ${env:"+v.Name+"}")
	default:
		local = false
		keys = append(keys, "dsn_file: "+quote(c.secretFile(s.at, "mongodb-dsn", "the uri that the application has")))
	}
	keys = append(keys, "database: "+quote(s.part("activitylog", "database")))
	if local {
		keys = append(keys, "tls:", "  insecure: true # the server is on this machine")
	} else {
		c.add(Differs, s.at, "TLS to the server is on and verified; write tls: {insecure: true} for one without, on a trusted network alone")
	}
	return store{"auditmongo", "mongodb", keys}
}

func (c *converter) scylla() store {
	s := c.server("ACTIVITYLOG_SCYLLADB")
	item, given := s.dict.Get("contact_points")
	hosts := c.texts(setting{s.at.name + ".contact_points", item}, given)
	local := !slices.ContainsFunc(hosts, func(h string) bool { return h != "localhost" && h != "127.0.0.1" })
	if len(hosts) == 0 {
		hosts = []string{"localhost"}
		if given {
			s.open, hosts[0] = true, "HOST1,HOST2"
		}
	}
	last := len(hosts) - 1
	hosts[last] += ":" + s.part("9042", "port")
	user, password := s.part("", "username", "user"), ""
	if s.has("password") {
		password = "PASSWORD"
	}
	text := urlDSN("scylla", user, password, strings.Join(hosts, ","), s.part("activitylog", "keyspace"))
	keys := []string{"dsn: " + quote(text)}
	if s.open || password != "" {
		keys[0] = "dsn_file: " + quote(c.secretFile(s.at, "scylla-dsn", strconv.Quote(text)+" with what stands in capitals as the application has it"))
	}
	if local && !s.open {
		keys = append(keys, "tls:", "  insecure: true # the server is on this machine")
	} else {
		c.add(Differs, s.at, "TLS to the servers is on and verified; write tls: {insecure: true} for ones without, on a trusted network alone")
	}
	return store{"auditscylla", "scylla", keys}
}
