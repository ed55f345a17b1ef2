package enrichprocessor

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/processor/enrichprocessor/internal/metadata"
)

type enricher struct {
	cfg     *Config
	now     func() time.Time
	logger  *zap.Logger
	metrics *metadata.TelemetryBuilder

	limits  activity.Limits
	proxies proxies
	hidden  *anonymizer
	filters *filters
	ids     *correlator
	origins *originList
	tokens  *tokenReader
	geo     *geoReader
	agents  *lru.Cache[string, agent]
	hints   *hints
	mask    *masker
	keep    map[string]bool

	kindOptions     [activity.KindSystem + 1]metric.MeasurementOption
	lastForeignNS   atomic.Int64
	lastConditionNS atomic.Int64
}

func newEnricher(cfg *Config, set processor.Settings, now func() time.Time) (*enricher, error) {
	e := &enricher{
		cfg: cfg, now: now, logger: set.Logger,
		limits: activity.Limits(cfg.Limits),
		keep:   keepSet(cfg.KeepHeaders),
	}
	var err error
	if e.mask, err = newMasker(&cfg.Redact); err != nil {
		return nil, err
	}
	if e.metrics, err = metadata.NewTelemetryBuilder(set.TelemetrySettings); err != nil {
		return nil, fmt.Errorf("enrich: create metrics: %w", err)
	}
	if e.proxies, err = newProxies(&cfg.ClientAddress); err != nil {
		return nil, err
	}
	if e.hints, err = newHints(&cfg.ClientHints); err != nil {
		return nil, err
	}
	if e.filters, err = newFilters(&cfg.Filter); err != nil {
		return nil, err
	}
	if e.origins, err = newOriginList(cfg.CORS.AllowedOrigins); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	e.ids = newCorrelator(&cfg.Correlation, cfg.Redact.Session == sessionHash)
	for _, k := range activity.Kinds() {
		e.kindOptions[k] = metric.WithAttributeSet(attribute.NewSet(attribute.String("kind", k.String())))
	}
	if e.agents, err = lru.New[string, agent](agentCacheSize); err != nil {
		return nil, fmt.Errorf("enrich: create user agent cache: %w", err)
	}
	return e, nil
}

// start reads the keys and the geo database: files, so not in the constructor.
func (e *enricher) start(ctx context.Context, _ component.Host) error {
	var err error
	if e.mask.key, err = e.cfg.Redact.loadHMACKey(); err != nil {
		return err
	}
	if e.cfg.JWT.Verify != verifyOff {
		if e.tokens, err = newTokenReader(ctx, e.cfg, e.logger, e.countKeyRefresh); err != nil {
			return err
		}
	}
	if e.hidden, err = newAnonymizer(&e.cfg.ClientAddress); err != nil {
		return err
	}
	e.geo, err = openGeo(&e.cfg.GeoIP, e.logger)
	return err
}

func (e *enricher) shutdown(context.Context) error {
	e.tokens.close()
	e.metrics.Shutdown()
	e.geo.close()
	return nil
}

// request is what the events of one ConsumeLogs call share.
type request struct {
	ctx      context.Context
	receipt  *receipt.Receipt
	nowNS    int64
	grants   []string
	ordinals map[[32]byte]uint64
	passed   [activity.KindSystem + 1]int64
	tokens   [len(tokenResults)]int64
	failures [failures]int64
	foreign  int64
	cut      int64
	made     int64
	derived  []derived
	secrets  redaction
	differ   differ
	room     room
	// resource and scope are where the record at hand came in.
	resource plog.ResourceLogs
	scope    plog.ScopeLogs
}

// process enriches every record in place and drops what is foreign, filtered or
// refused.
func (e *enricher) process(ctx context.Context, ld plog.Logs) (plog.Logs, error) {
	r := &request{ctx: ctx, receipt: receipt.FromContext(ctx), nowNS: e.now().UnixNano(), secrets: redaction{masker: e.mask}}
	if e.cfg.Tenant.AuthAttribute != "" {
		if auth := client.FromContext(ctx).Auth; auth != nil {
			r.grants = stringsOf(auth.GetAttribute(e.cfg.Tenant.AuthAttribute))
		}
	}
	ld.ResourceLogs().RemoveIf(func(rl plog.ResourceLogs) bool {
		r.resource = rl
		resource := newOrigin(rl.Resource(), &e.limits, &r.secrets)
		rl.ScopeLogs().RemoveIf(func(sl plog.ScopeLogs) bool {
			r.scope = sl
			scope := resource.scope(sl.Scope())
			sl.LogRecords().RemoveIf(func(lr plog.LogRecord) bool { return !e.record(r, &scope, lr) })
			clearScope(sl.Scope())
			return sl.LogRecords().Len() == 0
		})
		activitylogs.EncodeResource(&resource.event, rl.Resource())
		return rl.ScopeLogs().Len() == 0
	})
	r.appendDerived(ld)
	e.report(r)
	if ld.ResourceLogs().Len() == 0 {
		return ld, processorhelper.ErrSkipProcessingData
	}
	return ld, nil
}

