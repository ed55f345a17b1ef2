// Package clickhouse stores events in ClickHouse, over HTTP or the native
// protocol, as the scheme of the DSN says.
//
// ClickHouse has no unique keys. The table is a ReplacingMergeTree whose version
// makes the earliest acceptance of a key win, and every read is FINAL: there is
// one visible row for a key whatever was written how often, and a write does not
// learn whether it was the first (Capabilities.DetectsDuplicates is false).
package clickhouse
