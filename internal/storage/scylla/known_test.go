package scylla

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A bucket is trusted for as long as the grace of retention reckons with,
// whenever the generations turn.
func TestABucketIsTrustedFromItsWrite(t *testing.T) {
	start := time.Now()
	b := []bucket{{source: "login"}, {source: "login"}}
	for _, c := range []struct {
		name                    string
		turned, written, looked time.Duration // after the start
		trusted                 bool
	}{
		{"at once", 0, 0, 0, true},
		{"to the end", 0, 0, knownFor - 1, true},
		{"no longer", 0, 0, knownFor, false},
		{"no longer, when the generations turned late", knownFor - 1, 0, knownFor + knownFor/4, false},
		{"over a turn", knownFor, knownFor - 1, knownFor + knownFor/2, true},
		{"not from the future", 0, time.Hour, 0, false},
	} {
		now := &clock{now: start}
		k := newKnown(now.Now)
		assert.Len(t, k.missing(b), 1, "each once")
		k.add(b, start.Add(c.written))
		now.set(start.Add(c.turned))
		k.missing(nil)
		now.set(start.Add(c.looked))
		assert.Equal(t, c.trusted, len(k.missing(b)) == 0, c.name)
	}
}

func TestKnownBucketsAreBounded(t *testing.T) {
	now := time.Now()
	k := newKnown(func() time.Time { return now })
	for hour := range int64(3 * maxKnown) {
		k.add([]bucket{{hour: hour}}, now)
		k.missing(nil)
	}
	assert.LessOrEqual(t, len(k.young)+len(k.old), 2*maxKnown+2)
}
