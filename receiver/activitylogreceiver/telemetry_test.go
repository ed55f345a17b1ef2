package activitylogreceiver

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadatatest"
	"github.com/activitylog/otelcol-activitylog/test/hostile"
)

func sum(n int64, code string) metricdata.DataPoint[int64] {
	point := metricdata.DataPoint[int64]{Value: n}
	if code != "" {
		point.Attributes = attribute.NewSet(attribute.String("reason", code))
	}
	return point
}

func points(of ...metricdata.DataPoint[int64]) []metricdata.DataPoint[int64] { return of }

func TestMetrics(t *testing.T) {
	r := startReceiver(t, noting(t, func(r *receipt.Receipt) {
		r.Reject(receipt.Rejection{ID: ids("b")[0], Code: codeTenant})
		r.Filter(1)
		r.Fill(receipt.Sink{Duplicates: ids("c"), Conflicts: ids("d")})
	}), nil)
	body := strings.Replace(list("a", "b", "c", "d", "e"), "[", `[7,8,{},`, 1)
	status, _ := r.answer(t, body)
	require.Equal(t, 200, status)
	status, _ = r.answer(t, `[`)
	require.Equal(t, 400, status)

	values := []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}
	metadatatest.AssertEqualReceiverActivitylogAcceptedEvents(t, r.tel, points(sum(1, "")), values...)
	metadatatest.AssertEqualReceiverActivitylogRejectedEvents(t, r.tel,
		points(sum(2, codeNotObject), sum(1, codeKindRequired), sum(1, codeTenant)), values...)
	metadatatest.AssertEqualReceiverActivitylogRefusedRequests(t, r.tel, points(sum(1, codeBodyMalformed)), values...)

	sizes, err := r.tel.GetMetric("otelcol_receiver_activitylog_body_size")
	require.NoError(t, err)
	size := sizes.Data.(metricdata.Histogram[int64]).DataPoints[0]
	require.Equal(t, uint64(2), size.Count)
	require.Equal(t, int64(len(body)+1), size.Sum)
	times, err := r.tel.GetMetric("otelcol_receiver_activitylog_acknowledgement_duration")
	require.NoError(t, err)
	require.Equal(t, uint64(1), times.Data.(metricdata.Histogram[float64]).DataPoints[0].Count)
}

func TestRefusalsAreCounted(t *testing.T) {
	r := startReceiver(t, consumertest.NewErr(storage.ErrOverloaded), nil)
	resp, err := r.client.Get(r.base + path)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Equal(t, 429, r.post(t, post(hostile.Good)).Status)
	c := post(hostile.Good)
	c.Header = map[string]string{"Content-Encoding": "br"}
	require.Equal(t, 415, r.post(t, c).Status)
	metadatatest.AssertEqualReceiverActivitylogRefusedRequests(t, r.tel,
		points(sum(1, codeMethod), sum(1, codeOverloaded), sum(1, codeEncoding)), metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
}
