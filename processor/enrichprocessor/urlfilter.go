package enrichprocessor

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// urlFilter drops requests by their path. A pattern that includes wins.
type urlFilter struct{ include, exclude []urlPattern }

// urlPattern is a regular expression. One that only says how a path begins, as
// most do, is a comparison.
type urlPattern struct {
	*regexp.Regexp
	prefix string // "" when the expression must be run
	rule   *rule  // of one that excludes
}

func newURLPattern(expr string) (urlPattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return urlPattern{}, fmt.Errorf("enrich: filter: %w", err)
	}
	return urlPattern{Regexp: re, prefix: literalPrefix(expr)}, nil
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
		key      string
		patterns []string
	}{{"exclude_urls", cfg.ExcludeURLs}, {"exclude_urls_extra", cfg.ExcludeURLsExtra}} {
		for _, p := range list.patterns {
			pattern, err := newURLPattern(p)
			if err != nil {
				return nil, err
			}
			pattern.rule = newRule(list.key + "::" + p)
			f.exclude = append(f.exclude, pattern)
		}
	}
	for _, p := range cfg.IncludeURLs {
		pattern, err := newURLPattern(p)
		if err != nil {
			return nil, err
		}
		f.include = append(f.include, pattern)
	}
	return f, nil
}

// excludes gives the rule that drops the path, or nil.
func (f *urlFilter) excludes(path string) *rule {
	for i := range f.exclude {
		if !f.exclude[i].matches(path) {
			continue
		}
		for j := range f.include {
			if f.include[j].matches(path) {
				return nil
			}
		}
		return f.exclude[i].rule
	}
	return nil
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
