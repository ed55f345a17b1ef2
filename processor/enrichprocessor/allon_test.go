package enrichprocessor

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// everything is an enricher with all of it on: tokens, proxies, both databases of
// places, hints, filters, correlation, cors events, secrets.
func everything(tb testing.TB, f *fixtures, change func(*Config)) *enricher {
	tb.Helper()
	return f.started(tb, func(c *Config) {
		c.JWT.Keys = f.keys(tb)
		c.ClientAddress.TrustedProxies = []string{"10.0.0.0/8"}
		asn := filepath.Join(tb.TempDir(), "asn.mmdb")
		writeDatabase(tb, asn, "GeoLite2-ASN", mmdbEntry{"81.2.69.0/24", mmdbtype.Map{
			"autonomous_system_number": mmdbtype.Uint32(29518), "autonomous_system_organization": mmdbtype.String("Example Net GmbH"),
		}})
		c.GeoIP.Path, c.GeoIP.ASNPath = cityDatabase(tb), asn
		c.Filter.ExcludeURLsExtra, c.Filter.ExcludeModelsExtra = []string{"^/internal/"}, []string{"audit.*"}
		c.Filter.SkipUnchanged = true
		c.Correlation.SessionCookie = "sessionid"
		c.CORS.AllowedOrigins = []string{"https://*.example.org"}
		if change != nil {
			change(c)
		}
	})
}

// ordinary are a request and a change of an object as a middleware reports them
// from behind a proxy, by a browser of the service's own site.
func ordinary(f *fixtures) map[string]func(*activitylogs.Builder) {
	in := activitylogs.Inputs{PeerAddress: "10.1.2.3", Headers: map[string][]string{
		"authorization":      {"Bearer " + f.Tokens["keycloak-user"].Token},
		"x-forwarded-for":    {"6.6.6.6, 81.2.69.160, 10.1.1.1"},
		"sec-ch-ua":          {`"Not A;Brand";v="99", "Chromium";v="120", "Google Chrome";v="120"`},
		"sec-ch-ua-platform": {`"Linux"`},
		"sec-ch-ua-mobile":   {"?0"},
		"traceparent":        {traceparent},
		"x-request-id":       {"0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"},
		"origin":             {"https://shop.example.org"},
		"host":               {"shop.example.org"},
	}}
	request := f.event()
	request.URL, request.QueryString, request.Route = "/api/invoices/2026/11/4711/", "expand=lines&currency=EUR", "/api/invoices/{year}/{month}/{id}/"
	request.RequestBodySize, request.ResponseBodySize = activity.Some(0), activity.Some(2_048)
	request.ExtraData = `{"feature":"invoice-list","took":{"db_ms":3,"queries":4}}`
	change := *f.event()
	change.Kind, change.Type = activity.KindCRUD, "update"
	change.ObjectID, change.ContentType, change.ObjectRepr = "4711", "billing.invoice", "Invoice 2026-4711"
	changed := in
	changed.Before = `{"id":4711,"state":"new","total":"19.90","customer":{"id":4,"name":"Ada","tags":["a","b"]},"lines":[{"sku":"x","qty":1}]}`
	changed.After = `{"id":4711,"state":"paid","total":"19.90","customer":{"id":4,"name":"Ada","tags":["a","b"]},"lines":[{"sku":"x","qty":2}]}`
	return map[string]func(*activitylogs.Builder){
		"request": func(b *activitylogs.Builder) { b.Add(request, &in) },
		"crud":    func(b *activitylogs.Builder) { b.Add(&change, &changed) },
	}
}

// batch is how many events a call brings.
const batch = 1000

func batchOf(add func(*activitylogs.Builder)) plog.Logs {
	var b activitylogs.Builder
	for range batch {
		add(&b)
	}
	return b.Logs()
}

// perEvent reports what one event of b.N batches took, and how many attributes
// it leaves with that it did not come with: each is one allocation of pdata.
func perEvent(b *testing.B, add int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
	if add > 0 {
		b.ReportMetric(float64(add), "new-attributes/event")
	}
}

// BenchmarkAllOn is the whole way from plog to plog with every enricher on and
// warm caches; run with -cpu 1 for one core. Making the input is not measured.
func BenchmarkAllOn(b *testing.B) {
	f := loadFixtures(b)
	condition := func(c *Config) { c.Filter.Drop = []string{`attributes["http.response.status_code"] == 599`} }
	for kind, add := range ordinary(f) {
		for name, change := range map[string]func(*Config){"/all": nil, "/all and a condition": condition} {
			b.Run(kind+name, func(b *testing.B) {
				e := everything(b, f, change)
				fresh := newAttributes(b, e, add)
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					ld := batchOf(add)
					b.StartTimer()
					if _, err := e.process(context.Background(), ld); err != nil {
						b.Fatal(err)
					}
				}
				perEvent(b, fresh)
			})
		}
	}
}

