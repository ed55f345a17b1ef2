package activitylogreceiver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/receiver/activitylogreceiver/internal/metadata"
)

// shutdownGrace bounds the wait for requests under way. An event that is in
// the pipeline is answered within 10 s; a body that still trickles is cut.
const shutdownGrace = 10 * time.Second

// eventsReceiver runs the HTTP server.
type eventsReceiver struct {
	cfg     *Config
	set     receiver.Settings
	handler *handler

	server *http.Server
	done   chan struct{} // closed when Serve has returned
}

func newReceiver(set receiver.Settings, cfg *Config, next consumer.Logs) (*eventsReceiver, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("activitylog receiver: make metrics: %w", err)
	}
	obs, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "http", ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, fmt.Errorf("activitylog receiver: make metrics: %w", err)
	}
	return &eventsReceiver{
		cfg: cfg,
		set: set,
		handler: &handler{
			cfg: cfg, next: next, obs: obs, telemetry: telemetry, logger: set.Logger, now: time.Now,
			slots:  make(chan struct{}, cfg.MaxConcurrentRequests),
			budget: newBudget(cfg.Server.MaxRequestBodySize, cfg.MaxConcurrentRequests),
		},
	}, nil
}

// Start listens and serves until Shutdown.
func (r *eventsReceiver) Start(ctx context.Context, host component.Host) error {
	server, err := r.cfg.Server.ToServer(ctx, host.GetExtensions(), r.set.TelemetrySettings, r.handler,
		confighttp.WithErrorHandler(r.handler.refuseEarly))
	if err != nil {
		return fmt.Errorf("activitylog receiver: make the server: %w", err)
	}
	listener, err := r.cfg.Server.ToListener(ctx)
	if err != nil {
		return fmt.Errorf("activitylog receiver: listen on %s: %w", r.cfg.Server.NetAddr.Endpoint, err)
	}
	r.set.Logger.Info("Taking events", zap.String("url", "http://"+listener.Addr().String()+path))
	r.server, r.done = server, make(chan struct{})
	go func() {
		defer close(r.done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("activitylog receiver: serve: %w", err)))
		}
	}()
	return nil
}

// Shutdown stops listening, answers what is under way and gives nothing to the
// pipeline afterwards.
func (r *eventsReceiver) Shutdown(ctx context.Context) error {
	defer r.handler.telemetry.Shutdown()
	if r.server == nil {
		return nil
	}
	server := r.server
	r.server = nil
	graceCtx, cancel := context.WithTimeout(ctx, shutdownGrace)
	defer cancel()
	err := server.Shutdown(graceCtx)
	if err != nil {
		// Cuts the connections and cancels the requests that are left.
		err = server.Close()
	}
	<-r.done
	// Holding every slot means that no request is in the pipeline, or comes there.
	for range cap(r.handler.slots) {
		r.handler.slots <- struct{}{}
	}
	if err != nil {
		return fmt.Errorf("activitylog receiver: close the server: %w", err)
	}
	return nil
}
