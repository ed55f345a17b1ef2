//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package auditsqlexporter writes activity events to a SQL database. Without a
// sending_queue success means committed; with one that has storage it means on
// this machine's disk.
package auditsqlexporter
