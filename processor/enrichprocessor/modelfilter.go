package enrichprocessor

import (
	"fmt"
	"strings"
)

// housekeepingModels are the models whose changes say nothing of what people
// did: those that django-activitylog-jwt leaves out, under their content types.
func housekeepingModels() []string {
	return []string{
		"activitylog.crudevent", "activitylog.loginevent", "activitylog.requestevent", "activitylog.corsevent",
		"activitylog.systemevent", "activitylog.databaseconfig", "activitylog.retentionpolicy",
		"migrations.migration", "sessions.session", "auth.permission", "contenttypes.contenttype", "admin.logentry",
	}
}

// models checks a list of model names.
func (p *problems) models(key string, list []string) {
	for i, name := range list {
		app, model, ok := strings.Cut(name, ".")
		if !ok || app == "" || model == "" || strings.Contains(app, "*") || strings.Contains(model, "*") && model != "*" ||
			strings.ContainsAny(name, " \t^$\\()|") {
			p.add(fmt.Sprintf("%s::%d", key, i), fmt.Errorf("%q is no model; write app.model, or app.* for all of an application", name))
		}
	}
}

// modelFilter drops changes by the model they name. An entry that includes wins.
type modelFilter struct {
	exclude map[string]*rule // by the name in lower case
	include map[string]*rule
}

func newModelFilter(cfg *FilterConfig) *modelFilter {
	f := &modelFilter{exclude: map[string]*rule{}, include: map[string]*rule{}}
	for _, list := range []struct {
		key   string
		names []string
		into  map[string]*rule
	}{
		{"exclude_models_extra", cfg.ExcludeModelsExtra, f.exclude},
		{"exclude_models", cfg.ExcludeModels, f.exclude}, // first in the order, so it names the rule
		{"include_models", cfg.IncludeModels, f.include},
	} {
		for _, name := range list.names {
			name = strings.ToLower(name)
			list.into[name] = newRule(list.key + "::" + name)
		}
	}
	return f
}

// excludes gives the rule that drops a model's changes, or nil.
func (f *modelFilter) excludes(contentType string) *rule {
	if len(f.exclude) == 0 || contentType == "" {
		return nil
	}
	name := strings.ToLower(contentType)
	by := lookModel(f.exclude, name)
	if by == nil || lookModel(f.include, name) != nil {
		return nil
	}
	return by
}

// lookModel finds the entry of a model, or that of its application.
func lookModel(list map[string]*rule, name string) *rule {
	if r, ok := list[name]; ok {
		return r
	}
	app, _, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	var buf [64]byte
	return list[string(append(append(buf[:0], app...), ".*"...))]
}
