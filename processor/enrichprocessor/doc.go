// Package enrichprocessor turns whatever a client or an OpenTelemetry SDK sends
// into activity events in the one form that the rest of the pipeline knows: it
// classifies, identifies, dates, attributes and cleans them, and removes every
// token and header before the next component sees the record.
package enrichprocessor

//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml
