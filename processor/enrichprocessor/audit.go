package enrichprocessor

import (
	"fmt"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// The modes of the processor.
const (
	modeStandard = "standard"
	modeAudit    = "audit"
)

// refuseDropping names every rule that could drop an event: an audit trail has
// none. Foreign records are no events, and a list that only includes drops none.
func (c *FilterConfig) refuseDropping(p *problems) {
	for _, l := range []struct {
		key     string
		entries []string
	}{
		{"exclude_urls", c.ExcludeURLs},
		{"exclude_urls_extra", c.ExcludeURLsExtra},
		{"exclude_models", c.ExcludeModels},
		{"exclude_models_extra", c.ExcludeModelsExtra},
		{"drop", c.Drop},
	} {
		if len(l.entries) > 0 {
			p.add("filter::"+l.key, fmt.Errorf("in mode audit nothing may be dropped, and %q drop events; write %s: []", l.entries, l.key))
		}
	}
	if c.SkipUnchanged {
		p.add("filter::skip_unchanged", fmt.Errorf("in mode %s nothing may be dropped; leave it false", modeAudit))
	}
	watched := map[activity.Kind]bool{}
	for _, w := range c.WatchKinds {
		if k, ok := activity.ParseKind(w); ok {
			watched[k] = true
		}
	}
	for _, k := range activity.Kinds() {
		if !watched[k] {
			p.add("filter::watch_kinds", fmt.Errorf("in mode audit nothing may be dropped, and events of kind %s would be; add it", k))
		}
	}
}
