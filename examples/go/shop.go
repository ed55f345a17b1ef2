package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/activitylog/otelcol-activitylog/examples/go/activitylog"
)

// order is what the shop keeps.
type order struct {
	State string  `json:"state"`
	Total float64 `json:"total"`
}

// shop is the service: orders and sessions in memory.
type shop struct {
	sender *activitylog.Sender

	mu       sync.Mutex
	orders   map[string]order
	sessions map[string]string // cookie to user name
}

// passwords of the demo's users. A real service has hashes.
var passwords = map[string]string{"ada": "correct horse"}

func newShop(sender *activitylog.Sender) *shop {
	return &shop{sender: sender, orders: map[string]order{}, sessions: map[string]string{}}
}

func (s *shop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", s.read)
	mux.HandleFunc("PUT /orders/{id}", s.write)
	mux.HandleFunc("DELETE /orders/{id}", s.remove)
	mux.HandleFunc("POST /login", s.login)
	mux.HandleFunc("GET /ticks", ticks)
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("the demo's own") })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.sender.Stats()) })
	return s.authenticate(mux)
}

// authenticate finds the session. Bearer tokens are the collector's to verify
// here; a service that verifies them itself calls SetActor as well.
func (s *shop) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err == nil {
			s.mu.Lock()
			user, ok := s.sessions[cookie.Value]
			s.mu.Unlock()
			if ok {
				activitylog.SetActor(r.Context(), activitylog.Actor{
					UserID: user, Username: user, ActorType: "user", AuthMethod: "session", SessionKey: cookie.Value,
				})
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *shop) read(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o, ok := s.orders[r.PathValue("id")]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, o)
}

// write creates or changes an order. The event is recorded once the change
// stands: behind a database, after its commit.
func (s *shop) write(w http.ResponseWriter, r *http.Request) {
	var after order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&after); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.PathValue("id")
	s.mu.Lock()
	before, existed := s.orders[id]
	s.orders[id] = after
	s.mu.Unlock()
	e := activitylog.Event{Kind: activitylog.KindCRUD, EventType: "create", ContentType: "shop.order", ObjectID: id, After: after}
	if existed {
		e.EventType, e.Before = "update", before
	}
	s.sender.Record(r.Context(), e)
	writeJSON(w, http.StatusOK, after)
}

func (s *shop) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	before, existed := s.orders[id]
	delete(s.orders, id)
	s.mu.Unlock()
	if existed {
		s.sender.Record(r.Context(), activitylog.Event{
			Kind: activitylog.KindCRUD, EventType: "delete", ContentType: "shop.order", ObjectID: id, Before: before,
		})
	}
	w.WriteHeader(http.StatusNoContent)
}

// login reports through slog, as code does that knows nothing of the sender.
func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("username")
	result := "login_failed"
	if want, ok := passwords[name]; ok && r.PostFormValue("password") == want {
		result = "login"
		cookie := rand.Text()
		s.mu.Lock()
		s.sessions[cookie] = name
		s.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: "session", Value: cookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	}
	slog.InfoContext(r.Context(), "login", slog.Group(activitylog.AuditGroup, "kind", "login", "login_type", result, "username", name))
	if result == "login_failed" {
		http.Error(w, "wrong name or password", http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// ticks streams: the middleware keeps flushing possible.
func ticks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	for i := range 3 {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
			return
		}
		if err := flush(); err != nil {
			return
		}
		if !sleep(r.Context(), 50*time.Millisecond) {
			return
		}
	}
}

// sleep reports whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
