package enrichprocessor

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

// CORSConfig says what becomes of requests that come from another origin.
type CORSConfig struct {
	// Derive makes a cors event of such a request.
	Derive bool `mapstructure:"derive"`
	// AllowedOrigins fill allowed where the client did not say.
	AllowedOrigins []string `mapstructure:"allowed_origins"`
}

func defaultCORS() CORSConfig { return CORSConfig{Derive: true} }

func (c *CORSConfig) validate(p *problems) {
	_, err := newOriginList(c.AllowedOrigins)
	p.join(err)
}

// crossing is what the headers of a request say of the page that sent it.
type crossing struct {
	url    string // the frontend's, from X-Frontend-URL
	origin string
}

// crossing reports whether a request is worth a cors event: it carries
// X-Frontend-URL, is a preflight, or came from another origin than its own. Of one
// that passed our own collector upstream, that one has made it.
func (e *enricher) crossing(in *intake) (x crossing, ok bool) {
	ev := &in.event
	if ev.Kind != activity.KindRequest || in.judged || len(in.headers) == 0 && ev.Origin == "" {
		return x, false
	}
	x.url = strings.TrimSpace(in.header("x-frontend-url"))
	x.origin = in.saidOrigin()
	if x.url != "" {
		if x.origin == "" {
			x.origin = originOf(x.url)
		}
		return x, true
	}
	if x.origin == "" {
		return x, false
	}
	if in.event.Method == http.MethodOptions && in.header("access-control-request-method") != "" {
		return x, true // Fetch standard, CORS-preflight request
	}
	return x, e.crossOrigin(in, x.origin)
}

func (in *intake) saidOrigin() string {
	if s := strings.TrimSpace(in.header("origin")); s != "" {
		return s
	}
	return in.event.Origin
}

// crossOrigin compares as browsers and net/http's CrossOriginProtection do:
// Sec-Fetch-Site says it, else the origin's host is not the one the request was
// made to. The scheme is not compared, since TLS may end before the service. A
// host that nobody said leaves it open, and no event is made of a guess.
func (e *enricher) crossOrigin(in *intake, origin string) bool {
	switch in.header("sec-fetch-site") {
	case "cross-site", "same-site":
		return true
	case "same-origin", "none":
		return false
	}
	o, ok := parseOrigin(origin)
	if !ok {
		return true // null, or no origin that a browser has for its own page
	}
	host := in.header("host")
	if host == "" {
		host = in.serverHost()
	}
	if host == "" || o.names(host) {
		return false
	}
	return !e.proxies.sent(in.peer) || !o.names(in.header("x-forwarded-host"))
}

// names reports whether a Host header names the origin's host and port.
func (o *webOrigin) names(host string) bool {
	host, port, ok := splitAuthority(strings.TrimSpace(host))
	if port == defaultPort(o.scheme) {
		port = ""
	}
	return ok && host == o.host && port == o.port
}

