package canonical

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// filled has a value in every column, sealed.
func filled(tb testing.TB) activity.Event {
	tb.Helper()
	for _, v := range vectors(tb) {
		if v.Name == "every column" {
			e := v.given(tb)
			e.StoredNS = 12
			var enc Encoder
			enc.Seal(&e, (*[SaltsSize]byte)(v.Salts))
			return e
		}
	}
	require.Fail(tb, "no vector fills every column")
	return activity.Event{}
}

func TestEveryHashedColumnIsSeen(t *testing.T) {
	var enc Encoder
	sealed := filled(t)
	require.Equal(t, Verified, enc.Verify(&sealed))
	for _, f := range activity.Fields() {
		info := f.Info()
		if info.Group == activity.GroupNone {
			continue
		}
		for name, change := range changes(info.Type) {
			e := sealed
			change(&e, f)
			assert.Equal(t, Tampered, enc.Verify(&e), "%s: %s", f, name)
		}
	}
}

// changes of a column that no longer hold what was sealed.
func changes(typ activity.Type) map[string]func(*activity.Event, activity.Field) {
	type change = func(*activity.Event, activity.Field)
	switch typ {
	case activity.TypeText, activity.TypeJSON:
		return map[string]change{
			"changed":  func(e *activity.Event, f activity.Field) { (*e.Text(f)) += " " },
			"emptied":  func(e *activity.Event, f activity.Field) { *e.Text(f) = "" },
			"replaced": func(e *activity.Event, f activity.Field) { *e.Text(f) = "\x00\xff" },
		}
	case activity.TypeInt, activity.TypeTime:
		return map[string]change{
			"changed": func(e *activity.Event, f activity.Field) { *e.Int(f)++ },
			"negated": func(e *activity.Event, f activity.Field) { *e.Int(f) = -*e.Int(f) },
			"nulled":  func(e *activity.Event, f activity.Field) { *e.Int(f) = 0 },
		}
	case activity.TypeOpt:
		return map[string]change{
			"changed":    func(e *activity.Event, f activity.Field) { e.Opt(f).Value++ },
			"nulled":     func(e *activity.Event, f activity.Field) { *e.Opt(f) = activity.OptInt64{} },
			"zeroed":     func(e *activity.Event, f activity.Field) { *e.Opt(f) = activity.Some(0) },
			"below bias": func(e *activity.Event, f activity.Field) { *e.Opt(f) = activity.Some(-f.Info().Bias) },
		}
	case activity.TypeBytes:
		return map[string]change{
			"changed": func(e *activity.Event, f activity.Field) {
				b := bytes.Clone(e.Bytes(f))
				b[len(b)-1] ^= 1
				e.SetBytes(f, b)
			},
			"nulled": func(e *activity.Event, f activity.Field) { e.SetBytes(f, nil) },
		}
	case activity.TypeKind:
		return map[string]change{
			"changed": func(e *activity.Event, _ activity.Field) { e.Kind = activity.KindCORS },
			"nulled":  func(e *activity.Event, _ activity.Field) { e.Kind = 0 },
		}
	}
	return nil
}

// TestBelowBiasIsNotNull: a number that the encoder leaves out must not pass for
// the null that was sealed.
func TestBelowBiasIsNotNull(t *testing.T) {
	var enc Encoder
	for _, f := range []activity.Field{activity.FieldLatitude, activity.FieldLongitude, activity.FieldResponseTimeUS} {
		e := activity.Event{ID: activity.ID{1}, Kind: activity.KindRequest}
		enc.Seal(&e, &[SaltsSize]byte{1})
		require.Equal(t, Verified, enc.Verify(&e))
		*e.Opt(f) = activity.Some(-f.Info().Bias)
		assert.Equal(t, Tampered, enc.Verify(&e), f.String())
	}
}

