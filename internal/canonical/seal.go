package canonical

import (
	"bytes"
	"crypto/sha256"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// SaltsSize is the length in bytes of the two salts of an event.
const SaltsSize = 2 * activity.SaltSize

// commitmentDomain separates commitments from every other use of SHA-256 here.
const commitmentDomain = 0x02

// Verdict is what the columns of an event say about its seal. The zero value is
// no verdict.
type Verdict uint8

// The verdicts. Only Verified passes verification.
const (
	Verified Verdict = iota + 1
	Tampered         // the seal is there and does not fit the columns
	Unsealed         // there is no hash
)

// String is the word used in reports.
func (v Verdict) String() string {
	switch v {
	case Verified:
		return "verified"
	case Tampered:
		return "tampered"
	case Unsealed:
		return "unsealed"
	}
	return ""
}

// Encoder seals and verifies events. It keeps its buffer between calls, so a
// reused one does not allocate. The zero value is ready; it is not safe for
// concurrent use.
type Encoder struct {
	buf []byte
	// computed are the two commitments of the event at hand.
	computed [2 * activity.CommitmentSize]byte
}

// Seal sets schema_version, integrity_hash, integrity_salts and
// integrity_commitments. The salts, 16 bytes for the personal and 16 for the
// content group, must come from a cryptographic random source; the half of an
// empty group is not used and is stored as zero. An earlier seal is replaced.
// Seal writes into the event's seal slices when they are empty and large enough,
// and never into bytes that an event already holds.
func (enc *Encoder) Seal(e *activity.Event, salts *[SaltsSize]byte) {
	used := *salts
	for i, g := range groups {
		if !enc.commit(e, g, i, part(used[:], i)) {
			clear(part(used[:], i))
		}
	}
	e.SchemaVersion = Version
	e.IntegritySalts = replace(e.IntegritySalts, used[:])
	e.IntegrityCommitments = replace(e.IntegrityCommitments, enc.computed[:])
	sum := enc.hash(e)
	e.IntegrityHash = replace(e.IntegrityHash, sum[:])
}

// Verify recomputes the seal from the columns alone. A group whose salt is zero
// while its commitment is not was erased: its columns must be empty, and the
// kept commitment stands for it.
func (enc *Encoder) Verify(e *activity.Event) Verdict {
	if len(e.IntegrityHash) == 0 {
		return Unsealed
	}
	if len(e.IntegrityHash) != activity.HashSize || len(e.IntegritySalts) != SaltsSize ||
		len(e.IntegrityCommitments) != 2*activity.CommitmentSize || e.SchemaVersion != Version || !encodable(e) {
		return Tampered
	}
	for i, g := range groups {
		salt, kept := part(e.IntegritySalts, i), part(e.IntegrityCommitments, i)
		filled := enc.commit(e, g, i, salt)
		// Columns have a salt, and a group without columns has none: neither when it
		// never had any nor after its erasure.
		if filled == isZero(salt) {
			return Tampered
		}
		if filled && !bytes.Equal(part(enc.computed[:], i), kept) {
			return Tampered
		}
	}
	if sum := enc.hash(e); !bytes.Equal(sum[:], e.IntegrityHash) {
		return Tampered
	}
	return Verified
}

// groups in the order of their halves in salts and commitments.
var groups = [2]activity.Group{activity.GroupPersonal, activity.GroupContent}

// commit computes the commitment of a group into enc.computed. An empty group
// has a zero commitment and gives false.
func (enc *Encoder) commit(e *activity.Event, g activity.Group, i int, salt []byte) (filled bool) {
	var n int
	enc.buf = append(enc.buf[:0], commitmentDomain, byte(i+1)) //nolint:gosec // 1 or 2
	enc.buf = append(enc.buf, salt...)
	enc.buf, n = appendMap(enc.buf, e, schemaOf(g))
	if n == 0 {
		clear(part(enc.computed[:], i))
		return false
	}
	sum := sha256.Sum256(enc.buf)
	copy(part(enc.computed[:], i), sum[:])
	return true
}

func (enc *Encoder) hash(e *activity.Event) [sha256.Size]byte {
	enc.buf = AppendEvent(enc.buf[:0], e)
	return sha256.Sum256(enc.buf)
}

// encodable reports whether every number with a bias can be told from an absent
// one; a row for which this fails was never sealed as it is.
func encodable(e *activity.Event) bool {
	for _, schema := range [...][]entry{eventSchema, personalSchema} {
		for i := range schema {
			if s := &schema[i]; s.typ == activity.TypeOpt {
				if o := *e.Opt(s.field); o.Valid {
					if _, ok := biased(o, s.bias); !ok {
						return false
					}
				}
			}
		}
	}
	return true
}

// part gives the personal (0) or content (1) half of salts or commitments.
func part(b []byte, i int) []byte {
	half := len(b) / 2
	return b[i*half : (i+1)*half]
}

func replace(old, value []byte) []byte {
	if len(old) > 0 {
		old = nil
	}
	return append(old, value...)
}

func isZero(b []byte) bool {
	var sum byte
	for _, c := range b {
		sum |= c
	}
	return sum == 0
}