// serverHost is the host an OpenTelemetry instrumentation says.
func (in *intake) serverHost() string {
	var host, port string
	for _, m := range in.rest {
		switch m.key {
		case string(semconv.ServerAddressKey):
			host = m.value.AsString()
		case string(semconv.ServerPortKey):
			port = m.value.AsString()
		}
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if host != "" && port != "" {
		return host + ":" + port
	}
	return host
}

// completeCORS fills what the headers and the list of origins say of a cors
// event that a client sent.
func (e *enricher) completeCORS(in *intake) {
	ev := &in.event
	if ev.Kind != activity.KindCORS {
		return
	}
	fill(&ev.URL, strings.TrimSpace(in.header("x-frontend-url")))
	fill(&ev.Origin, in.saidOrigin())
	fill(&ev.Origin, originOf(ev.URL))
	if ev.Allowed == activity.AllowedUnknown {
		ev.Allowed = e.origins.verdict(ev.Origin)
	}
}

// derived are the events made of the records of one resource.
type derived struct {
	origin  *origin
	records plog.LogRecordSlice
}

// deriveCORS makes the cors event of a request that is finished but for its
// encoding. Its id follows from the request's, so that a retry is the same event;
// by is the rule that drops what has the request's path.
func (e *enricher) deriveCORS(r *request, s *scope, in *intake, x crossing, by *rule) {
	from := &in.event
	made := intake{event: activity.Event{
		Kind: activity.KindCORS, ID: identity.CORS(from.ID), TenantID: from.TenantID,
		Datetime: from.Datetime, ReceivedAt: from.ReceivedAt, Service: from.Service, Producer: from.Producer,
		TraceID: from.TraceID, SpanID: from.SpanID,
		UserID: from.UserID, Username: from.Username, UserEmail: from.UserEmail, UserRoles: from.UserRoles,
		ActorType: from.ActorType, OnBehalfOf: from.OnBehalfOf, AuthMethod: from.AuthMethod,
		AuthVerified: from.AuthVerified, AuthIssuer: from.AuthIssuer, AuthKeyID: from.AuthKeyID, SessionKey: from.SessionKey,
		RemoteIP: from.RemoteIP, UserAgent: from.UserAgent, Browser: from.Browser, Platform: from.Platform,
		OperatingSystem: from.OperatingSystem, Latitude: from.Latitude, Longitude: from.Longitude, City: from.City,
		Country: from.Country, CountryCode: from.CountryCode, RegionCode: from.RegionCode,
		Method: from.Method, QueryString: from.QueryString, URL: x.url, Origin: x.origin, Allowed: from.Allowed,
		Flags: from.Flags &^ activity.FlagTruncated,
	}}
	ev := &made.event
	if ev.Allowed == activity.AllowedUnknown {
		ev.Allowed = e.origins.verdict(ev.Origin)
	}
	derive(ev, false)
	ev.URL, ev.Origin = in.secrets.url(ev.URL), in.secrets.url(ev.Origin)
	made.note("_derived_from", jsonString(from.ID.String()))
	for _, n := range in.notes { // searched for secrets by now
		if n.key == noteRequestID {
			made.note(n.key, n.json)
		}
	}
	ev.ExtraData = extend("", made.notes)
	r.cut += int64(activity.Normalise(ev, &e.limits))
	for name := range strings.SplitSeq(from.TruncatedFields, ",") {
		if f, ok := activity.FieldByName(name); ok && *ev.Text(f) != "" && *ev.Text(f) == *from.Text(f) {
			markTruncated(ev, f)
		}
	}

	if n := len(r.derived); n == 0 || r.derived[n-1].origin != s.origin {
		r.derived = append(r.derived, derived{s.origin, plog.NewLogRecordSlice()})
	}
	records := r.derived[len(r.derived)-1].records
	lr := records.AppendEmpty()
	activitylogs.Encode(ev, lr)
	if by = e.judge(r, lr, by); by != nil && !e.dropDerived(r, by) {
		records.RemoveIf(func(other plog.LogRecord) bool { return other == lr })
		return
	}
	r.receipt.Derive(ev.ID)
	r.made++
	r.passed[activity.KindCORS]++
}

// dropDerived counts like drop. The receipt counts the client's events only.
func (e *enricher) dropDerived(r *request, by *rule) (kept bool) {
	if e.filters.dryRun {
		e.metrics.EnrichFilteredDryRun.Add(r.ctx, 1, by.counted)
		return true
	}
	e.metrics.EnrichFiltered.Add(r.ctx, 1, by.counted)
	return false
}

// appendDerived puts the derived events behind everything the clients sent: of
// two events under one key the first stays, and that is then the client's.
func (r *request) appendDerived(ld plog.Logs) {
	for _, d := range r.derived {
		if d.records.Len() == 0 {
			continue
		}
		rl := ld.ResourceLogs().AppendEmpty()
		activitylogs.EncodeResource(&d.origin.event, rl.Resource())
		d.records.MoveAndAppendTo(rl.ScopeLogs().AppendEmpty().LogRecords())
	}
}
