package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

// maxAnswer bounds what is read of an answer: 10,000 rejections fit.
const maxAnswer = 8 << 20

type httpSender struct {
	client *http.Client
	url    string
	header http.Header
	read   func(body []byte, b *loadgen.Batch) (outcome, error)
}

func newHTTPSender(o *Options, path string, read func([]byte, *loadgen.Batch) (outcome, error)) (*httpSender, error) {
	u, err := target(o.Endpoint, path)
	if err != nil {
		return nil, err
	}
	header := http.Header{"Content-Type": {o.format().ContentType()}, "User-Agent": {"auditload"}}
	if o.Token != "" {
		header.Set("Authorization", "Bearer "+o.Token)
	}
	transport := &http.Transport{
		MaxIdleConns: o.Clients, MaxIdleConnsPerHost: o.Clients, IdleConnTimeout: time.Minute,
		DisableCompression: true, WriteBufferSize: 64 << 10,
	}
	return &httpSender{client: &http.Client{Transport: transport, Timeout: o.Timeout}, url: u, header: header, read: read}, nil
}

func (s *httpSender) close() error {
	s.client.CloseIdleConnections()
	return nil
}

func (s *httpSender) send(ctx context.Context, b *loadgen.Batch, key string) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(b.Body))
	if err != nil {
		return outcome{status: "request", unsent: true}
	}
	req.Header = s.header
	if key != "" {
		req.Header = s.header.Clone()
		req.Header.Set("Idempotency-Key", key)
	}
	// Sending again is decided in one place, by the caller: without a way to
	// read the body twice the transport cannot do it unasked.
	req.GetBody = nil
	resp, err := s.client.Do(req)
	if err != nil {
		return networkFailure(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return networkFailure(err)
	}
	status := strconv.Itoa(resp.StatusCode)
	switch {
	case resp.StatusCode < 300:
		o, err := s.read(body, b)
		if err != nil {
			return outcome{status: status + "_unreadable"}
		}
		o.status = status
		return o
	case resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode >= 500:
		return outcome{status: status, retryAfter: retryAfter(resp.Header)}
	}
	return outcome{status: status, refused: true}
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// readAnswer reads the answer of POST /v1/events.
func readAnswer(body []byte, b *loadgen.Batch) (outcome, error) {
	var answer struct {
		IDs      []activity.ID `json:"ids"`
		Filtered int           `json:"filtered"`
		Rejected []struct {
			Index int    `json:"index"`
			Code  string `json:"code"`
		} `json:"rejected"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return outcome{}, fmt.Errorf("read the answer: %w", err)
	}
	o := outcome{taken: true, ids: answer.IDs, uncertain: answer.Filtered > 0}
	if len(answer.Rejected) > 0 {
		o.rejected = make(map[int]string, len(answer.Rejected))
		for _, r := range answer.Rejected {
			o.rejected[r.Index] = r.Code
		}
	}
	// An answer that does not account for every event promises nothing.
	if len(answer.IDs)+len(o.rejected) != len(b.Refs) {
		return outcome{}, fmt.Errorf("%d ids and %d rejections answer %d events", len(answer.IDs), len(o.rejected), len(b.Refs))
	}
	return o, nil
}

// readOTLPAnswer reads an ExportLogsServiceResponse. A partial success does
// not tell which records were refused.
func readOTLPAnswer(body []byte, _ *loadgen.Batch) (outcome, error) {
	resp := plogotlp.NewExportResponse()
	if err := resp.UnmarshalProto(body); err != nil {
		return outcome{}, fmt.Errorf("read the answer: %w", err)
	}
	return outcome{taken: true, uncertain: resp.PartialSuccess().RejectedLogRecords() > 0}, nil
}
