package activitylogreceiver

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/internal/receipt"
	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadata"
)

// path is where events are posted.
const path = "/v1/events"

// maxKey bounds the Idempotency-Key header in bytes.
const maxKey = 255

// handler serves the endpoint. Nothing of the connection enters an event: the
// peer and the headers here are those of the reporter, not of the reported.
type handler struct {
	cfg       *Config
	next      consumer.Logs
	obs       *receiverhelper.ObsReport
	telemetry *metadata.TelemetryBuilder
	logger    *zap.Logger
	now       func() time.Time
	// slots holds one element for each request whose body has come.
	slots chan struct{}
	// budget is the memory of all requests, being read or handled.
	budget *budget
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.now()
	if p := h.serve(w, r, start); p != nil {
		h.telemetry.ReceiverActivitylogRefusedRequests.Add(r.Context(), 1, reason(p.Code))
		p.write(w)
	}
}

// serve answers the request, or gives the problem to answer with.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, start time.Time) *problem {
	if r.URL.Path != path {
		return newProblem(http.StatusNotFound, codeNotFound, "events are posted to "+path)
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return newProblem(http.StatusMethodNotAllowed, codeMethod, "events are sent with POST")
	}
	f, p := formatOf(w, r)
	if p != nil {
		return p
	}
	atomic, p := atomicOf(r)
	if p != nil {
		return p
	}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return newProblem(http.StatusBadRequest, codeIdempotencyKey, fmt.Sprintf("Idempotency-Key: want at most %d bytes", maxKey))
	}
	if len(h.slots) == cap(h.slots) {
		return crowded() // before the body is read for nothing
	}
	l := &lease{budget: h.budget}
	defer l.end()
	ctx := r.Context()
	body, p := h.body(ctx, w, r, l)
	if p != nil {
		return p
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return crowded()
	}
	d := &decoder{now: start, maxFuture: h.cfg.MaxFuture, maxAge: h.cfg.MaxAge, key: key}
	b, p := readBatch(body, f, d, l)
	if p != nil {
		return p
	}
	l.put(int64(cap(body)))
	l.settle()
	if len(b.ids) == 0 || atomic && len(b.rejected) > 0 {
		return h.refused(ctx, b, atomic)
	}
	return h.consume(ctx, w, b, f.name, start)
}

// body reads the whole body. No slot is held meanwhile, so that slow clients
// keep nobody else from being served.
func (h *handler) body(ctx context.Context, w http.ResponseWriter, r *http.Request, l *lease) ([]byte, *problem) {
	limit := h.cfg.Server.MaxRequestBodySize
	if r.ContentLength > limit {
		return nil, bodyProblem(&http.MaxBytesError{Limit: limit})
	}
	body, p := readBody(r.Body, r.ContentLength, limit, l)
	h.telemetry.ReceiverActivitylogBodySize.Record(ctx, int64(len(body)))
	if p != nil {
		return nil, p
	}
	// The read timeout was for the body; the pipeline has its own.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // a connection without deadlines needs none cleared
	return body, nil
}

func crowded() *problem { return busy("too many requests at once; send the same request again") }

func busy(detail string) *problem {
	p := newProblem(http.StatusTooManyRequests, codeBusy, detail)
	p.retryAfter = retryCrowd
	return p
}

// refused answers a batch that is not given to the pipeline.
func (h *handler) refused(ctx context.Context, b *batch, atomic bool) *problem {
	h.countRejected(ctx, b.rejected)
	if atomic && len(b.ids) > 0 {
		b.ids = nil
		p := newProblem(http.StatusBadRequest, codeAtomic, "an event was rejected and atomic=true asks for all or none; nothing was taken")
		p.answer = b.untaken()
		return p
	}
	_, p := b.untaken().status(h.cfg.SuccessStatus)
	return p
}

// consume gives the batch to the pipeline and writes the answer.
func (h *handler) consume(ctx context.Context, w http.ResponseWriter, b *batch, format string, start time.Time) *problem {
	count := len(b.ids)
	ctx, noted := receipt.NewContext(ctx)
	obsCtx := h.obs.StartLogsOp(ctx)
	err := h.next.ConsumeLogs(obsCtx, b.events.Logs())
	h.obs.EndLogsOp(obsCtx, format, count, err)
	h.telemetry.ReceiverActivitylogAcknowledgementDuration.Record(ctx, h.now().Sub(start).Seconds())
	if err != nil {
		h.logger.Warn("The pipeline did not take the events", zap.Int("events", count), zap.Error(err))
		return pipelineProblem(err)
	}
	a := b.result(noted)
	h.countRejected(ctx, a.Rejected)
	h.telemetry.ReceiverActivitylogAcceptedEvents.Add(ctx, int64(a.Accepted))
	status, p := a.status(h.cfg.SuccessStatus)
	if p != nil {
		return p
	}
	writeJSON(w, status, "application/json", a)
	return nil
}

func (h *handler) countRejected(ctx context.Context, rejected []rejection) {
	counts := map[string]int64{}
	for i := range rejected {
		counts[rejected[i].Code]++
	}
	for code, n := range counts {
		h.telemetry.ReceiverActivitylogRejectedEvents.Add(ctx, n, reason(code))
	}
}

func reason(code string) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", code)))
}

// refuseEarly answers what confighttp refuses before the handler: a caller
// that is not authenticated and a body that cannot be decompressed.
func (h *handler) refuseEarly(w http.ResponseWriter, r *http.Request, _ string, status int) {
	p := newProblem(http.StatusBadRequest, codeBodyMalformed, "the body cannot be decompressed; nothing was taken")
	switch encoding := r.Header.Get("Content-Encoding"); {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
		p = newProblem(status, codeUnauthenticated, "authentication failed")
	case status != http.StatusBadRequest:
		p = newProblem(status, codeInternal, "the request was refused")
	case !slices.Contains(h.cfg.Server.CompressionAlgorithms, encoding):
		w.Header().Set("Accept-Encoding", strings.Trim(strings.Join(h.cfg.Server.CompressionAlgorithms, ", "), ", "))
		p = newProblem(http.StatusUnsupportedMediaType, codeEncoding, "Content-Encoding: "+shown(encoding)+" is not taken")
	}
	h.telemetry.ReceiverActivitylogRefusedRequests.Add(r.Context(), 1, reason(p.Code))
	p.write(w)
}

func formatOf(w http.ResponseWriter, r *http.Request) (format, *problem) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	f, ok := formats[media]
	charset := strings.ToLower(params["charset"])
	if err == nil && ok && (charset == "" || charset == "utf-8" || charset == "us-ascii") {
		return f, nil
	}
	names := make([]string, 0, len(formats))
	for name := range formats {
		names = append(names, name)
	}
	slices.Sort(names)
	w.Header().Set("Accept-Post", strings.Join(names, ", "))
	return f, newProblem(http.StatusUnsupportedMediaType, codeMediaType, "Content-Type: want one of "+strings.Join(names, ", ")+" in UTF-8")
}

func atomicOf(r *http.Request) (bool, *problem) {
	values, given := r.URL.Query()["atomic"]
	if !given {
		return false, nil
	}
	atomic, err := strconv.ParseBool(values[0])
	if err != nil || len(values) > 1 {
		return false, newProblem(http.StatusBadRequest, codeParameter, "atomic: want true or false")
	}
	return atomic, nil
}
