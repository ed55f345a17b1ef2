//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package activitylogreceiver takes activity events as JSON, NDJSON and
// CloudEvents over HTTP. One request is one ConsumeLogs call, and the answer
// says of every event what became of it.
package activitylogreceiver
