package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// server is the HTTP interface, asked beside the collectors.
type server struct{ base url.URL }

func newServer(dsn string) (*server, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the DSN must be of the HTTP interface")
	}
	u.Path, u.RawQuery = "/", ""
	return &server{base: *u}, nil
}

// dsn is the server with another database.
func (s *server) dsn(database string) string {
	u := s.base
	u.Path = "/" + database
	return u.String()
}

// value runs a statement and gives its answer as text.
func (s *server) value(ctx context.Context, query string) (string, error) {
	u := s.base
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(query))
	if err != nil {
		return "", err
	}
	if user := s.base.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %.300s", resp.Status, b)
	}
	return strings.TrimSpace(string(b)), nil
}

// numbers gives the columns of a one-row answer.
func (s *server) numbers(ctx context.Context, query string) ([]float64, error) {
	text, err := s.value(ctx, query)
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, word := range strings.Fields(text) {
		n, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		out = append(out, n)
	}
	return out, nil
}
