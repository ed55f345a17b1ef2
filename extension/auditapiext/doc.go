//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package auditapiext serves stored activity events over REST: lists, one
// event, verification and streaming exports. It owns the store that an exporter
// of the same database shares.
package auditapiext
