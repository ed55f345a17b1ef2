package loadgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// Generator holds the rendered templates. It is safe for concurrent use; its
// streams are not.
type Generator struct {
	cfg Config
	// templates of each service: a client is one service's.
	templates [][]template
}

// template is one event in every form it can be sent in.
type template struct {
	event      activity.Event
	json       rendered
	cloudEvent rendered
	otlp       []byte // LogRecord without id, sequence number and times
}

// New renders the templates.
func New(cfg Config) (*Generator, error) {
	if cfg.Mix == nil {
		cfg.Mix = DefaultMix()
	}
	if cfg.Run == "" {
		cfg.Run = "load"
	}
	if cfg.Times == nil {
		cfg.Times = Recent(time.Now)
	}
	if cfg.Templates == 0 {
		cfg.Templates = DefaultTemplates
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	g := &Generator{cfg: cfg, templates: make([][]template, len(services))}
	r := rand.New(rand.NewPCG(cfg.Seed, 0)) //nolint:gosec // reproducible on purpose, and not a secret
	for i := range cfg.Templates {
		s := i % len(services)
		t, err := newTemplate(drawEvent(&cfg, services[s], r))
		if err != nil {
			return nil, fmt.Errorf("rendering template %d: %w", i, err)
		}
		g.templates[s] = append(g.templates[s], t)
	}
	return g, nil
}

func (c *Config) validate() error {
	var errs []error
	if c.Mix.total() <= 0 {
		errs = append(errs, errors.New("mix: every weight is 0"))
	}
	if c.Tenants < 0 {
		errs = append(errs, errors.New("tenants: must not be negative"))
	}
	if c.Templates < len(services) || c.Templates > maxTemplates {
		errs = append(errs, fmt.Errorf("templates: must be in %d..%d", len(services), maxTemplates))
	}
	return errors.Join(errs...)
}

func newTemplate(e activity.Event) (template, error) {
	t := template{event: e}
	var err error
	if t.json, err = renderJSON(&e); err != nil {
		return t, err
	}
	if t.cloudEvent, err = renderCloudEvent(&e); err != nil {
		return t, err
	}
	t.otlp, err = renderOTLP(&e)
	return t, err
}

// Stream gives the events of one client, numbered from 0. Streams of one
// generator and different clients are independent and deterministic.
func (g *Generator) Stream(client int) *Stream {
	s := client % len(services)
	return &Stream{
		g:         g,
		templates: g.templates[s],
		service:   services[s],
		producer:  Producer(g.cfg.Run, client),
		r:         rand.New(rand.NewPCG(g.cfg.Seed, uint64(client)+1)), //nolint:gosec // reproducible on purpose, and not a secret
	}
}

// Producer names a client of a run in its events.
func Producer(run string, client int) string { return run + "-" + strconv.Itoa(client) }

// Stream is the events of one client. It is not safe for concurrent use.
type Stream struct {
	g         *Generator
	templates []template
	service   string
	producer  string
	r         *rand.Rand
	seq       int64
	scratch   []byte
}

// draw is one event: a template and what is patched into it.
type draw struct {
	template *template
	Ref
}

// Ref identifies one generated event.
type Ref struct {
	// Seq is producer_seq: 1 for the first event of a stream.
	Seq int64
	// ID is zero when the collector shall give one.
	ID activity.ID
	// Datetime in Unix nanoseconds.
	Datetime int64
}

func (s *Stream) next() draw {
	t := &s.templates[s.r.IntN(len(s.templates))]
	at := s.g.cfg.Times(s.seq, s.r)
	s.seq++
	d := draw{template: t, Ref: Ref{Seq: s.seq, Datetime: at.UnixNano()}}
	// Drawn in either case, so that the events with and without ids are the same.
	id := uuidv7(at, s.r)
	if !s.g.cfg.WithoutIDs {
		d.ID = id
	}
	return d
}

// Next gives the next event as a driver receives it: without what a collector
// adds, with an id even when clients send none.
func (s *Stream) Next() activity.Event {
	d := s.next()
	e := d.template.event
	e.ID, e.Datetime, e.ProducerSeq, e.Producer = d.ID, d.Datetime, d.Seq, s.producer
	if e.ID.IsZero() {
		e.ID = uuidv7(time.Unix(0, d.Datetime), s.r)
	}
	return e
}

// Batch gives the next n events.
func (s *Stream) Batch(n int) []activity.Event {
	events := make([]activity.Event, n)
	for i := range events {
		events[i] = s.Next()
	}
	return events
}

// uuidv7 is RFC 9562 section 5.7 with its random part from r.
func uuidv7(at time.Time, r *rand.Rand) activity.ID {
	var id activity.ID
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|r.Uint64()&0x0fff)
	binary.BigEndian.PutUint64(id[8:], 1<<63|r.Uint64()>>2)
	return id
}
