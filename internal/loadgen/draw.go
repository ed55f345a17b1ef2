package loadgen

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// drawEvent makes the content of one template.
func drawEvent(cfg *Config, service string, r *rand.Rand) activity.Event {
	e := activity.Event{Kind: cfg.Mix.pick(r), Service: service}
	if cfg.Tenants > 0 {
		e.TenantID = fmt.Sprintf("tenant-%03d", skewed(r, cfg.Tenants))
	}
	switch e.Kind {
	case activity.KindCRUD:
		drawActor(&e, r)
		drawCRUD(&e, r)
	case activity.KindLogin:
		drawActor(&e, r)
		drawLogin(&e, r)
	case activity.KindRequest:
		drawActor(&e, r)
		drawRequest(&e, r)
	case activity.KindCORS:
		drawCORS(&e, r)
	case activity.KindSystem:
		drawSystem(&e, r)
	}
	return e
}

func drawActor(e *activity.Event, r *rand.Rand) {
	given, family := pick(r, givenNames), pick(r, familyNames)
	e.UserID = strconv.Itoa(1 + skewed(r, 20_000))
	e.Username = given + "." + family
	e.SessionKey = fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	drawOrigin(e, r)
}

func drawOrigin(e *activity.Event, r *rand.Rand) {
	switch r.IntN(10) {
	case 0:
		e.RemoteIP = fmt.Sprintf("2001:db8::%x:%x", r.IntN(0xffff), 1+r.IntN(0xfffe))
	case 1, 2:
		e.RemoteIP = fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), 1+r.IntN(254))
	default:
		e.RemoteIP = fmt.Sprintf("%s.%d", pick(r, []string{"192.0.2", "198.51.100", "203.0.113"}), 1+r.IntN(254))
	}
	e.UserAgent = pick(r, userAgents)
}

func drawTrace(e *activity.Event, r *rand.Rand) {
	for i := range e.TraceID {
		e.TraceID[i] = byte(1 + r.IntN(255)) //nolint:gosec // 1..255
	}
}

func drawRequest(e *activity.Event, r *rand.Rand) {
	p := pick(r, endpoints)
	e.Method, e.Route, e.QueryString, e.ResponseStatus = p.method, p.route, p.query, p.status
	e.URL = p.path
	if strings.Contains(p.path, "%d") {
		e.URL = fmt.Sprintf(p.path, 1+skewed(r, 100_000))
	}
	us := p.typicalUS/2 + r.Int64N(p.typicalUS)
	switch {
	case r.IntN(100) == 0: // slow
		us = 1_500_000 + r.Int64N(9_000_000)
	case r.IntN(50) == 0:
		e.ResponseStatus = 500
	case r.IntN(20) == 0:
		e.ResponseStatus = pick(r, []int64{401, 403, 404, 429})
	}
	e.ResponseTimeUS = activity.Some(us)
	if e.Method != http.MethodGet {
		e.RequestBodySize = activity.Some(64 + r.Int64N(4000))
	}
	e.ResponseBodySize = activity.Some(r.Int64N(48_000))
	drawTrace(e, r)
}

func drawCRUD(e *activity.Event, r *rand.Rand) {
	m := pick(r, models)
	e.Type = pick(r, []string{"create", "update", "update", "update", "update", "delete", "m2m_add", "read"})
	e.ContentType = m.contentType
	e.ObjectID = strconv.Itoa(1 + skewed(r, 100_000))
	e.ObjectRepr = m.label + " #" + e.ObjectID
	switch e.Type {
	case "update":
		changes := map[string][2]string{}
		for range 1 + r.IntN(2) {
			changes[pick(r, m.fields)] = [2]string{pick(r, fieldValues), pick(r, fieldValues)}
		}
		e.ChangedFields = marshal(changes)
	case "create", "delete":
		snapshot := map[string]string{"id": e.ObjectID}
		for _, f := range m.fields {
			snapshot[f] = pick(r, fieldValues)
		}
		e.ObjectJSONRepr = marshal(snapshot)
	}
	if r.IntN(4) == 0 {
		e.ExtraData = marshal(map[string]any{"batch": r.IntN(1000), "via": pick(r, []string{"admin", "api", "import"})})
	}
}

func drawLogin(e *activity.Event, r *rand.Rand) {
	e.UserEmail = e.Username + "@example.com"
	e.ActorType, e.AuthMethod = activity.ActorUser, activity.AuthMethodSession
	e.Type = pick(r, []string{"login", "login", "login", "login", "login_failed", "login_failed", "logout", "token_refresh", "password_change"})
	if e.Type == "login_failed" {
		e.UserID, e.SessionKey = "", ""
		e.ActorType, e.AuthMethod = activity.ActorAnonymous, activity.AuthMethodNone
		e.Reason = pick(r, []string{"wrong password", "unknown user", "account locked"})
	}
}

func drawCORS(e *activity.Event, r *rand.Rand) {
	drawOrigin(e, r)
	e.Origin = pick(r, origins)
	e.Method = pick(r, []string{"GET", "POST", "OPTIONS"})
	e.URL = e.Origin + pick(r, []string{"/checkout", "/account", "/search"})
	e.QueryString = "utm_source=newsletter"
	e.Allowed = activity.AllowedYes
	if e.Origin == origins[2] {
		e.Allowed = activity.AllowedNo
	}
}

func drawSystem(e *activity.Event, r *rand.Rand) {
	s := pick(r, systemEvents)
	e.Type, e.Category, e.Source, e.Message, e.SeverityNumber = s.name, s.category, s.source, s.message, s.severity
	e.ActorType = activity.ActorSystem
	if s.failed {
		e.Traceback = traceback
	}
	e.ExtraData = marshal(map[string]any{"host": fmt.Sprintf("app-%02d", r.IntN(12)), "pid": 1000 + r.IntN(30_000)})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// skewed gives 0..n-1, small numbers far more often: a few users and objects
// make most of the traffic.
func skewed(r *rand.Rand, n int) int {
	f := r.Float64()
	return int(f * f * f * float64(n))
}

// marshal is for maps of strings and numbers, which always have a JSON form;
// their keys come out sorted.
func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
