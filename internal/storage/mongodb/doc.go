// Package mongodb stores activity events in MongoDB: one document an event,
// written with majority and journal, read by keyset on the server's indexes.
// See README.md for the life of a record.
package mongodb
