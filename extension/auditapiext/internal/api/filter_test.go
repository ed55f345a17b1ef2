package api

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/storagetest"
)

// sample is a value of the filter that the event has; ok is false when it has none.
func sample(p *filterParam, name string, e *activity.Event) (v string, ok bool) {
	f := p.field
	null := f == activity.FieldType && e.Type == ""
	switch info := f.Info(); {
	case name == "severity" || name == "severity__in":
		return activity.SeverityWord(e.SeverityNumber), true
	case name == "allowed":
		return "true", e.Allowed == activity.AllowedYes
	case strings.HasPrefix(name, "response_time_ms"):
		v = strconv.FormatFloat(float64(e.ResponseTimeUS.Value)/1000, 'f', -1, 64)
	case f == activity.FieldAllowed:
	case info.Type == activity.TypeText || info.Type == activity.TypeJSON:
		v, null = *e.Text(f), *e.Text(f) == ""
	case info.Type == activity.TypeInt:
		v, null = strconv.FormatInt(*e.Int(f), 10), *e.Int(f) == 0
	case info.Type == activity.TypeOpt:
		v, null = strconv.FormatInt(e.Opt(f).Value, 10), !e.Opt(f).Valid
	case f == activity.FieldID:
		v = strings.ToUpper(e.ID.String())
	default:
		v = strings.ToUpper(hex.EncodeToString(e.Bytes(f)))
	}
	if p.op == 0 {
		return strconv.FormatBool(null), true
	}
	if p.op == activity.OpContains {
		v = strings.ToUpper(v[len(v)/3:])
	}
	return v, !null
}

// absent is a value of the filter that no event has; ok is false when the event
// would match whatever the value.
func absent(p *filterParam, name string) (v string, ok bool) {
	switch f := p.field; {
	case p.op == 0:
		return "", false
	case strings.HasPrefix(name, "severity") && f == activity.FieldSeverityNumber && p.parse == nil:
		return "ERROR", true
	case name == "allowed":
		return "false", true
	case strings.HasPrefix(name, "event_type"):
		return "14", true
	case strings.HasPrefix(name, "login_type"):
		return "token_refresh", true
	case f == activity.FieldID:
		return activity.ID{0xff}.String(), true
	case f == activity.FieldTraceID:
		return strings.Repeat("f", 32), true
	case f == activity.FieldSpanID:
		return strings.Repeat("f", 16), true
	case p.op == activity.OpAtMost:
		return "-5", true
	}
	return "99999999", true
}

func TestEveryFilterAnswers(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		for _, k := range activity.Kinds() {
			e := newEvent(k, 1)
			write(t, s, e)
			base := k.String() + "-events/?"
			lookup := filterParams(k, columnsOf(k))
			require.Greater(t, len(lookup), 80)
			for name, p := range lookup {
				if v, has := sample(&p, name, &e); has {
					got := a.list(t, base+name+"="+url.QueryEscape(v))
					assert.Equal(t, []string{e.ID.String()}, got.ids(), "%s %s=%s", k, name, v)
					assert.Equal(t, int64(1), got.Count)
				}
				if v, has := absent(&p, name); has {
					got := a.list(t, base+name+"="+url.QueryEscape(v))
					assert.Empty(t, got.Results, "%s %s=%s", k, name, v)
					assert.Zero(t, got.Count)
				}
				if p.op == activity.OpIn {
					some, has := sample(&p, name, &e)
					none, _ := absent(&p, name)
					if has {
						assert.Len(t, a.list(t, base+name+"="+url.QueryEscape(none+","+some)).Results, 1, name)
					}
				}
				assert.Contains(t, a.refused(t, http.StatusBadRequest, base+name+"="), name, "an empty value")
			}
		}
	})
}

// TestFiltersOfTheReplacedPackage: its names, one list for each kind.
func TestFiltersOfTheReplacedPackage(t *testing.T) {
	for k, names := range map[activity.Kind]string{
		activity.KindCRUD: "event_type event_type__in object_id object_id__icontains content_type user remote_ip remote_ip__icontains " +
			"country country__icontains city city__icontains",
		activity.KindLogin:   "login_type login_type__in username username__icontains user remote_ip remote_ip__icontains country",
		activity.KindRequest: "method method__in url__icontains response_status response_status__in response_status__gte response_status__lte user remote_ip remote_ip__icontains",
		activity.KindCORS:    "method method__in url__icontains origin origin__icontains allowed user",
		activity.KindSystem:  "severity severity__in category category__in event_name event_name__icontains source__icontains",
	} {
		lookup := filterParams(k, columnsOf(k))
		for _, name := range append(strings.Fields(names), "user_id", "remote_ip") {
			assert.Contains(t, lookup, name, k)
		}
	}
}

