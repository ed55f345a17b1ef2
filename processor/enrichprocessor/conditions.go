package enrichprocessor

import (
	"context"
	"fmt"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/ottlfuncs"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// condition is one condition in the OpenTelemetry Transformation Language over
// a record as it leaves this processor.
type condition struct {
	rule *rule
	ottl *ottl.Condition[*ottllog.TransformContext]
}

// compileConditions parses a list once; key is its own among the filters. Paths may name their context (log.attributes) or leave it out.
func compileConditions(key string, list []string) ([]condition, error) {
	if len(list) == 0 {
		return nil, nil
	}
	// OTTL would log whole records at its debug level.
	quiet := component.TelemetrySettings{Logger: zap.NewNop()}
	parser, err := ottllog.NewParser(ottlfuncs.StandardConverters[*ottllog.TransformContext](), quiet, ottllog.EnablePathContextNames())
	if err != nil {
		return nil, fmt.Errorf("filter::%s: create the parser: %w", key, err)
	}
	parsed := func(_ *ottl.ParserCollection[[]*ottl.Condition[*ottllog.TransformContext]], _ ottl.ConditionsGetter,
		c []*ottl.Condition[*ottllog.TransformContext],
	) ([]*ottl.Condition[*ottllog.TransformContext], error) {
		return c, nil
	}
	parsers, err := ottl.NewParserCollection(quiet,
		ottl.WithParserCollectionContext(ottllog.ContextName, &parser, ottl.WithConditionConverter(parsed)))
	if err != nil {
		return nil, fmt.Errorf("filter::%s: create the parser: %w", key, err)
	}
	var wrong problems
	compiled := make([]condition, 0, len(list))
	for i, text := range list {
		name := fmt.Sprintf("%s::%d", key, i)
		c, err := parsers.ParseConditionsWithContext(ottllog.ContextName, ottl.NewConditionsGetter([]string{text}), true)
		if err != nil {
			wrong.add("filter::"+name, err)
			continue
		}
		compiled = append(compiled, condition{newRule(name), c[0]})
	}
	return compiled, wrong.err()
}

// judge is the last filter: drop conditions catch what no rule before them did,
// and a keep condition overrules all but a kind that is off. It sees the record
// as it will be stored, under the resource and scope it came with. What cannot be
// evaluated drops nothing: such a drop does not hold, and such a keep does.
func (e *enricher) judge(r *request, lr plog.LogRecord, by *rule) *rule {
	f := e.filters
	if len(f.drop) == 0 && (by == nil || by.firm || len(f.keep) == 0) {
		return by
	}
	t := ottllog.NewTransformContext(r.resource, r.scope, lr)
	defer t.Close()
	for i := 0; by == nil && i < len(f.drop); i++ {
		if e.holds(r.ctx, &f.drop[i], t, false) {
			by = f.drop[i].rule
		}
	}
	if by == nil || by.firm {
		return by
	}
	for i := range f.keep {
		if e.holds(r.ctx, &f.keep[i], t, true) {
			return nil
		}
	}
	return by
}

// holds evaluates a condition; otherwise is the answer when that fails.
func (e *enricher) holds(ctx context.Context, c *condition, t *ottllog.TransformContext, otherwise bool) bool {
	met, err := c.ottl.Eval(ctx, t)
	if err == nil {
		return met
	}
	e.metrics.EnrichConditionErrors.Add(ctx, 1, c.rule.counted)
	now, last := e.now().UnixNano(), e.lastConditionNS.Load()
	if now-last >= int64(time.Minute) && e.lastConditionNS.CompareAndSwap(last, now) {
		// The error may quote the record, so it is not logged.
		e.logger.Warn("A filter condition could not be evaluated, so that it dropped nothing; test for the type and presence of what it reads.",
			zap.String("condition", c.rule.name))
	}
	return otherwise
}
