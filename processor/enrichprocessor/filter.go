package enrichprocessor

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// FilterConfig drops events on purpose.
type FilterConfig struct {
	ExcludeURLs      []string `mapstructure:"exclude_urls"`
	ExcludeURLsExtra []string `mapstructure:"exclude_urls_extra"`
	IncludeURLs      []string `mapstructure:"include_urls"`
	WatchKinds       []string `mapstructure:"watch_kinds"`
}

func defaultFilter() FilterConfig {
	return FilterConfig{
		ExcludeURLs: []string{`^/admin/`, `^/static/`, `^/favicon\.ico$`, `^/health/`, `^/metrics/`},
		WatchKinds:  []string{"crud", "login", "request", "cors", "system"},
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
}

// urlFilter drops requests by their path. A pattern that includes wins.
type urlFilter struct{ include, exclude []urlPattern }

// urlPattern is a regular expression. One that only says how a path begins, as
// most do, is a comparison.
type urlPattern struct {
	*regexp.Regexp
	prefix string // "" when the expression must be run
}

func newURLPattern(expr string) (urlPattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return urlPattern{}, fmt.Errorf("enrich: filter: %w", err)
	}
	return urlPattern{re, literalPrefix(expr)}, nil
}

// literalPrefix gives the text of an expression of the form ^text.
func literalPrefix(expr string) string {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat || len(tree.Sub) != 2 {
		return ""
	}
	begin, text := tree.Sub[0], tree.Sub[1]
	if begin.Op != syntax.OpBeginText || text.Op != syntax.OpLiteral || text.Flags&syntax.FoldCase != 0 {
		return ""
	}
	return string(text.Rune)
}

func (p *urlPattern) matches(path string) bool {
	if p.prefix != "" {
		return strings.HasPrefix(path, p.prefix)
	}
	return p.MatchString(path)
}

func newURLFilter(cfg *FilterConfig) (*urlFilter, error) {
	f := &urlFilter{}
	for _, list := range []struct {
		patterns []string
		into     *[]urlPattern
	}{{cfg.ExcludeURLs, &f.exclude}, {cfg.ExcludeURLsExtra, &f.exclude}, {cfg.IncludeURLs, &f.include}} {
		for _, p := range list.patterns {
			pattern, err := newURLPattern(p)
			if err != nil {
				return nil, err
			}
			*list.into = append(*list.into, pattern)
		}
	}
	return f, nil
}

// excludes gives the pattern that drops the path.
func (f *urlFilter) excludes(path string) (rule string, excluded bool) {
	for i := range f.exclude {
		if !f.exclude[i].matches(path) {
			continue
		}
		for j := range f.include {
			if f.include[j].matches(path) {
				return "", false
			}
		}
		return f.exclude[i].String(), true
	}
	return "", false
}

// finishURL splits a query that came inside the path of a request.
func (in *intake) finishURL() {
	ev := &in.event
	if path, query, ok := strings.Cut(ev.URL, "?"); ok && (ev.QueryString == "" || ev.QueryString == query) {
		ev.URL, ev.QueryString = path, query
	}
}

// pathOf gives path and query of an absolute URL.
func pathOf(u string) string {
	_, rest, ok := strings.Cut(u, "://")
	if !ok {
		return u
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		return "/"
	}
	if rest[i] != '/' {
		return "/" + rest[i:]
	}
	return rest[i:]
}
