package djangosettings

import (
	"strconv"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

// enrich writes the processor's part.
func (c *converter) enrich(y *yamlText) {
	c.jwt(y)
	c.clientAddress(y)
	c.geo(y)
	c.hints(y)
	c.filter(y)
}

// header gives the HTTP header that a WSGI name stands for.
func header(wsgi string) (string, bool) {
	name, ok := strings.CutPrefix(wsgi, "HTTP_")
	for _, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return "", false
		}
	}
	return strings.ReplaceAll(strings.ToLower(name), "_", "-"), ok && name != ""
}

func (c *converter) clientAddress(y *yamlText) {
	s, given := c.get("REMOTE_ADDR_HEADER")
	names, _ := c.text(s, given)
	var headers []string
	for _, wsgi := range strings.Split(names, ",") { // as the package splits it
		wsgi = strings.TrimSpace(wsgi)
		name, ok := header(wsgi)
		switch {
		case ok:
			headers = append(headers, name)
		case wsgi != "" && wsgi != "REMOTE_ADDR":
			c.add(Lost, s, "%s is no name of a header (HTTP_X_FORWARDED_FOR); the order of client_address::headers stays as it is by default", strconv.Quote(cut(wsgi)))
		}
	}
	y.block("client_address", func() {
		y.line("trusted_proxies:", "${env:ACTIVITYLOG_TRUSTED_PROXIES:-}", "addresses and CIDRs, with commas")
		if len(headers) > 0 {
			y.list("headers", headers, s.origin())
		}
	})
	if len(headers) > 0 {
		c.add(ToDo, s, "name your proxies in ACTIVITYLOG_TRUSTED_PROXIES (10.0.0.0/8,192.0.2.7): a header counts only when a trusted proxy sent it, and until then "+
			"remote_ip is the address that the application was called from. There anybody's header was believed")
	}
}

func (c *converter) geo(y *yamlText) {
	s, given := c.get("GEOIP_PATH")
	where := "${env:ACTIVITYLOG_GEOIP_PATH:-}"
	switch v := s.Value.(type) {
	case nil:
	case string:
		if v != "" {
			where = quote(v)
		}
	case pyliteral.Env:
		where = c.env(s, v)
	default:
		c.wrong(s, "a path")
		given = false
	}
	comment := ""
	if given && s.Value != nil {
		comment = s.origin()
	} else if given {
		c.add(Differs, s, "no database comes with the collector; put GeoLite2-City.mmdb into its data folder, or name one in ACTIVITYLOG_GEOIP_PATH")
	}
	y.block("geoip", func() {
		y.line("path:", where, comment)
		y.line("data_dir:", "${env:ACTIVITYLOG_DATA_DIR:-./data}", "")
	})
}

// env writes an environment variable as the whole value of a key.
func (c *converter) env(s setting, v pyliteral.Env) string {
	def := ""
	if text, ok := v.Default.(string); ok && plain.MatchString(text) {
		def = text
	} else if v.HasDefault && v.Default != nil && v.Default != "" {
		c.add(Lost, s, "the default of %s is left out; set the variable", v.Name)
	}
	return "${env:" + v.Name + ":-" + def + "}"
}

func (c *converter) hints(y *yamlText) {
	var lines [][3]string
	for _, h := range []struct{ key, ours, standard string }{
		{"BROWSER_HEADER", "browser_header", "HTTP_SEC_CH_UA"},
		{"PLATFORM_HEADER", "platform_header", "HTTP_SEC_CH_UA_PLATFORM"},
		{"OS_HEADER", "os_header", "GNOME_SHELL_SESSION_MODE"},
	} {
		s, given := c.get(h.key)
		wsgi, ok := c.text(s, given)
		if !ok || wsgi == h.standard {
			continue
		}
		name, ok := header(wsgi)
		if !ok {
			c.add(Lost, s, "%s is no name of a header (HTTP_X_DEVICE_OS)", strconv.Quote(cut(wsgi)))
			continue
		}
		lines = append(lines, [3]string{h.ours + ":", name, s.origin()})
	}
	if len(lines) > 0 {
		y.block("client_hints", func() {
			for _, l := range lines {
				y.line(l[0], l[1], l[2])
			}
		})
	}
}

// patterns gives the expressions of a list that RE2 takes.
func (c *converter) patterns(s setting, given bool) []string {
	var out []string
	for _, expr := range c.texts(s, given) {
		p, err := pattern(expr)
		if err != nil {
			c.add(Lost, s, "%s: %v; write it without, and convert again", strconv.Quote(cut(expr)), err)
			continue
		}
		if textual(expr) {
			c.add(Differs, s, `%s: \w, \d, \s and \b mean ASCII letters and digits here, any there; write \p{L} for any letter`, strconv.Quote(cut(expr)))
		}
		out = append(out, p)
	}
	return out
}

