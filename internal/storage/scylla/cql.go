package scylla

import "strings"

// statements are the texts of one keyspace. Its name has been checked; values
// are always bound.
type statements struct {
	insertEvent, insertID, insertLookup, insertBucket, insertTenant string
	erasePerson, eraseContent                                       string
	deleteEvent, deleteID, deleteLookup, deleteBucket               string

	event, ids, tenants     string
	anyEvent, anyLookup     string
	events, lookups, bucket ordered
	version, settings, ping string
}

// ordered is a statement in both orders of its clustering columns.
type ordered struct{ descending, ascending string }

func (o ordered) text(descending bool) string {
	if descending {
		return o.descending
	}
	return o.ascending
}

const (
	eventKey  = " WHERE tenant_id = ? AND kind = ? AND hour = ? AND shard = ?"
	lookupKey = " WHERE tenant_id = ? AND field = ? AND value = ? AND hour = ?"
	// oneEvent binds the key of an event, bounds those of a range: from the
	// first position inclusive to the second exclusive.
	oneEvent = eventKey + " AND datetime_ns = ? AND id = ?"
	bounds   = " AND (datetime_ns, id) >= (?, ?) AND (datetime_ns, id) < (?, ?)"
	cells    = "facts, person, content"
)

func newStatements(keyspace string) statements {
	k := func(text string) string { return strings.ReplaceAll(text, keyspaceMark, keyspace) }
	return statements{
		insertEvent: k("INSERT INTO {keyspace}.events (tenant_id, kind, hour, shard, datetime_ns, id, " + cells +
			") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"),
		insertID:     k("INSERT INTO {keyspace}.ids (id, datetime_ns, tenant_id, kind) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"),
		insertLookup: k("INSERT INTO {keyspace}.lookups (tenant_id, field, value, hour, datetime_ns, id, kind) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"),
		insertBucket: k("INSERT INTO {keyspace}.buckets (tenant_id, source, value, hour, shard) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"),
		insertTenant: k("INSERT INTO {keyspace}.tenants (one, tenant_id, kind) VALUES (0, ?, ?)"),

		erasePerson:  k("UPDATE {keyspace}.events USING TIMESTAMP ? SET person = ?" + oneEvent),
		eraseContent: k("UPDATE {keyspace}.events USING TIMESTAMP ? SET content = ?" + oneEvent),
		deleteEvent:  k("DELETE FROM {keyspace}.events USING TIMESTAMP ?" + oneEvent),
		deleteID:     k("DELETE FROM {keyspace}.ids USING TIMESTAMP ? WHERE id = ? AND datetime_ns = ? AND tenant_id = ? AND kind = ?"),
		deleteLookup: k("DELETE FROM {keyspace}.lookups USING TIMESTAMP ?" + lookupKey +
			" AND datetime_ns = ? AND id = ? AND kind = ?"),
		deleteBucket: k("DELETE FROM {keyspace}.buckets USING TIMESTAMP ? WHERE tenant_id = ? AND source = ? AND value = ? AND hour = ? AND shard = ?"),

		event:     k("SELECT " + cells + " FROM {keyspace}.events" + oneEvent),
		ids:       k("SELECT datetime_ns, tenant_id, kind FROM {keyspace}.ids WHERE id = ?"),
		tenants:   k("SELECT tenant_id, kind FROM {keyspace}.tenants WHERE one = 0"),
		anyEvent:  k("SELECT id FROM {keyspace}.events" + eventKey + " LIMIT 1"), // the newest: see the order of the tables
		anyLookup: k("SELECT id FROM {keyspace}.lookups" + lookupKey + " LIMIT 1"),
		events: bothWays(k("SELECT datetime_ns, id, "+cells+" FROM {keyspace}.events"+eventKey+bounds),
			" ORDER BY datetime_ns DESC, id DESC", " ORDER BY datetime_ns ASC, id ASC"),
		lookups: bothWays(k("SELECT datetime_ns, id, kind FROM {keyspace}.lookups"+lookupKey+bounds),
			" ORDER BY datetime_ns DESC, id DESC, kind DESC", " ORDER BY datetime_ns ASC, id ASC, kind ASC"),
		bucket: bothWays(k("SELECT hour, shard FROM {keyspace}.buckets WHERE tenant_id = ? AND source = ? AND value = ? AND hour >= ? AND hour <= ?"),
			" ORDER BY hour DESC, shard DESC", " ORDER BY hour ASC, shard ASC"),
		version:  k("SELECT version, compatible FROM {keyspace}.schema_version WHERE one = 0"),
		settings: k("SELECT value FROM {keyspace}.settings WHERE name = ?"),
		ping:     k("INSERT INTO {keyspace}.settings (name, value) VALUES ('ping', ?)"),
	}
}

func bothWays(text, descending, ascending string) ordered {
	return ordered{descending: text + descending, ascending: text + ascending}
}
