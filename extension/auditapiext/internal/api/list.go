package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/canonical"
)

// maxCount bounds the exact count of a list.
const maxCount = 10_000

// paramThreshold is in milliseconds.
const (
	paramThreshold   = "threshold_ms"
	defaultThreshold = 1_000_000 // microseconds
)

// list answers {count, count_exact, next, previous, results, next_cursor, complete};
// count is null when the store cannot count what it can list.
func (c *call) list() error {
	q, scope, err := c.query()
	if err != nil {
		return err
	}
	return c.page(q, scope)
}

// slow lists the requests that took longer than a threshold, slowest first.
func (c *call) slow() error {
	threshold := int64(defaultThreshold)
	if c.params.Has(paramThreshold) {
		_, n, err := asMilliseconds(c.params.Get(paramThreshold))
		if err != nil {
			return fmt.Errorf("%w: %s: %w", activity.ErrInvalid, paramThreshold, err)
		}
		threshold = n
	}
	q, scope, err := c.query()
	if err != nil {
		return err
	}
	if !c.params.Has(paramOrdering) {
		q.Order = activity.SlowestFirst
	}
	q.Filters = append(q.Filters, activity.Filter{
		Fields: []activity.Field{activity.FieldResponseTimeUS}, Op: activity.OpAtLeast, Int: []int64{threshold},
	})
	return c.page(q, scope)
}

func (c *call) page(q activity.Query, scope activity.Scope) error {
	number, err := c.paging(&q)
	if err != nil {
		return err
	}
	q.Budget = c.settings.ReadBudget
	page, err := c.settings.Store.Page(c.r.Context(), scope, q)
	if err != nil {
		return fmt.Errorf("list %s events: %w", c.endpoint.kind, err)
	}
	count, exact, err := c.count(q, scope)
	if err != nil {
		return err
	}
	memory, _ := answers.Get().(*[]byte)
	defer func() { answers.Put(memory) }()
	b := (*memory)[:0]
	b = count.appendJSON(append(b, `{"count":`...))
	b = strconv.AppendBool(append(b, `,"count_exact":`...), exact)
	b = c.links(b, &q, &page, number)
	b = append(b, `,"results":[`...)
	var enc canonical.Encoder
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		e := &page.Events[i]
		b = appendRow(b, c.endpoint.columns, e, enc.Verify(e))
	}
	b = append(b, `],"next_cursor":`...)
	next := c.cursor(page.Next, false)
	b = strconv.AppendBool(append(next.appendJSON(b), `,"complete":`...), page.Complete)
	b = append(b, '}', '\n')
	if cap(b) <= maxAnswer {
		*memory = b
	}
	return c.writeJSON(b)
}

// answers holds the memory of pages that were sent, up to maxAnswer each.
var answers = sync.Pool{New: func() any { return new([]byte) }}

const maxAnswer = 1 << 20

func (c *call) count(q activity.Query, scope activity.Scope) (n value, exact bool, err error) {
	counted, err := c.settings.Store.Count(c.r.Context(), scope, q, maxCount)
	switch {
	case errors.Is(err, activity.ErrUnsupported):
		return value{}, false, nil
	case err != nil:
		return value{}, false, fmt.Errorf("count %s events: %w", c.endpoint.kind, err)
	}
	return intValue(counted.N), counted.Exact, nil
}

// links appends next and previous: by number when the caller pages by number
// and the page can still be reached so, else by cursor.
func (c *call) links(b []byte, q *activity.Query, page *activity.Page, number int) []byte {
	next, previous := value{}, value{}
	byNumber := c.params.Has("page") && page.Complete
	if !page.Next.IsZero() {
		if byNumber && (number+1)*q.Limit <= activity.MaxOffset {
			next = c.link("page", strconv.Itoa(number+1))
		} else {
			next = c.link("cursor", c.cursor(page.Next, false).text)
		}
	}
	switch {
	case byNumber && number > 1:
		previous = c.link("page", strconv.Itoa(number-1))
	case !c.params.Has("page") && !page.Previous.IsZero():
		previous = c.link("cursor", c.cursor(page.Previous, true).text)
	}
	b = next.appendJSON(append(b, `,"next":`...))
	return previous.appendJSON(append(b, `,"previous":`...))
}

// cursor is null at the end of the order.
func (c *call) cursor(p activity.Position, backward bool) value {
	if p.IsZero() {
		return value{}
	}
	return textValue(encodeCursor(c.fingerprint(), p, backward))
}

// link is the absolute URL of this request with another place to read from.
func (c *call) link(name, v string) value {
	params := url.Values{}
	for key, values := range c.params {
		if key != "cursor" && key != "page" {
			params[key] = values
		}
	}
	params.Set(name, v)
	u := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path + "/", RawQuery: params.Encode()}
	if c.r.TLS != nil {
		u.Scheme = "https"
	}
	return textValue(u.String())
}

// get answers one event.
func (c *call) get() error {
	e, err := c.event()
	if err != nil {
		return err
	}
	var enc canonical.Encoder
	return c.writeJSON(append(appendRow(nil, c.endpoint.columns, &e, enc.Verify(&e)), '\n'))
}

// event reads the event that the path names.
func (c *call) event() (activity.Event, error) {
	text := c.r.PathValue("id")
	id, err := activity.ParseID(text)
	if err != nil {
		return activity.Event{}, fmt.Errorf("%w: no %s event has the id %q", activity.ErrNotFound, c.endpoint.kind, text)
	}
	// By kind, because one id may be carried by events of several kinds.
	page, err := c.settings.Store.Page(c.r.Context(), c.scope, activity.Query{
		Kinds: []activity.Kind{c.endpoint.kind}, Limit: 1,
		Filters: []activity.Filter{{Fields: []activity.Field{activity.FieldID}, Op: activity.OpEqual, Text: []string{id.String()}}},
	})
	if err != nil {
		return activity.Event{}, fmt.Errorf("read the event %s: %w", id, err)
	}
	if len(page.Events) == 0 {
		return activity.Event{}, fmt.Errorf("%w: no %s event has the id %s", activity.ErrNotFound, c.endpoint.kind, id)
	}
	return page.Events[0], nil
}

func (c *call) writeJSON(b []byte) error {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(b) // the client is gone when this fails
	return nil
}
