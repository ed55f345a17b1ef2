package enrichprocessor

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// FuzzDiff: changes made to before give after, and nothing changes from a text
// to itself.
func FuzzDiff(f *testing.F) {
	f.Add(`{"a":1,"b":{"c":[1,{"d":null}]}}`, `{"a":1.0,"b":{"c":[1,{"d":2}],"e.f\\":{}}}`)
	f.Add(`{"l":[{"p":1},{"p":2}]}`, `{"l":[{"p":1},{"p":"2"}]}`)
	f.Add(`{"":{"":{"":1}},".":2}`, `{"":{"":{"":2}},".":1}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		if depthOf(before) <= activity.MaxJSONDepth && depthOf(after) <= activity.MaxJSONDepth {
			checkDiff(t, before, after)
		}
	})
}

func TestDiffProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		before := randomObject(r, 4)
		after := randomObject(r, 4)
		if r.IntN(2) == 0 { // most real updates change little
			after = maps(before)
			after[name(r)] = randomValue(r, 3)
		}
		checkDiff(t, encode(t, r, before), encode(t, r, after))
	}
}

func checkDiff(t *testing.T, before, after string) {
	t.Helper()
	var d differ
	if same, ok := d.changedFields(before, before); ok {
		require.Equal(t, noChanges, same)
	}
	changes, ok := d.changedFields(before, after)
	if !ok {
		return
	}
	require.True(t, json.Valid([]byte(changes)), changes)
	a, b := decode(t, activity.CleanText(before)), decode(t, activity.CleanText(after))
	for field, pair := range decode(t, changes).(map[string]any) {
		require.Len(t, pair, 2)
		apply(a, strings.Split(strings.NewReplacer(`\\`, "\x01", `\.`, "\x02", ".", "\x00").Replace(field), "\x00"), pair.([]any))
	}
	require.Equal(t, withoutNulls(b), withoutNulls(a), "%s: %s to %s", changes, before, after)
}

// apply sets what lies under the path, which must be the old value.
func apply(v any, path []string, pair []any) {
	for i, step := range path {
		step = strings.NewReplacer("\x01", `\`, "\x02", ".").Replace(step)
		switch c := v.(type) {
		case map[string]any:
			if i == len(path)-1 {
				c[step] = pair[1]
				return
			}
			v = c[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || i == len(path)-1 {
				panic(fmt.Sprintf("%q is no element of a list", step))
			}
			v = c[n]
		}
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v))
	return v
}

func withoutNulls(v any) any {
	switch c := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range c {
			if item != nil {
				out[k] = withoutNulls(item)
			}
		}
		return out
	case []any:
		out := make([]any, len(c))
		for i := range c {
			out[i] = withoutNulls(c[i])
		}
		return out
	}
	return v
}

func name(r *rand.Rand) string { return []string{"a", "b", "c.d", `e\`, "", "é\"", "0"}[r.IntN(7)] }

func randomObject(r *rand.Rand, depth int) map[string]any {
	out := map[string]any{}
	for range r.IntN(4) {
		out[name(r)] = randomValue(r, depth-1)
	}
	return out
}

func randomValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(8); {
	case n < 2 && depth > 0:
		return randomObject(r, depth)
	case n == 2 && depth > 0:
		list := make([]any, r.IntN(3))
		for i := range list {
			list[i] = randomValue(r, depth-1)
		}
		return list
	case n == 3 && depth > 0:
		return []any{randomObject(r, depth-1), randomObject(r, depth-1)}
	case n == 4:
		return nil
	case n == 5:
		return json.Number([]string{"1", "1.0", "1e2", "18446744073709551615"}[r.IntN(4)])
	case n == 6:
		return r.IntN(2) == 0
	}
	return name(r)
}

func maps(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// encode writes with or without white space.
func encode(t *testing.T, r *rand.Rand, v any) string {
	t.Helper()
	indent := ""
	if r.IntN(2) == 0 {
		indent = " "
	}
	raw, err := json.MarshalIndent(v, "", indent)
	require.NoError(t, err)
	return string(raw)
}

// Time grows with the size alone, whatever the shape.
func BenchmarkDiff(b *testing.B) {
	wide := func(v int) string {
		var s strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&s, `,"f%d":{"v":%d}`, i, v)
		}
		return "{" + s.String()[1:] + "}"
	}
	order := `{"id":17,"state":"%s","total":"19.90","customer":{"id":4,"name":"Ada","tags":["a","b"]},"lines":[{"sku":"x","qty":1},{"sku":"y","qty":%d}]}`
	deep := func(v int) string {
		return strings.Repeat(`{"a":1,"b":`, 60) + strconv.Itoa(v) + strings.Repeat(`}`, 60)
	}
	for name, tt := range map[string][2]string{
		"order": {fmt.Sprintf(order, "new", 2), fmt.Sprintf(order, "paid", 3)},
		"wide":  {wide(1), wide(2)},
		"deep":  {deep(1), deep(2)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(tt[0]) + len(tt[1])))
			var d differ
			for b.Loop() {
				_, ok := d.changedFields(tt[0], tt[1])
				assert.True(b, ok)
			}
		})
	}
}
