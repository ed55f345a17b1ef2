package enrichprocessor

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// FilterConfig drops events on purpose. Its rules are asked in the order in
// which they stand in the README, and the first one that catches an event is
// counted.
type FilterConfig struct {
	ExcludeURLs      []string `mapstructure:"exclude_urls"`
	ExcludeURLsExtra []string `mapstructure:"exclude_urls_extra"`
	IncludeURLs      []string `mapstructure:"include_urls"`
	WatchKinds       []string `mapstructure:"watch_kinds"`
	// Models are written app.model, or app.* for every model of an application.
	ExcludeModels      []string `mapstructure:"exclude_models"`
	ExcludeModelsExtra []string `mapstructure:"exclude_models_extra"`
	IncludeModels      []string `mapstructure:"include_models"`
	// SkipUnchanged drops updates of objects that are known to have changed nothing.
	SkipUnchanged bool `mapstructure:"skip_unchanged"`
	// Drop and Keep are conditions in the OpenTelemetry Transformation Language,
	// log context. Keep overrules every rule but WatchKinds.
	Drop []string `mapstructure:"drop"`
	Keep []string `mapstructure:"keep"`
	// DryRun counts what would be dropped, and keeps it.
	DryRun bool `mapstructure:"dry_run"`
}

func defaultFilter() FilterConfig {
	return FilterConfig{
		ExcludeURLs:   []string{`^/admin/`, `^/static/`, `^/favicon\.ico$`, `^/health/`, `^/metrics/`},
		WatchKinds:    []string{"crud", "login", "request", "cors", "system"},
		ExcludeModels: housekeepingModels(),
	}
}

func (c *FilterConfig) validate(p *problems) {
	p.patterns("filter::exclude_urls", c.ExcludeURLs)
	p.patterns("filter::exclude_urls_extra", c.ExcludeURLsExtra)
	p.patterns("filter::include_urls", c.IncludeURLs)
	for i, w := range c.WatchKinds {
		if _, ok := activity.ParseKind(w); !ok {
			p.add(fmt.Sprintf("filter::watch_kinds::%d", i), fmt.Errorf("%q is no kind of event", w))
		}
	}
	if len(c.WatchKinds) == 0 {
		p.add("filter::watch_kinds", errors.New("no kind of event is left, so that everything would be dropped; name those to keep"))
	}
	p.models("filter::exclude_models", c.ExcludeModels)
	p.models("filter::exclude_models_extra", c.ExcludeModelsExtra)
	p.models("filter::include_models", c.IncludeModels)
	_, err := compileConditions("drop", c.Drop)
	p.join(err)
	_, err = compileConditions("keep", c.Keep)
	p.join(err)
}

// rule is one reason to drop events.
type rule struct {
	name    string // its key and entry, such as exclude_urls::^/static/
	counted metric.MeasurementOption
	firm    bool // no keep condition overrules it
}

func newRule(name string) *rule {
	return &rule{name: name, counted: metric.WithAttributeSet(attribute.NewSet(attribute.String("rule", name)))}
}

// filters are the rules in the order in which they are asked.
type filters struct {
	unwatched  [activity.KindSystem + 1]*rule // nil: watched
	urls       *urlFilter
	models     *modelFilter
	noChange   *rule // nil: such updates are kept
	drop, keep []condition
	dryRun     bool
}

func newFilters(cfg *FilterConfig) (*filters, error) {
	f := &filters{models: newModelFilter(cfg), dryRun: cfg.DryRun}
	off := newRule("watch_kinds")
	off.firm = true
	for _, k := range activity.Kinds() {
		f.unwatched[k] = off
	}
	for _, w := range cfg.WatchKinds {
		if k, ok := activity.ParseKind(w); ok {
			f.unwatched[k] = nil
		}
	}
	if cfg.SkipUnchanged {
		f.noChange = newRule("skip_unchanged")
	}
	var err error
	if f.urls, err = newURLFilter(cfg); err != nil {
		return nil, err
	}
	if f.drop, err = compileConditions("drop", cfg.Drop); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	if f.keep, err = compileConditions("keep", cfg.Keep); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	return f, nil
}

// kind gives the rule that drops every event of a kind, or nil.
func (f *filters) kind(k activity.Kind) *rule { return f.unwatched[k] }

// event gives the rule that drops an event by what it names: a request by its
// path, a change by its model.
func (f *filters) event(ev *activity.Event) *rule {
	switch ev.Kind {
	case activity.KindRequest:
		return f.urls.excludes(ev.URL)
	case activity.KindCRUD:
		return f.models.excludes(ev.ContentType)
	}
	return nil
}

// unchanged gives the rule that drops an update without a change.
func (f *filters) unchanged(in *intake) *rule {
	if f.noChange != nil && in.event.Kind == activity.KindCRUD && in.event.Type == "update" && in.saysNoChange() {
		return f.noChange
	}
	return nil
}

// saysNoChange reports whether the client, or the difference of before and
// after, says that nothing changed. To say nothing of changes is another thing.
func (in *intake) saysNoChange() bool {
	switch strings.TrimSpace(in.event.ChangedFields) {
	case "{}", "[]", "null", `"null"`: // the last two are django-activitylog-jwt's
		return true
	}
	return in.unchanged
}

// final reports whether nothing that comes later can keep what the rule drops.
func (f *filters) final(r *rule) bool {
	return r != nil && !f.dryRun && (r.firm || len(f.keep) == 0)
}

// drop counts what a rule has caught; true keeps the event all the same.
func (e *enricher) drop(r *request, by *rule) (kept bool) {
	if e.filters.dryRun {
		e.metrics.EnrichFilteredDryRun.Add(r.ctx, 1, by.counted)
		return true
	}
	r.receipt.Filter(1)
	e.metrics.EnrichFiltered.Add(r.ctx, 1, by.counted)
	return false
}
