//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package auditclickhouseexporter writes activity events to ClickHouse. Without
// a sending_queue success means committed; with one that has storage it means on
// this machine's disk.
package auditclickhouseexporter
