package enrichprocessor

import (
	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// failure is why a token names nobody.
type failure uint8

// The failures, from the first thing that is looked at to the last: of several
// entries, the one that a token came furthest with says what is wrong.
const (
	noFailure failure = iota
	failMalformed
	failOversized
	failNone
	failOtherKind // the algorithm is of another kind of key
	failWrongIssuer
	failKeysUnavailable
	failUnknownKey
	failAlgorithm
	failConfusion // HS, and the only key is a public one
	failForged
	failKeyConfusion // HS, and the key id names a public key
	failWrongAudience
	failNotYetValid
	failExpired
	failures
)

// failureWords are the closed list that events and metrics carry. Two failures
// with one word differ in how much they outweigh.
var failureWords = [failures]string{
	failMalformed:       "malformed",
	failOversized:       "oversized",
	failNone:            "alg_none",
	failOtherKind:       "algorithm_not_accepted",
	failWrongIssuer:     "wrong_issuer",
	failKeysUnavailable: "keys_unavailable",
	failUnknownKey:      "unknown_key",
	failAlgorithm:       "algorithm_not_accepted",
	failConfusion:       "key_confusion",
	failForged:          "forged",
	failKeyConfusion:    "key_confusion",
	failWrongAudience:   "wrong_audience",
	failNotYetValid:     "not_yet_valid",
	failExpired:         "expired",
}

// verdict is what is known of a token. It holds for the signature; the times
// are judged for each event.
type verdict struct {
	state  string // an AuthVerified word
	reason failure
	claims *claims  // nil of a token that failed
	wanted []*entry // who may have the key that is missing
}

func (v *verdict) verified() bool { return v != nil && v.state == activity.AuthVerified }

// failed has the verdict of each failure.
var failed = func() (list [failures]*verdict) {
	for i := range list {
		list[i] = &verdict{state: activity.AuthFailed, reason: failure(i)}
	}
	return list
}()
