package configguard

import (
	"fmt"
	"slices"
	"time"
)

// The bounds and defaults of this project's exporters.
const (
	maxAnswer      = 10 * time.Second
	defaultTimeout = 5 * time.Second
	defaultRetry   = 3 * time.Second
)

// delivery checks that what is acknowledged is safe, and in time.
func (g *guard) delivery(p *pipeline) {
	var committed []string
	for _, id := range p.exporters {
		conf := section(section(g.conf, "exporters"), id)
		where := "exporters::" + id
		q, queued := queue(conf)
		if !isAudit(id) {
			// Kafka's has a queue unless that is taken away.
			if _, given := conf["sending_queue"]; typeOf(id) == "kafka" && given && !queued {
				committed = append(committed, id)
			}
			continue
		}
		if queued {
			g.spooled(where, q, conf)
		} else {
			committed = append(committed, id)
			g.committed(where, conf)
		}
	}
	if len(committed) > 1 {
		g.add(p.at("exporters"), fmt.Sprintf("%v are both committed, called one after another: one that is down stops the others, and its retries double the wait", committed),
			"keep one committed exporter and give the others sending_queue: {storage: file_storage}")
	}
}

// expiry checks that MongoDB deletes nothing by itself from the database whose
// retention is auditapi's: it heeds no hold.
func (g *guard) expiry(p *pipeline) {
	for _, id := range p.exporters {
		conf := section(section(g.conf, "exporters"), id)
		if ttl, ok := duration(conf, "ttl", 0); typeOf(id) != "auditmongo" || ok && ttl == 0 {
			continue
		}
		for _, extension := range sortedKeys(section(g.conf, "extensions")) {
			storage := section(section(section(g.conf, "extensions"), extension), "storage")
			if typeOf(extension) == "auditapi" && storage["driver"] == "mongodb" && section(storage, "mongodb")["database"] == conf["database"] {
				g.add("exporters::"+id+"::ttl", "MongoDB's deletion heeds none of the holds of "+extension+", which reads the same database",
					"remove ttl and delete with auditctl cleanup, or tell the two databases apart with the key database")
			}
		}
	}
}

func (g *guard) spooled(where string, q, conf map[string]any) {
	id, _ := q["storage"].(string)
	if id == "" {
		g.add(where+"::sending_queue", "a queue in memory acknowledges events that a crash loses",
			"write sending_queue: {storage: file_storage}, or remove sending_queue")
	} else {
		g.queueStorage(id)
	}
	retry := section(conf, "retry_on_failure")
	if enabled, given := retry["enabled"].(bool); given && !enabled {
		g.add(where+"::retry_on_failure::enabled", "without retries an acknowledged event is dropped when the database is away",
			"write enabled: true and max_elapsed_time: 0")
	}
	if d, ok := duration(retry, "max_elapsed_time", 0); !ok || d != 0 {
		g.add(where+"::retry_on_failure::max_elapsed_time", "a retry that gives up drops an acknowledged event", "write max_elapsed_time: 0")
	}
}

func (g *guard) queueStorage(id string) {
	where := "extensions::" + id
	extensions := section(g.conf, "extensions")
	if _, defined := extensions[id]; !defined {
		g.add(where, "a queue names this storage and it is not defined", "add "+id+": {directory: ..., fsync: true} to extensions")
		return
	}
	if typeOf(id) != "file_storage" {
		return // another storage has its own promise
	}
	if fsync, _ := section(extensions, id)["fsync"].(bool); !fsync {
		g.add(where+"::fsync", "without fsync a power cut loses acknowledged events", "write fsync: true")
	}
	if on, _ := g.service("extensions"); !slices.Contains(on, id) {
		g.add("service::extensions", "the storage "+id+" of a queue is defined and not started", "add "+id+" to this list")
	}
}

func (g *guard) service(key string) ([]string, bool) {
	v, given := section(g.conf, "service")[key]
	return list(v), given
}

func (g *guard) committed(where string, conf map[string]any) {
	timeout, timeoutOK := duration(conf, "timeout", defaultTimeout)
	retry := section(conf, "retry_on_failure")
	elapsed, retryOK := duration(retry, "max_elapsed_time", defaultRetry)
	if !timeoutOK || !retryOK {
		g.add(where, "timeout or max_elapsed_time is no duration", "write timeout: 5s and retry_on_failure: {max_elapsed_time: 3s}")
		return
	}
	enabled, given := retry["enabled"].(bool)
	if given && !enabled {
		elapsed = 0
	} else if elapsed == 0 {
		g.add(where+"::retry_on_failure::max_elapsed_time", "0 retries for ever and the client never gets an answer", "write 3s")
	}
	if timeout <= 0 || timeout+elapsed > maxAnswer {
		g.add(where, fmt.Sprintf("timeout (%s) and retry (%s) exceed %s, within which a committed exporter answers", timeout, elapsed, maxAnswer),
			"write timeout: 5s and retry_on_failure: {max_elapsed_time: 3s}")
	}
}
