// Package sqldb stores activity events in an SQL database. SQLite is the first
// dialect; what differs between databases is behind the dialect interface, and
// everything else (rows, plans, pages, retention, erasure) is shared.
//
// Events live in segments: tables with the same columns and disjoint ranges of
// datetime. See README.md for the life of a record.
package sqldb
