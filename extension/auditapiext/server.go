package auditapiext

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
)

// shutdownGrace bounds the wait for answers under way; an export is cut then,
// and its client sees that.
const shutdownGrace = 3 * time.Second

// server is the HTTP server while it runs.
type server struct {
	http *http.Server
	done chan struct{} // closed when Serve has returned
}

// serve listens first, so that a busy port is an error of the start.
func serve(ctx context.Context, cfg *Config, host component.Host, set component.TelemetrySettings, h http.Handler) (*server, error) {
	listener, err := cfg.Server.ToListener(ctx)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", cfg.Server.NetAddr.Endpoint, err)
	}
	made, err := cfg.Server.ToServer(ctx, host.GetExtensions(), set, h)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the server: %w", err), listener.Close())
	}
	scheme := "http"
	if cfg.Server.TLS.HasValue() {
		scheme = "https"
	}
	set.Logger.Info("Answering queries", zap.String("url", scheme+"://"+listener.Addr().String()+"/api/activity/"))
	s := &server{http: made, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		if err := made.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("auditapi: serve: %w", err)))
		}
	}()
	return s, nil
}

func (s *server) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		if err := s.http.Close(); err != nil {
			return fmt.Errorf("auditapi: close the server: %w", err)
		}
	}
	<-s.done
	return nil
}
