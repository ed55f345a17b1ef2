// Package scylla stores activity events in ScyllaDB or Apache Cassandra: one
// driver, one schema, only statements that both have.
//
// An event is three cells of one row (facts, person, content) whose write
// timestamps run backwards, so that the earliest acceptance of a key wins whole
// and an erasure wins for ever. See README.md for the life of a record.
package scylla
