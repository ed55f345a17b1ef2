//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package integrityprocessor seals activity events: it adds a hash over the
// canonical bytes, two salts and two commitments to every record, so that a
// stored row can be verified years later from its columns alone.
package integrityprocessor
