package identity

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestNamespaceIsWhatItsCommentSays(t *testing.T) {
	want := uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/activitylog/otelcol-activitylog/id"))
	require.Equal(t, Namespace, want.String())
	require.Equal(t, want, namespace)
}

func TestFromText(t *testing.T) {
	f := func(text, want string, wantExact bool) {
		t.Helper()
		id, exact := FromText(text)
		require.Equal(t, want, id.String(), text)
		require.Equal(t, wantExact, exact, text)
	}
	f("018F4C3E-7B00-7000-8000-000000000001", "018f4c3e-7b00-7000-8000-000000000001", true)
	f("018f4c3e7b00700080000000000000ff", "018f4c3e-7b00-7000-8000-0000000000ff", true)
	f("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01563e3a-b5d3-d676-4c61-efb99302bd5b", true)
	f("", activity.ID{}.String(), true)
	f("00000000-0000-0000-0000-000000000000", activity.ID{}.String(), true)
	f("00000000000000000000000000", activity.ID{}.String(), true)
	f("order-17", uuid.NewSHA1(uuid.MustParse(Namespace), []byte("order-17")).String(), false)
	f("zzzzzzzzzzzzzzzzzzzzzzzzzz", uuid.NewSHA1(uuid.MustParse(Namespace), []byte("zzzzzzzzzzzzzzzzzzzzzzzzzz")).String(), false)
}

func TestCORS(t *testing.T) {
	require.Equal(t, CORSNamespace, uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/activitylog/otelcol-activitylog/id/cors")).String())
	require.Equal(t, CORSNamespace, corsNamespace.String())
	request, _ := FromText("018F4C3E-7B00-7000-8000-000000000001")
	want := uuid.NewSHA1(uuid.MustParse(CORSNamespace), []byte("018f4c3e-7b00-7000-8000-000000000001"))
	require.Equal(t, want.String(), CORS(request).String())
	// No text of a client names it, whatever it begins with.
	text, _ := FromText(request.String() + "\x00")
	require.NotEqual(t, CORS(request), text)
	require.NotEqual(t, CORS(request), FromCloudEvent("cors", request.String()))
}

func TestDerivedIDsDoNotMeet(t *testing.T) {
	seen := map[activity.ID]bool{}
	for _, id := range []activity.ID{
		FromCloudEvent("/a", "b"), FromCloudEvent("/a\x00", "b"), FromCloudEvent("/ab", ""), FromKey("k", 1), FromKey("k", 11), FromKey("k1", 1),
	} {
		require.Equal(t, byte(5), id[6]>>4)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 30, 0, 123e6, time.UTC)
	got, ok := Time(ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String())
	require.True(t, ok)
	require.Equal(t, at, got)

	got, ok = Time("018f4c3e-7b00-7000-8000-000000000001")
	require.True(t, ok)
	require.Equal(t, time.UnixMilli(0x018f4c3e7b00).UTC(), got)

	for _, s := range []string{"", "order-17", uuid.NewString(), "018f4c3e-7b00-7000-0000-000000000001"} {
		_, ok = Time(s)
		require.False(t, ok, s)
	}
}
