//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package auditmongoexporter writes activity events to MongoDB. Without a
// sending_queue success means that a majority of the replica set has them in
// its journal; with one that has storage it means on this machine's disk.
package auditmongoexporter
