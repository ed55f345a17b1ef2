package scylla

import (
	"sync"
	"time"
)

const (
	// knownFor is how long a writer trusts that a bucket is in the catalogue:
	// up to twice this time, then it writes it again.
	knownFor = 5 * time.Minute
	// maxKnown bounds the memory of a writer, about 20 MB.
	maxKnown = 100_000
	// bucketGrace is how old a bucket's last write in the catalogue must be to be
	// forgotten. It is what writers trust and 20 minutes between their clocks.
	bucketGrace = 30 * time.Minute
)

// known remembers what is in the catalogue, in two generations: a bounded
// memory without a list.
type known struct {
	now func() time.Time

	mu         sync.Mutex
	young, old map[bucket]struct{}
	turned     time.Time
}

func newKnown(now func() time.Time) *known { return &known{now: now, young: map[bucket]struct{}{}} }

// missing gives the buckets among those given that have to be written, each once.
func (k *known) missing(buckets []bucket) []bucket {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.turn()
	var out []bucket
	listed := map[bucket]struct{}{}
	for _, b := range buckets {
		if _, ok := k.young[b]; ok {
			continue
		}
		if _, ok := k.old[b]; ok {
			continue
		}
		if _, ok := listed[b]; !ok {
			listed[b] = struct{}{}
			out = append(out, b)
		}
	}
	return out
}

// add remembers buckets that have been written.
func (k *known) add(buckets []bucket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range buckets {
		k.young[b] = struct{}{}
	}
}

func (k *known) turn() {
	switch now := k.now(); {
	case now.Sub(k.turned) >= 2*knownFor || now.Before(k.turned):
		k.young, k.old, k.turned = map[bucket]struct{}{}, nil, now
	case now.Sub(k.turned) >= knownFor || len(k.young) > maxKnown:
		k.young, k.old, k.turned = map[bucket]struct{}{}, k.young, now
	}
}