func (e *enricher) report(r *request) {
	for k, n := range r.passed {
		if n > 0 {
			e.metrics.EnrichEvents.Add(r.ctx, n, e.kindOptions[k])
		}
	}
	for i, n := range r.tokens {
		if n > 0 {
			e.metrics.EnrichTokens.Add(r.ctx, n, metric.WithAttributes(attribute.String("result", tokenResults[i])))
		}
	}
	for i, n := range r.failures[noFailure+1:] {
		if n > 0 {
			word := attribute.String("reason", failureWords[i+1])
			e.metrics.EnrichTokenFailures.Add(r.ctx, n, metric.WithAttributes(word))
		}
	}
	if r.made > 0 {
		e.metrics.EnrichDerived.Add(r.ctx, r.made, e.kindOptions[activity.KindCORS])
	}
	e.reportSecrets(r)
	if r.cut > 0 {
		e.metrics.EnrichTruncated.Add(r.ctx, r.cut)
	}
	if r.foreign == 0 {
		return
	}
	e.metrics.EnrichForeign.Add(r.ctx, r.foreign)
	last := e.lastForeignNS.Load()
	if r.nowNS-last >= int64(time.Minute) && e.lastForeignNS.CompareAndSwap(last, r.nowNS) {
		e.logger.Warn("Dropped log records that are no activity events; set foreign: keep to store them as system events.",
			zap.Int64("dropped", r.foreign))
	}
}

// countKeyRefresh counts a reading of keys for tokens.
func (e *enricher) countKeyRefresh(outcome string) {
	e.metrics.EnrichKeyRefreshes.Add(context.Background(), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

// record enriches one record; false drops it.
func (e *enricher) record(r *request, scope *scope, lr plog.LogRecord) bool {
	kind, isForeign := classify(lr)
	if isForeign && e.cfg.Foreign == foreignDrop {
		r.foreign++
		return false
	}
	by := e.filters.kind(kind)
	derives := e.cfg.CORS.Derive && kind == activity.KindRequest && e.filters.kind(activity.KindCORS) == nil
	if e.filters.final(by) && !derives {
		return e.drop(r, by)
	}
	in := newIntake(kind, scope.cut, r)
	ev := &in.event
	in.read(lr, e.cfg.TrustUpstream)
	in.judged = ev.AuthVerified != ""
	scope.share(ev)
	if e.cfg.TrustUpstream && ev.Sealed() {
		return e.sealed(r, scope, &in, lr, by)
	}
	var from crossing
	if derives {
		from, derives = e.crossing(&in)
	}
	if e.filters.final(by) && !derives {
		return e.drop(r, by)
	}
	e.identify(r, scope, lr, &in)
	e.ids.correlate(&in)
	e.clientAddress(&in)
	e.agent(&in)
	tried := in.triedName()
	verdict := e.actor(r, &in)
	ev.Username = cmp.Or(tried, ev.Username)
	if !e.tenant(r, &in, verdict) {
		return false
	}
	if ev.ID.IsZero() {
		ev.ID = in.derivedID(r, ev.TenantID)
	}
	in.finishURL()
	excluded := e.filters.event(ev)
	by = cmp.Or(by, excluded)
	if e.filters.final(excluded) {
		return e.drop(r, by)
	}
	e.completeCORS(&in)
	derive(ev, isForeign)
	e.geo.fill(&in)
	e.diff(r, &in)
	if by = cmp.Or(by, e.filters.unchanged(&in)); e.filters.final(by) && !derives {
		return e.drop(r, by)
	}
	e.redact(&in)
	e.hidden.headers(&in, e.keep)
	ev.ExtraData = in.extraData(scope, lr, e)
	e.hidden.event(&in)
	r.cut += int64(in.cut + activity.Normalise(ev, &e.limits))
	if ev.Size() > activity.MaxEventBytes {
		r.cut += int64(shrink(ev))
	}
	if derives {
		e.deriveCORS(r, scope, &in, from, excluded)
	}
	in.reader.Encode(ev, lr)
	return e.pass(r, kind, lr, by)
}

// pass asks the last filters, and counts what passes.
func (e *enricher) pass(r *request, kind activity.Kind, lr plog.LogRecord, by *rule) bool {
	if by = e.judge(r, lr, by); by != nil && !e.drop(r, by) {
		return false
	}
	r.passed[kind]++
	return true
}

// sealed passes on an event that our own collector upstream finished and
// sealed. Any change here would look like tampering, so that one which would
// have to be cut is refused; a filter drops it whole or not at all.
func (e *enricher) sealed(r *request, s *scope, in *intake, lr plog.LogRecord, by *rule) bool {
	by = cmp.Or(by, e.filters.event(&in.event), e.filters.unchanged(in))
	if e.filters.final(by) {
		return e.drop(r, by)
	}
	in.event.ExtraData = in.clientExtra
	if s.cut > 0 || in.event.Size() > activity.MaxEventBytes {
		return e.reject(r, in, codeEventTooLarge, "The event exceeds a limit, and it is sealed: nothing can be cut from it.")
	}
	activitylogs.Encode(&in.event, lr)
	return e.pass(r, in.event.Kind, lr, by)
}
