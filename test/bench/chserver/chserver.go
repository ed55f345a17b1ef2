// Package chserver asks a ClickHouse server over its HTTP interface, beside what
// is measured.
package chserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Server is the HTTP interface.
type Server struct{ base url.URL }

// New takes a DSN of the HTTP interface.
func New(dsn string) (*Server, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the DSN must be of the HTTP interface, for example http://127.0.0.1:8123")
	}
	u.Path, u.RawQuery = "/", ""
	return &Server{base: *u}, nil
}

// DSN is the server with another database.
func (s *Server) DSN(database string) string {
	u := s.base
	u.Path = "/" + database
	return u.String()
}

// Value runs a statement and gives its answer as text.
func (s *Server) Value(ctx context.Context, query string) (string, error) {
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

// Numbers gives the columns of a one-row answer.
func (s *Server) Numbers(ctx context.Context, query string) ([]float64, error) {
	text, err := s.Value(ctx, query)
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

// Fresh makes a database anew.
func (s *Server) Fresh(ctx context.Context, database string) error {
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + database, "CREATE DATABASE " + database} {
		if _, err := s.Value(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
