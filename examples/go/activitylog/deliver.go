package activitylog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// How long the sender leaves a collector alone that is away: doubled with each
// attempt, half of it by chance, and never less than the collector asks for.
const (
	firstDelay    = 200 * time.Millisecond
	longestDelay  = 30 * time.Second
	longestObeyed = 5 * time.Minute // of a Retry-After
)

// deliver sends a batch and gives back what has to be sent again.
func (s *Sender) deliver(batch []record) (rest []record) {
	if len(batch) == 0 || time.Now().Before(s.retryAt) || s.ctx.Err() != nil {
		return batch
	}
	rest, err := s.send(batch)
	switch {
	case err != nil:
		if s.away == 0 {
			s.log().Warn("activitylog: the collector is away; events go to the spool", "error", err)
		}
		after := time.Duration(0)
		if a, ok := err.(*refused); ok { //nolint:errorlint // made by send, never wrapped
			after = a.retryAfter
		}
		s.away++
		s.delay(after)
	case s.away > 0:
		s.log().Info("activitylog: the collector is back", "failed_attempts", s.away, "spool_bytes", s.spool.bytes)
		s.away = 0
	}
	return rest
}

// delay makes the next attempt wait.
func (s *Sender) delay(asked time.Duration) {
	d := min(longestDelay, firstDelay<<min(s.away, 16))
	d = d/2 + rand.N(d/2) //nolint:gosec // spreads senders, keeps no secret
	s.retryAt = time.Now().Add(max(d, min(asked, longestObeyed)))
}

// send settles each event of a batch: taken, known, in conflict or refused for
// good. On an error the rest is unsettled. A request that the collector will
// not read as a whole is sent in halves, until the event is found.
func (s *Sender) send(batch []record) (rest []record, err error) {
	status, v, err := s.post.send(s.ctx, batch)
	switch {
	case err != nil:
		return batch, err
	case v.Accepted != nil && (status < 300 || status == http.StatusBadRequest || status == http.StatusForbidden):
		s.settle(batch, v)
		return nil, nil
	case !v.forGood(status):
		return batch, &refused{status, v.Code, v.retryAfter}
	case len(batch) == 1:
		s.refuse(&batch[0], v.Code, v.Detail)
		return nil, nil
	}
	half := len(batch) / 2
	if rest, err = s.send(batch[:half]); err != nil {
		return append(rest[:len(rest):len(rest)], batch[half:]...), err
	}
	return s.send(batch[half:])
}

func (s *Sender) settle(batch []record, v *answer) {
	for _, r := range v.Rejected {
		if r.Index >= 0 && r.Index < len(batch) {
			s.refuse(&batch[r.Index], r.Code, r.Reason)
		}
	}
	s.stats.duplicates.Add(int64(len(v.Duplicates)))
	s.stats.conflicts.Add(int64(len(v.Conflicts)))
	s.stats.sent.Add(int64(len(batch) - len(v.Rejected) - len(v.Conflicts)))
}

// refuse puts an event aside that the collector will never take.
func (s *Sender) refuse(r *record, code, reason string) {
	s.stats.rejected.Add(1)
	kept, err := s.spool.refuse(r)
	s.log().Error("activitylog: the collector refuses an event", "id", r.id, "code", code, "reason", reason, "kept", kept, "error", err)
}

// answer is what the collector says of a request: the answer of
// POST /v1/events, or the problem document (RFC 9457) in its place.
type answer struct {
	Code       string   `json:"code"`
	Detail     string   `json:"detail"`
	Accepted   *int     `json:"accepted"` // there when each event was judged on its own
	Duplicates []string `json:"duplicates"`
	Conflicts  []string `json:"conflicts"`
	Rejected   []struct {
		Index  int    `json:"index"`
		Code   string `json:"code"`
		Reason string `json:"reason"`
	} `json:"rejected"`
	retryAfter time.Duration
}

// forGood reports whether the collector itself says that the same request will
// never be taken. Anything else, such as a proxy's page or a token that somebody
// has to renew, is an outage: the events wait.
func (a *answer) forGood(status int) bool {
	if a.Code == "" {
		return false
	}
	return status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusInternalServerError
}

// refused is an answer that settles nothing.
type refused struct {
	status     int
	code       string
	retryAfter time.Duration
}

func (r *refused) Error() string {
	return fmt.Sprintf("the answer was %d %s %s", r.status, http.StatusText(r.status), r.code)
}

// poster speaks to the collector.
type poster struct {
	client            *http.Client
	endpoint, token   string
	timeout           time.Duration
	service, instance string
}

func (p *poster) send(ctx context.Context, batch []record) (int, *answer, error) {
	var body bytes.Buffer
	for i := range batch {
		body.WriteByte("[,"[min(i, 1)])
		body.Write(batch[i].wire())
	}
	body.WriteByte(']')
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.endpoint, &body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "activitylog-go/"+p.service)
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, nil, err // taken perhaps; the ids tell when it is sent again
	}
	a := &answer{}
	if json.Unmarshal(raw, a) != nil {
		a = &answer{} // not the collector's
	}
	a.retryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return resp.StatusCode, a, nil
}

// retryAfter reads the header (RFC 9110 section 10.2.3): seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
