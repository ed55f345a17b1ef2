// Package activitylogs is the one place where OpenTelemetry log records become
// activity events and the other way round.
//
// A record in the form of this package carries its kind in EventName, its times
// in Timestamp and ObservedTimestamp, its message in the body and every other
// field in the attribute that the table in table.go names: semantic conventions
// where they exist, activity.* where they do not. Service and producer are
// resource attributes.
package activitylogs
