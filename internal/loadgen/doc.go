// Package loadgen makes realistic activity events from a seed: five kinds in a
// stated mix, users, addresses, models with changes, failed logins, slow
// requests, many tenants if wanted. The same Config gives the same events.
//
// Templates are rendered once; making an event only patches its id, its time
// and its sequence number into one, so that a generator costs little beside
// what it measures.
//
// Every event carries (producer, producer_seq). The pair is unique in a run and
// is stored, so that an event can be found again whether or not the client gave
// it an id.
package loadgen
