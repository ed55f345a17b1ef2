package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMeasuresAtEachSize(t *testing.T) {
	s := &settings{sizes: []int{5000, 9000}, measured: 2000, backends: []string{"sqlite"}}
	got, err := backend(t.Context(), s, "sqlite", t.TempDir())
	require.NoError(t, err)
	require.Len(t, got.points, 2)
	for i, p := range got.points {
		assert.Equal(t, s.sizes[i], p.size)
		assert.Positive(t, p.rate)
		assert.Positive(t, p.p50)
	}
	text := string(markdown(s, []series{got}))
	assert.Contains(t, text, "| sqlite | 9000 |")
	assert.Contains(t, text, `x-axis ["0.005M", "0.009M"]`)
}

func TestSizesAscend(t *testing.T) {
	require.Error(t, new(settings).readSizes("5,1"))
	require.Error(t, new(settings).readSizes("5,x"))
	require.NoError(t, new(settings).readSizes("1,5"))
}

func TestRefusesADiskThatIsTooSmall(t *testing.T) {
	require.ErrorContains(t, enoughDisk(t.TempDir(), &settings{sizes: []int{1 << 50}, backends: []string{"sqlite"}}), "BENCH_DIR")
}
