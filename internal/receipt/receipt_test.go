package receipt

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

func TestAReceiptIsCarriedInTheContext(t *testing.T) {
	ctx, r := NewContext(t.Context())
	assert.Same(t, r, FromContext(ctx))
	_, ok := r.Sink()
	assert.False(t, ok, "no sink has answered yet")

	FromContext(ctx).Filter(2)
	FromContext(ctx).Reject(Rejection{ID: activity.ID{1}, Code: "c"})
	FromContext(ctx).Derive(activity.ID{2})
	FromContext(ctx).Fill(Sink{Name: "first"})
	FromContext(ctx).Fill(Sink{Name: "second", Written: 3})
	rejected, filtered := r.Processed()
	assert.Equal(t, []Rejection{{ID: activity.ID{1}, Code: "c"}}, rejected)
	assert.Equal(t, 2, filtered)
	assert.Equal(t, []activity.ID{{2}}, r.Derived())
	sink, ok := r.Sink()
	assert.True(t, ok)
	assert.Equal(t, Sink{Name: "second", Written: 3}, sink)
}

func TestWithoutAReceiptNothingIsNoted(t *testing.T) {
	r := FromContext(t.Context())
	assert.Nil(t, r)
	r.Filter(1)
	r.Reject(Rejection{})
	r.Derive(activity.ID{1})
	r.Fill(Sink{})
	rejected, filtered := r.Processed()
	assert.Empty(t, rejected)
	assert.Zero(t, filtered)
	assert.Empty(t, r.Derived())
	_, ok := r.Sink()
	assert.False(t, ok)
}
