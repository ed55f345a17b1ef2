// Package client sends generated events to a collector as good clients do:
// many connections, a bounded rate, retries with pauses where a retry cannot
// double an event, and a record of every acknowledgement.
package client