func (c *converter) filter(y *yamlText) {
	f := &yamlText{level: y.level + 1}
	drop := append(c.urls(f), c.models(f)...)
	if len(drop) > 0 {
		f.list("drop", drop, "what REGISTERED_* does not name")
	}
	if s, given := c.get("CRUD_EVENT_NO_CHANGED_FIELDS_SKIP"); c.flag("CRUD_EVENT_NO_CHANGED_FIELDS_SKIP", false) && given {
		f.line("skip_unchanged:", "true", s.origin())
	}
	watched := []string{}
	for _, k := range []struct{ key, kind string }{
		{"WATCH_MODEL_EVENTS", "crud"}, {"WATCH_AUTH_EVENTS", "login"}, {"WATCH_REQUEST_EVENTS", "request"}, {"WATCH_CORS_EVENTS", "cors"},
	} {
		if c.flag(k.key, true) {
			watched = append(watched, k.kind)
		}
	}
	if len(watched) < 4 {
		f.list("watch_kinds", append(watched, "system"), "WATCH_*_EVENTS")
	}
	if f.text.Len() > 0 {
		y.line("filter:", "", "")
		y.raw(f.text.String())
	}
}

// urls writes the filters of requests, and gives conditions for filter::drop. A
// list that includes was the whole of what was logged, and exclusions were
// taken from it.
func (c *converter) urls(y *yamlText) (drop []string) {
	out, given := c.get("UNREGISTERED_URLS")
	excluded := c.patterns(out, given)
	if list, ok := out.Value.([]any); given && ok && (len(excluded) > 0 || len(list) == 0) {
		y.list("exclude_urls", excluded, out.origin())
	}
	extra, given := c.get("UNREGISTERED_URLS_EXTRA")
	if added := c.patterns(extra, given); len(added) > 0 {
		y.list("exclude_urls_extra", added, extra.origin())
	}
	only, given := c.get("REGISTERED_URLS")
	included := c.patterns(only, given)
	list, _ := only.Value.([]any)
	switch {
	case len(list) == 0:
		return nil
	case len(included) == 0:
		c.add(Lost, only, "no expression of it is left, so that every request is kept that no exclusion drops")
		return nil
	}
	c.add(Differs, only, "exclusions count beside it, as in the package's code; its manual says that they do not. Write exclude_urls: [] for what the manual says")
	return []string{condition("activity.request", "url.path", included, "not ")}
}

// condition is one of the OpenTelemetry Transformation Language: records of that
// name whose attribute matches one of the expressions (or, by not, none).
func condition(event, attribute string, expressions []string, not string) string {
	a := "log.attributes[" + strconv.Quote(attribute) + "]"
	matches := make([]string, len(expressions))
	for i, e := range expressions {
		matches[i] = "IsMatch(" + a + ", " + strconv.Quote(e) + ")"
	}
	return "log.event_name == " + strconv.Quote(event) + " and " + a + " != nil and " + not + "(" + strings.Join(matches, " or ") + ")"
}

// modelNames gives the models of a list as app.model.
func (c *converter) modelNames(key string) (names []string, s setting) {
	s, given := c.get(key)
	for i, label := range c.texts(s, given) {
		app, model, ok := strings.Cut(label, ".")
		if !ok || app == "" || model == "" || strings.Contains(model, ".") || !isLabel(app) || !isLabel(model) {
			c.add(Lost, setting{s.name + "[" + strconv.Itoa(i) + "]", s.Item}, "%s is no app_label.Model; write it so, and convert again", strconv.Quote(cut(label)))
			continue
		}
		names = append(names, app+"."+strings.ToLower(model))
	}
	return names, s
}

func isLabel(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// models writes the filters of changes, and gives conditions for filter::drop.
func (c *converter) models(y *yamlText) (drop []string) {
	excluded, s := c.modelNames("UNREGISTERED_CLASSES_EXTRA")
	if len(excluded) > 0 {
		y.list("exclude_models_extra", excluded, s.origin())
	}
	included, _ := c.modelNames("REGISTERED_CLASSES")
	if len(included) == 0 {
		return nil
	}
	expressions := make([]string, len(included))
	for i, name := range included {
		expressions[i] = "(?i)^" + strings.ReplaceAll(name, ".", `\.`) + "$"
	}
	return []string{condition("activity.crud", "activity.object.type", expressions, "not ")}
}