// Beside one for each new attribute, an event costs few allocations: those of
// pdata for its list of attributes and its roles, and the texts that are made.
func TestFewAllocations(t *testing.T) {
	const most = 12
	f := loadFixtures(t)
	for kind, add := range ordinary(f) {
		e := everything(t, f, nil)
		fresh := newAttributes(t, e, add)
		batches := []plog.Logs{batchOf(add), batchOf(add)} // the first is the warming up
		allocs := testing.AllocsPerRun(len(batches)-1, func() {
			_, err := e.process(context.Background(), batches[0])
			batches = batches[1:]
			assert.NoError(t, err)
		})
		assert.LessOrEqual(t, allocs/batch-float64(fresh), float64(most), kind)
	}
}

// newAttributes counts the attributes of an event that hold another value than
// the record it came as, and checks that all the enrichers took part.
func newAttributes(tb testing.TB, e *enricher, add func(*activitylogs.Builder)) (n int) {
	tb.Helper()
	var build activitylogs.Builder
	add(&build)
	ld := build.Logs()
	before := plog.NewLogRecord()
	record(ld).CopyTo(before)
	ev := one(tb, e, ld)
	if ev.AuthVerified != activity.AuthVerified || ev.City == "" || ev.Browser == "" || ev.TraceID == [16]byte{} || ev.ExtraData == "" ||
		ev.Kind == activity.KindCRUD && ev.ChangedFields == "" {
		tb.Fatalf("not everything is on: %+v", ev)
	}
	for key, v := range record(ld).Attributes().All() {
		if old, ok := before.Attributes().Get(key); !ok || !old.Equal(v) {
			n++
		}
	}
	return n
}

// BenchmarkSteps is what each step of BenchmarkAllOn costs, in its order.
func BenchmarkSteps(b *testing.B) {
	f := loadFixtures(b)
	type work struct {
		r  *request
		s  *scope
		lr plog.LogRecord
		in intake
	}
	for kind, add := range ordinary(f) {
		e := everything(b, f, nil)
		shared := &request{} // the room of differences
		steps := []struct {
			name string
			run  func(w *work)
		}{
			{"read", func(w *work) {
				w.in = newIntake(w.in.event.Kind, 0, w.r)
				w.in.read(w.lr, false)
			}},
			{"cors", func(w *work) { e.crossing(&w.in) }},
			{"id and times", func(w *work) { e.identify(w.r, w.s, w.lr, &w.in) }},
			{"correlation", func(w *work) { e.ids.correlate(&w.in) }},
			{"client address", func(w *work) { e.clientAddress(&w.in) }},
			{"hints and user agent", func(w *work) { e.agent(&w.in) }},
			{"token, tenant", func(w *work) { e.tenant(w.r, &w.in, e.actor(w.r, &w.in)) }},
			{"filters", func(w *work) { w.in.finishURL(); e.filters.event(&w.in.event) }},
			{"derived", func(w *work) { derive(&w.in.event, false) }},
			{"geo", func(w *work) { e.geo.fill(&w.in) }},
			{"diff", func(w *work) { e.diff(shared, &w.in) }},
			{"redaction", func(w *work) { e.redact(&w.in) }},
			{"extra data", func(w *work) { w.in.event.ExtraData = w.in.extraData(w.s, w.lr, e) }},
			{"limits", func(w *work) { activity.Normalise(&w.in.event, &e.limits) }},
			{"encode", func(w *work) { w.in.reader.Encode(&w.in.event, w.lr) }},
		}
		for i, step := range steps {
			b.Run(kind+"/"+step.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					ld := batchOf(add)
					rl := ld.ResourceLogs().At(0)
					p := redaction{masker: e.mask}
					s := newOrigin(rl.Resource(), &e.limits, &p).scope(rl.ScopeLogs().At(0).Scope())
					records := rl.ScopeLogs().At(0).LogRecords()
					list := make([]work, batch)
					for k := range list {
						w := &list[k]
						w.r = &request{ctx: b.Context(), nowNS: e.now().UnixNano(), secrets: p} // its room is one event's
						w.s, w.lr = &s, records.At(k)
						w.in.event.Kind, _ = classify(w.lr)
						for _, earlier := range steps[:i] {
							earlier.run(w)
						}
					}
					b.StartTimer()
					for k := range list {
						step.run(&list[k])
					}
				}
				perEvent(b, 0)
			})
		}
	}
}
