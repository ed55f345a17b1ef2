package configguard

import "github.com/activitylog/otelcol-activitylog/internal/loopback"

// listeners checks that nobody can write events over OTLP from another machine
// without proving who they are. Our own receiver checks itself; the stock one
// does not.
func (g *guard) listeners(p *pipeline) {
	allow := false
	for id, conf := range section(g.conf, "extensions") {
		if m, isMap := conf.(map[string]any); isMap && typeOf(id) == "auditapi" {
			allow = allow || m["allow_unauthenticated"] == true
		}
	}
	for _, id := range p.receivers {
		if typeOf(id) != "otlp" {
			continue
		}
		protocols := section(section(section(g.conf, "receivers"), id), "protocols")
		for _, name := range sortedKeys(protocols) {
			conf := section(protocols, name)
			endpoint, written := conf["endpoint"].(string)
			if !written {
				continue // the default is on loopback
			}
			caller := section(conf, "auth")["authenticator"] != nil || section(conf, "tls")["client_ca_file"] != nil
			if err := loopback.Check(endpoint, caller, allow); err != nil {
				g.add("receivers::"+id+"::protocols::"+name+"::endpoint", "other machines can reach it and nothing asks who they are",
					"set auth, or a TLS client_ca_file, or listen on 127.0.0.1, or set allow_unauthenticated: true on the auditapi extension")
			}
		}
	}
}
