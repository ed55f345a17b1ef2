package storagetest

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// vectorsFile is reached from the folder of any driver.
const vectorsFile = "../../canonical/testdata/canonical.json"

var vectorCases = []testCase{
	{"every canonical vector keeps its hash", func(t *testing.T, s *env) {
		t.Helper()
		data, err := os.ReadFile(vectorsFile)
		require.NoError(t, err)
		var vectors []struct {
			Name       string         `json:"name"`
			Normalised activity.Event `json:"normalised"`
			Salts      string         `json:"salts"`
			Hash       string         `json:"hash"`
		}
		require.NoError(t, json.Unmarshal(data, &vectors))
		require.NotEmpty(t, vectors)
		var enc canonical.Encoder
		for i := range vectors {
			v := &vectors[i]
			e := v.Normalised
			salts, err := hex.DecodeString(v.Salts)
			require.NoError(t, err)
			enc.Seal(&e, (*[32]byte)(salts))
			require.Equal(t, v.Hash, hex.EncodeToString(e.IntegrityHash), v.Name)
			fresh := &env{Store: s.factory.Open(t), factory: s.factory}
			require.Equal(t, 1, fresh.write(t, e).Written, v.Name)
			got := fresh.scan(t, everything, activity.Query{})
			require.Len(t, got, 1, v.Name)
			assert.Equal(t, e.IntegrityHash, got[0].IntegrityHash, v.Name)
			assert.Equal(t, canonical.Verified, enc.Verify(&got[0]), v.Name)
			require.NoError(t, fresh.Close(), "a server has only so many connections")
		}
	}},
}
