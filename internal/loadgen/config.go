package loadgen

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Config says what to generate.
type Config struct {
	// Seed fixes every choice.
	Seed uint64
	// Run names the producers, "<Run>-<client>"; empty is "load".
	Run string
	// Mix gives each kind its share; the zero value is DefaultMix.
	Mix Mix
	// Tenants spreads events over tenant-000..; 0 is the default tenant alone.
	Tenants int
	// WithoutIDs leaves the identity to the collector.
	WithoutIDs bool
	// Times gives each event its time of occurrence; nil is Recent(time.Now).
	Times Times
	// Templates is the number of distinct events before content repeats;
	// 0 is 2048. Memory is about 4 KiB a template.
	Templates int
}

// DefaultTemplates is the number of templates made when none is asked for.
const DefaultTemplates = 2048

const maxTemplates = 1 << 20

// Mix is the weight of each kind. Weights need not sum to anything.
type Mix map[activity.Kind]int

// DefaultMix is an application behind a browser: mostly requests, some changes
// to objects, few logins, CORS checks and system events.
func DefaultMix() Mix {
	return Mix{
		activity.KindRequest: 60, activity.KindCRUD: 25, activity.KindLogin: 8, activity.KindCORS: 4, activity.KindSystem: 3,
	}
}

// ParseMix reads "request=60,crud=25"; a kind without a weight has weight 1.
func ParseMix(s string) (Mix, error) {
	mix := Mix{}
	for part := range strings.SplitSeq(s, ",") {
		word, weight, weighted := strings.Cut(strings.TrimSpace(part), "=")
		kind, ok := activity.ParseKind(word)
		if !ok {
			return nil, fmt.Errorf("%q is not a kind: use crud, login, request, cors or system", word)
		}
		n := 1
		if weighted {
			var err error
			if n, err = strconv.Atoi(weight); err != nil || n < 0 {
				return nil, fmt.Errorf("weight %q of %s: want a whole number from 0", weight, word)
			}
		}
		mix[kind] += n
	}
	if mix.total() == 0 {
		return nil, errors.New("every weight of the mix is 0: nothing would be generated")
	}
	return mix, nil
}

func (m Mix) total() int {
	n := 0
	for _, w := range m {
		n += w
	}
	return n
}

// pick draws a kind. It walks in the order of the kinds, since the order of a
// map would not be deterministic.
func (m Mix) pick(r *rand.Rand) activity.Kind {
	n := r.IntN(m.total())
	for _, k := range activity.Kinds() {
		if n < m[k] {
			return k
		}
		n -= m[k]
	}
	return activity.KindRequest
}

// Times gives event number seq of a stream its time.
type Times func(seq int64, r *rand.Rand) time.Time

// Recent gives times of the last two seconds, as a live client's queue does.
func Recent(now func() time.Time) Times {
	return func(_ int64, r *rand.Rand) time.Time {
		return now().Add(-time.Duration(r.Int64N(int64(2 * time.Second))))
	}
}

// Spread gives times anywhere in [from, from+span).
func Spread(from time.Time, span time.Duration) Times {
	return func(_ int64, r *rand.Rand) time.Time {
		return from.Add(time.Duration(r.Int64N(int64(max(span, 1)))))
	}
}

// Steady gives times that move on by step an event, each up to ten steps late:
// the order in which a store sees months of traffic.
func Steady(from time.Time, step time.Duration) Times {
	return func(seq int64, r *rand.Rand) time.Time {
		late := time.Duration(r.Int64N(int64(10*step) + 1))
		return from.Add(time.Duration(seq)*step - late)
	}
}
