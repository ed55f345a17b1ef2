package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	pageRequests = 200  // measured requests of a list
	deepPages    = 1000 // pages walked before a deep page is measured
)

// listRow is the latency of one kind of list page, in milliseconds.
type listRow struct {
	name     string
	p50, p99 float64
}

// page is what a list answers; the rows only matter by their number.
type page struct {
	Results    []json.RawMessage `json:"results"`
	NextCursor string            `json:"next_cursor"`
}

func pages(ctx context.Context, c *collector, r *report) error {
	for _, list := range []struct {
		name, path string
		query      url.Values
		sample     string // filter by this column of an event that is there
		deep       bool
	}{
		{name: "request events, first page", path: "request-events"},
		{name: "request events, deep by cursor", path: "request-events", deep: true},
		{name: "crud events of a user", path: "crud-events", sample: "user_id"},
		{name: "request events of an address", path: "request-events", sample: "remote_ip"},
		{name: "crud events of an object", path: "crud-events", sample: "object_id"},
		{name: "failed logins", path: "login-events", query: url.Values{"login_type": {"login_failed"}}},
		{name: "slowest requests", path: "request-events", query: url.Values{"ordering": {"-response_time_ms"}}},
	} {
		q := url.Values{"page_size": {"100"}}
		for k, v := range list.query {
			q[k] = v
		}
		at := "http://" + c.api + "/api/activity/" + list.path + "/"
		if list.sample != "" {
			value, err := sampleOf(ctx, at, list.sample)
			if err != nil {
				return fmt.Errorf("%s: %w", list.name, err)
			}
			q.Set(list.sample, value)
		}
		row, err := measureList(ctx, at, q, list.deep)
		if err != nil {
			return fmt.Errorf("%s: %w", list.name, err)
		}
		row.name = list.name
		r.lists = append(r.lists, row)
	}
	return nil
}

// sampleOf gives the value of a column in the first of the newest events that
// has one.
func sampleOf(ctx context.Context, at, column string) (string, error) {
	p, err := fetchPage(ctx, at, url.Values{"page_size": {"100"}})
	if err != nil {
		return "", err
	}
	for _, raw := range p.Results {
		var row map[string]any
		if err := json.Unmarshal(raw, &row); err != nil {
			return "", err
		}
		if value, ok := row[column].(string); ok && value != "" {
			return value, nil
		}
	}
	return "", fmt.Errorf("none of the newest events has a %s", column)
}

func measureList(ctx context.Context, at string, q url.Values, deep bool) (listRow, error) {
	if deep {
		for range deepPages {
			p, err := fetchPage(ctx, at, q)
			if err != nil {
				return listRow{}, err
			}
			if p.NextCursor == "" {
				break
			}
			q.Set("cursor", p.NextCursor)
		}
	}
	took := make([]float64, pageRequests)
	for i := range took {
		begin := time.Now()
		b, err := getBody(ctx, at+"?"+q.Encode())
		if err != nil {
			return listRow{}, err
		}
		took[i] = time.Since(begin).Seconds() * 1000 // up to the last byte; reading the rows is the client's time
		var p page
		if err := json.Unmarshal(b, &p); err != nil {
			return listRow{}, err
		}
		if len(p.Results) == 0 {
			return listRow{}, fmt.Errorf("%s?%s answers nothing: it measures nothing", at, q.Encode())
		}
	}
	slices.Sort(took)
	return listRow{p50: took[len(took)/2], p99: took[len(took)*99/100]}, nil
}

func fetchPage(ctx context.Context, at string, q url.Values) (page, error) {
	var p page
	err := getJSON(ctx, at+"?"+q.Encode(), &p)
	return p, err
}

func getJSON(ctx context.Context, at string, into any) error {
	b, err := getBody(ctx, at)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func getBody(ctx context.Context, at string) ([]byte, error) {
	resp, err := get(ctx, at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.500s", at, resp.Status, b)
	}
	return b, nil
}

var kinds = []string{"crud", "login", "request", "cors", "system"}

// export reads every event once and watches the collector's memory.
func export(ctx context.Context, c *collector, r *report) error {
	before, err := c.RSS()
	if err != nil {
		return err
	}
	begin, peak := time.Now(), before
	for _, kind := range kinds {
		resp, err := get(ctx, "http://"+c.api+"/api/activity/"+kind+"-events/export_json/")
		if err != nil {
			return err
		}
		for err == nil {
			var n int64
			n, err = io.CopyN(io.Discard, resp.Body, 4<<20)
			r.exportBytes += n
			if now, rssErr := c.RSS(); rssErr == nil {
				peak = max(peak, now)
			}
		}
		if closing := resp.Body.Close(); err != io.EOF || closing != nil || resp.StatusCode != http.StatusOK { //nolint:errorlint // CopyN gives it bare
			return fmt.Errorf("%s: %s: %w", kind, resp.Status, err)
		}
	}
	r.exportSeconds, r.exportGrowth = time.Since(begin).Seconds(), peak-before
	return nil
}

// verify verifies every event over the API.
func verify(ctx context.Context, c *collector, r *report) error {
	begin := time.Now()
	for _, kind := range kinds {
		q := url.Values{}
		for {
			var a struct {
				Total, Verified int64
				NextCursor      string `json:"next_cursor"`
			}
			if err := getJSON(ctx, "http://"+c.api+"/api/activity/"+kind+"-events/verify_integrity/?"+q.Encode(), &a); err != nil {
				return err
			}
			if a.Total != a.Verified {
				return fmt.Errorf("%s: %d of %d events verify", kind, a.Verified, a.Total)
			}
			r.verified += a.Total
			if a.NextCursor == "" {
				break
			}
			q.Set("cursor", a.NextCursor)
		}
	}
	r.verifySeconds = time.Since(begin).Seconds()
	return nil
}
