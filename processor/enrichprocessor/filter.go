package enrichprocessor

import (
	"fmt"
	"regexp"
	"strings"
)

// urlFilter drops requests by their path. A pattern that includes wins.
type urlFilter struct{ include, exclude []*regexp.Regexp }

func newURLFilter(cfg *FilterConfig) (*urlFilter, error) {
	f := &urlFilter{}
	for _, list := range []struct {
		patterns []string
		into     *[]*regexp.Regexp
	}{{cfg.ExcludeURLs, &f.exclude}, {cfg.ExcludeURLsExtra, &f.exclude}, {cfg.IncludeURLs, &f.include}} {
		for _, p := range list.patterns {
			re, err := regexp.Compile(p)
			if err != nil {
				return nil, fmt.Errorf("enrich: filter: %w", err)
			}
			*list.into = append(*list.into, re)
		}
	}
	return f, nil
}

// excludes gives the pattern that drops the path.
func (f *urlFilter) excludes(path string) (rule string, excluded bool) {
	for _, re := range f.exclude {
		if !re.MatchString(path) {
			continue
		}
		for _, keep := range f.include {
			if keep.MatchString(path) {
				return "", false
			}
		}
		return re.String(), true
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
