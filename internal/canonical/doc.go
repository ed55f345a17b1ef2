// Package canonical gives an activity event one byte form, the same in every
// language and after a round trip through every database, and seals events with
// it: integrity_hash = SHA-256(canonical bytes). It is pure: no clock, no
// randomness, no input or output.
//
// The form is deterministic CBOR (RFC 8949 section 4.2.1): one map with
// ascending unsigned keys, definite lengths, shortest heads, and only int64,
// UTF-8 text and byte strings as values. Null, "", empty bytes and 0 are one
// value, and its key is left out; where 0 is a value, the field carries a bias
// that makes every value positive. Keys, biases and groups come from the field
// table of package activity.
//
// Personal data and content are two maps of their own. The event map holds only
// their commitments,
//
//	SHA-256(0x02 || group number || 16 bytes of salt || group map)
//
// so that a group can be erased later (columns emptied, salt zeroed, commitment
// kept) and the event still verifies, while nobody can guess an address back from
// its digest. A commitment and its salt are zero when the group was empty.
//
// A seal shows accidental and partial changes of a row. It does not show that a
// row was deleted, and it does not stop somebody who may write to the database
// and recomputes hash and salts.
package canonical