func TestEverySealColumnIsSeen(t *testing.T) {
	columns := map[string]func(*activity.Event) *[]byte{
		"hash":        func(e *activity.Event) *[]byte { return &e.IntegrityHash },
		"salts":       func(e *activity.Event) *[]byte { return &e.IntegritySalts },
		"commitments": func(e *activity.Event) *[]byte { return &e.IntegrityCommitments },
	}
	events := map[string]activity.Event{"filled": filled(t)}
	var enc Encoder
	empty := activity.Event{ID: activity.ID{1}, Kind: activity.KindRequest}
	enc.Seal(&empty, &[SaltsSize]byte{0: 1, 16: 1})
	events["empty groups"] = empty
	erased := filled(t)
	erased.Erase(activity.GroupPersonal)
	erased.Erase(activity.GroupContent)
	events["erased"] = erased

	for kind, sealed := range events {
		require.Equal(t, Verified, enc.Verify(&sealed), kind)
		for name, column := range columns {
			for i := range *column(&sealed) {
				e := sealed
				*column(&e) = bytes.Clone(*column(&e))
				(*column(&e))[i] ^= 1
				require.Equal(t, Tampered, enc.Verify(&e), "%s: %s byte %d", kind, name, i)
			}
			e := sealed
			*column(&e) = (*column(&e))[1:]
			assert.Equal(t, Tampered, enc.Verify(&e), "%s: %s shortened", kind, name)
			*column(&e) = append(slices.Clone(*column(&sealed)), 0)
			assert.Equal(t, Tampered, enc.Verify(&e), "%s: %s lengthened", kind, name)
			*column(&e) = nil
			want := Tampered
			if name == "hash" {
				want = Unsealed
			}
			assert.Equal(t, want, enc.Verify(&e), "%s: %s nulled", kind, name)
		}
		for _, version := range []int64{0, 2, -1} {
			e := sealed
			e.SchemaVersion = version
			assert.Equal(t, Tampered, enc.Verify(&e), "%s: schema_version %d", kind, version)
		}
	}
}

func TestErasure(t *testing.T) {
	var enc Encoder
	sealed := filled(t)
	for _, g := range groups {
		e := sealed
		e.Erase(g)
		require.True(t, e.Erased(g))
		require.Equal(t, Verified, enc.Verify(&e), "an erased event verifies")

		for _, f := range activity.TextFields() {
			if f.Info().Group == g {
				back := e
				*back.Text(f) = "back"
				assert.Equal(t, Tampered, enc.Verify(&back), "%s filled after its erasure", f)
			}
		}
		notZeroed := e
		notZeroed.IntegritySalts = sealed.IntegritySalts
		assert.Equal(t, Tampered, enc.Verify(&notZeroed), "columns emptied, salt kept")

		onlySalt := sealed
		onlySalt.IntegritySalts = e.IntegritySalts
		assert.Equal(t, Tampered, enc.Verify(&onlySalt), "salt zeroed, columns kept")
	}
}

func TestUnhashedColumn(t *testing.T) {
	var enc Encoder
	e := filled(t)
	e.StoredNS++
	assert.Equal(t, Verified, enc.Verify(&e), "the writer sets stored_ns after the seal")
}

func TestSealWritesIntoNothingOfTheCaller(t *testing.T) {
	var enc Encoder
	first := filled(t)
	hash := bytes.Clone(first.IntegrityHash)
	second := first // shares the slices
	second.Action = "other"
	salts := [SaltsSize]byte{0: 9, 16: 9}
	enc.Seal(&second, &salts)
	assert.Equal(t, hash, first.IntegrityHash)
	assert.Equal(t, Verified, enc.Verify(&first))
	assert.Equal(t, Verified, enc.Verify(&second))
	enc.Seal(&activity.Event{}, &salts)
	assert.Equal(t, [SaltsSize]byte{0: 9, 16: 9}, salts)
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	var enc Encoder
	e := filled(t)
	var room [3][64]byte
	salts := [SaltsSize]byte{0: 1, 16: 1}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = room[0][:0], room[1][:0], room[2][:0]
		enc.Seal(&e, &salts)
		if enc.Verify(&e) != Verified {
			t.Error("not verified")
		}
	}))
}

func TestVerdictWords(t *testing.T) {
	assert.Equal(t, []string{"", "verified", "tampered", "unsealed"},
		[]string{Verdict(0).String(), Verified.String(), Tampered.String(), Unsealed.String()})
}

func BenchmarkSeal(b *testing.B) {
	for _, v := range vectors(b) {
		if v.Name != "request" && v.Name != "every column" {
			continue
		}
		b.Run(v.Name, func(b *testing.B) {
			var enc Encoder
			e := v.Normalised
			var room [3][64]byte
			salts := [SaltsSize]byte{0: 1, 16: 1}
			b.ReportAllocs()
			for b.Loop() {
				e.IntegrityHash, e.IntegritySalts, e.IntegrityCommitments = room[0][:0], room[1][:0], room[2][:0]
				enc.Seal(&e, &salts)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	var enc Encoder
	e := filled(b)
	b.ReportAllocs()
	for b.Loop() {
		if enc.Verify(&e) != Verified {
			b.Fatal("not verified")
		}
	}
}
