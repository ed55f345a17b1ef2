package scylla

import (
	"sync"
	"time"
)

const (
	// knownFor is how long a writer trusts that a bucket is in the catalogue,
	// from the time of the write; then it writes it again.
	knownFor = 10 * time.Minute
	// maxKnown bounds the memory of a writer, about 25 MB.
	maxKnown = 100_000
	// bucketGrace is how old a bucket's last write in the catalogue must be, when
	// retention or an erasure begins, to be forgotten. It is what writers trust
	// and 20 minutes for a commit and between the clocks.
	bucketGrace = 30 * time.Minute
)

// known remembers when what is in the catalogue was written, in two
// generations: a bounded memory without a list.
type known struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[bucket]time.Time
	turned     time.Time
}

func newKnown(now func() time.Time) *known { return &known{now: now, young: map[bucket]time.Time{}} }

// missing gives the buckets among those given that have to be written, each once.
func (k *known) missing(buckets []bucket) []bucket {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.turn(now)
	trusted := func(b bucket) bool {
		at, ok := k.young[b]
		if !ok {
			at, ok = k.old[b]
		}
		return ok && now.Sub(at) < knownFor && !now.Before(at)
	}
	var out []bucket
	listed := map[bucket]struct{}{}
	for _, b := range buckets {
		if trusted(b) {
			continue
		}
		if _, ok := listed[b]; !ok {
			listed[b] = struct{}{}
			out = append(out, b)
		}
	}
	return out
}

// add remembers buckets that were written, with the time in their rows.
func (k *known) add(buckets []bucket, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range buckets {
		k.young[b] = at
	}
}

func (k *known) turn(now time.Time) {
	if now.Sub(k.turned) >= knownFor || now.Before(k.turned) || len(k.young) > maxKnown {
		k.young, k.old, k.turned = map[bucket]time.Time{}, k.young, now
	}
}