func TestFilterValuesThatAreNone(t *testing.T) {
	a := newAPI(t, nil)
	for query, want := range map[string]string{
		"crud-events/?event_type=0":                                   "create, update",
		"crud-events/?event_type=15":                                  "event_type",
		"crud-events/?event_type__in=1,nonsense":                      "nonsense",
		"crud-events/?id=17":                                          "want a UUID",
		"crud-events/?trace_id=17":                                    "want 32 hex digits",
		"crud-events/?span_id=" + strings.Repeat("g", 16):             "want 16 hex digits",
		"crud-events/?user__in=1,,2":                                  "between commas",
		"crud-events/?user__in=" + strings.Repeat("1,", 100) + "1":    "at most 100",
		"crud-events/?user__isnull=perhaps":                           "true or false",
		"login-events/?login_type=Failed":                             "login_type",
		"request-events/?response_status=4xx":                         "want an integer",
		"request-events/?response_status=99999999999999999999":        "want an integer",
		"request-events/?response_time_ms__gte=NaN":                   "want milliseconds",
		"request-events/?response_time_ms__gte=1e300":                 "want milliseconds",
		"cors-events/?allowed=maybe":                                  "true or false",
		"system-events/?severity=DEBUG":                               "want INFO",
		"system-events/?severity__in=INFO,LOUD":                       "LOUD",
		"request-events/slow_requests/?threshold_ms=abc":              "threshold_ms",
		"crud-events/?search=":                                        "search",
		"crud-events/?search=" + strings.Repeat("x", maxSearch+1):     "512",
		"crud-events/?last_hours=0":                                   "last_hours",
		"crud-events/?last_hours=1.5":                                 "last_hours",
		"crud-events/?last_hours=99999999999":                         "last_hours",
		"crud-events/?date_from=yesterday":                            "date_from",
		"crud-events/?date_to=2026-02-30":                             "date_to",
		"crud-events/?date_to=1969-12-31":                             "from 1970 on",
		"crud-events/?date_to=9999-12-31":                             "date_to",
		"crud-events/?date_from=2026-01-01T00:00:00+02:00":            "%2B",
		"crud-events/?ordering=":                                      "ordering",
		"crud-events/?ordering=object_id":                             "datetime, -datetime",
		"crud-events/?ordering=response_time_ms":                      "ordering",
		"request-events/?ordering=-method":                            "-response_time_ms",
		"request-events/?page_size=0":                                 "page_size: want 1 to 1000",
		"request-events/?page_size=1001":                              "page_size",
		"request-events/?page=0":                                      "page: want 1",
		"request-events/?page=-1":                                     "page",
		"request-events/?page=99999999999999999999":                   "page",
		"request-events/?page=x":                                      "page",
		"request-events/?cursor=":                                     "cursor",
		"request-events/?cursor=AAAA":                                 "cursor",
		"request-events/?cursor=AAAA&page=1":                          "page or cursor",
		"request-events/verify_integrity/?level=deep":                 "level",
		"request-events/export_csv/?ordering=response_time_ms":        "ordering",
		"request-events/verify_integrity/?cursor=x":                   "cursor",
		"request-events/00000000-0000-0000-0000-000000000001/?page=1": "page",
		"request-events/?%zz=1":                                       "query string",
		"request-events/?a=1;b=2":                                     "query string",
		"request-events/?user=1&user=2":                               "user is given 2 times",
		"request-events/?page=1&page=1":                               "page",
		"request-events/?usr=1&user=2&bogus=3":                        "unknown parameter bogus, usr",
		"request-events/?event_type=1":                                "event_type",
		"crud-events/?origin=x":                                       "origin",
		"crud-events/?USER=1":                                         "USER",
		"crud-events/?user__regex=.*":                                 "user__regex",
		"crud-events/?user__in__isnull=true":                          "user__in__isnull",
		"request-events/export_json/?page=1":                          "page",
		"request-events/verify_integrity/?ordering=datetime":          "ordering",
		"request-events/?=1":                                          "unknown parameter",
	} {
		assert.Contains(t, a.refused(t, http.StatusBadRequest, query), want, query)
	}
}

