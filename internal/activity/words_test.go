package activity

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKinds(t *testing.T) {
	require.Len(t, Kinds(), 5)
	for _, k := range Kinds() {
		assert.True(t, k.Valid())
		for _, text := range []string{k.String(), k.EventName()} {
			back, ok := ParseKind(text)
			assert.True(t, ok, text)
			assert.Equal(t, k, back)
		}
	}
	for _, text := range []string{"", "activity.", "CRUD", "activity.activity.crud", "activity.other"} {
		_, ok := ParseKind(text)
		assert.False(t, ok, text)
	}
	for _, k := range []Kind{0, KindSystem + 1, 255} {
		assert.False(t, k.Valid())
		assert.Empty(t, k.String())
	}
}

func TestSeverityWords(t *testing.T) {
	for n := int64(0); n <= 24; n++ {
		low, high, ok := SeverityRange(SeverityWord(n))
		assert.True(t, ok)
		assert.True(t, low <= n && n <= high, "%d is outside of its own range", n)
	}
	_, _, ok := SeverityRange("LOUD")
	assert.False(t, ok)
}

func TestID(t *testing.T) {
	const text = "0190b5a0-c0de-7abc-8def-0123456789ab"
	id, err := ParseID(text)
	require.NoError(t, err)
	assert.Equal(t, text, id.String())
	for _, same := range []string{"0190B5A0-C0DE-7ABC-8DEF-0123456789AB", "0190b5a0c0de7abc8def0123456789ab"} {
		other, err := ParseID(same)
		require.NoError(t, err)
		assert.Equal(t, id, other)
	}
	b, err := id.MarshalText()
	require.NoError(t, err)
	var back ID
	require.NoError(t, back.UnmarshalText(b))
	assert.Equal(t, id, back)
	assert.True(t, ID{}.IsZero())
	assert.False(t, id.IsZero())
	for _, bad := range []string{
		"", "0190b5a0", text + "0", "0190b5a0_c0de_7abc_8def_0123456789ab", "0190b5a0-c0de-7abc-8def-0123456789ag",
		"0190b5a0c-0de-7abc-8def-0123456789ab", "{190b5a0-c0de-7abc-8def-0123456789a}",
	} {
		_, err := ParseID(bad)
		require.ErrorIs(t, err, ErrInvalid, bad)
		require.ErrorIs(t, back.UnmarshalText([]byte(bad)), ErrInvalid, bad)
	}
	assert.Equal(t, id, back, "a failed read changes nothing")
}

func TestScope(t *testing.T) {
	var zero Scope
	assert.True(t, zero.Empty())
	assert.False(t, zero.All())
	assert.False(t, zero.Matches(""), "a forgotten scope is never every tenant, nor the default one")
	assert.False(t, zero.Matches("a"))
	assert.Equal(t, zero.Empty(), Tenants().Empty())
	assert.False(t, Tenants().Matches(""))

	assert.True(t, AllTenants().All())
	assert.False(t, AllTenants().Empty())
	assert.True(t, AllTenants().Matches("any"))

	given := []string{"b", "a", "b", ""}
	s := Tenants(given...)
	given[0] = "changed"
	assert.Equal(t, []string{"", "a", "b"}, s.List())
	for tenant, want := range map[string]bool{"": true, "a": true, "b": true, "c": false, "A": false, "changed": false} {
		assert.Equal(t, want, s.Matches(tenant), tenant)
	}
}
