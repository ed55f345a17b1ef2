//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml

// Package activityspanconnector makes a request event of each HTTP server span,
// so that a service that is instrumented with OpenTelemetry has its requests
// audited without a line of code. It only renames what a span says; the enrich
// processor behind it judges, cleans and completes, as it does for every sender.
package activityspanconnector