func TestTextThatLooksLikeALanguageIsText(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		hostile := []string{`' OR 1=1 --`, `"; DROP TABLE x`, "%", "_", `\`, "a%b_c", "é", "\x00", "\xff y", "$(id)", "<script>"}
		events := newEvents(activity.KindSystem, len(hostile)+1)
		for i, text := range hostile {
			events[i].Message, events[i].UserID = activity.CleanText("<"+text+">"), activity.CleanText(text)
			seal(&events[i])
		}
		write(t, s, events...)
		for i, text := range hostile {
			want := []string{events[i].ID.String()}
			assert.Equal(t, want, a.list(t, "system-events/?user="+url.QueryEscape(text)).ids(), text)
			for _, name := range []string{"search", "message__icontains"} {
				got := a.list(t, "system-events/?"+name+"="+url.QueryEscape("<"+text+">")).ids()
				assert.Equal(t, want, got, "%s=%s", name, text)
			}
		}
	})
}

func TestSearchLooksIntoItsColumns(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		for _, k := range activity.Kinds() {
			fields := searched(k)
			require.NotEmpty(t, fields)
			events := newEvents(k, len(fields)+1)
			for i, f := range fields {
				*events[i].Text(f) = `"needle ` + strconv.Itoa(i) + `"`
			}
			events[len(fields)].Reason = "needle" // not one of them
			write(t, s, events...)
			got := a.list(t, k.String()+"-events/?search=NEEDLE").ids()
			assert.Equal(t, idsOf(events[:len(fields)]), got, k)
		}
	})
}

func TestTimesTenantsAndPresets(t *testing.T) {
	onStores(t, func(t *testing.T, s storage.Store) {
		t.Helper()
		a := newAPI(t, s)
		events := newEvents(activity.KindLogin, 4)
		events[1].Datetime = clock.AddDate(0, 0, -1).UnixNano()
		events[2].Datetime = clock.AddDate(-1, 0, 0).UnixNano()
		events[2].TenantID, events[3].TenantID = "acme", "globex"
		events[3].Type = "login"
		write(t, s, events...)
		request := newEvents(activity.KindRequest, 3)
		request[1].ResponseTimeUS = activity.Some(999_999)
		request[2].ResponseTimeUS = activity.Some(3_000_000)
		write(t, s, request...)
		system := newEvents(activity.KindSystem, 3)
		system[0].SeverityNumber, system[1].SeverityNumber = 20, 24
		write(t, s, system...)
		all := append(slices.Clone(events), append(request, system...)...)
		for query, want := range map[string][]int{
			"login-events/":               {0, 3, 1, 2},
			"login-events/?last_hours=1":  {0, 3},
			"login-events/?last_hours=24": {0, 3, 1},
			"login-events/?date_from=2026-02-28&date_to=2026-02-28T12:00:00Z":        {1},
			"login-events/?date_from=2026-02-28%2012:00:00&date_to=2026-03-01":       {1},
			"login-events/?date_from=2026-02-28T14:00:00%2B02:00&date_to=2026-03-01": {1},
			"login-events/?date_to=2025-12-31":                                       {2},
			"login-events/?date_from=2026-03-01&date_to=2026-02-01":                  {},
			"login-events/?date_to=1970-01-01":                                       {},
			"login-events/?tenant_id=acme":                                           {2},
			"login-events/?tenant_id=default":                                        {0, 1},
			"login-events/?tenant_id=":                                               {0, 1},
			"login-events/?tenant_id=nobody":                                         {},
			"login-events/failed_logins/":                                            {0, 1, 2},
			"login-events/failed-logins/?ordering=datetime":                          {2, 1, 0},
			"login-events/failed_logins/?tenant_id=acme":                             {2},
			"login-events/failed_logins/?login_type=login":                           {},
			"request-events/slow_requests/":                                          {6, 4},
			"request-events/slow-requests/?ordering=-datetime":                       {4, 6},
			"request-events/slow_requests/?threshold_ms=999.999":                     {6, 4, 5},
			"request-events/slow_requests/?threshold_ms=2000":                        {6},
			"request-events/?ordering=response_time_ms":                              {5, 4, 6},
			"request-events/?ordering=-response_time_ms":                             {6, 4, 5},
			"system-events/critical/":                                                {8, 9},
			"system-events/?severity__in=ERROR,CRITICAL":                             {7, 8, 9},
			"system-events/?severity=error":                                          {7},
		} {
			ids := []string{}
			for _, i := range want {
				ids = append(ids, all[i].ID.String())
			}
			assert.Equal(t, ids, a.list(t, query).ids(), query)
		}
	})
}

func TestAnAddressIsFoundInAnySpelling(t *testing.T) {
	s := storagetest.NewMemory()
	a := newAPI(t, s)
	events := newEvents(activity.KindCORS, 3)
	events[1].RemoteIP, events[2].RemoteIP = "2001:db8::1", "unix socket"
	write(t, s, events...)
	for i, spellings := range [][]string{{"192.0.2.7", "::ffff:192.0.2.7"}, {"2001:db8::1", "2001:DB8:0:0::1"}, {"unix socket"}} {
		for _, spelling := range spellings {
			for _, name := range []string{"remote_ip", "remote_ip__in"} {
				got := a.list(t, "cors-events/?"+name+"="+url.QueryEscape(spelling)).ids()
				assert.Equal(t, []string{events[i].ID.String()}, got, spelling)
			}
		}
	}
}
