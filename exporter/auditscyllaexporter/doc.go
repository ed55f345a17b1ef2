//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package auditscyllaexporter writes activity events to ScyllaDB or Apache
// Cassandra. Without a sending_queue success means that a quorum of the local
// data centre has them; with one that has storage it means on this machine's
// disk.
package auditscyllaexporter
