package auditapiext

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/extensioncapabilities"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/api"
	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/auth"
	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/metadata"
	"github.com/activitylog/otelcol-activitylog/internal/configguard"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/handle"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// A stop ends within 15 seconds: receivers get the first of these times, a
// commit under way the second.
const (
	stopLimit  = 12 * time.Second
	closeLimit = 2 * time.Second
)

// auditAPI owns the store that is read and the server that reads it.
type auditAPI struct {
	cfg       *Config
	set       extension.Settings
	telemetry *metadata.TelemetryBuilder

	store    *handle.Handle
	api      *api.API
	server   *server
	watchdog *watchdog
}

var (
	_ extension.Extension                         = (*auditAPI)(nil)
	_ extensioncapabilities.PipelineWatcher       = (*auditAPI)(nil)
	_ extensioncapabilities.ConfigSnapshotWatcher = (*auditAPI)(nil)
)

func newAuditAPI(set extension.Settings, cfg *Config) (*auditAPI, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("auditapi: make metrics: %w", err)
	}
	return &auditAPI{cfg: cfg, set: set, telemetry: telemetry}, nil
}

// Start opens the store, or goes on trying in the background, and serves. A
// store that another process writes to ends it.
func (a *auditAPI) Start(ctx context.Context, host component.Host) error {
	bearer, err := a.bearer()
	if err != nil {
		return fmt.Errorf("auditapi: %w", err)
	}
	if a.store, err = open.NewHandle(ctx, a.cfg.Storage, open.Options{Logger: a.set.Logger}); err != nil {
		return fmt.Errorf("auditapi: %w", err)
	}
	a.api = api.New(api.Settings{
		Store: a.store, Authenticate: bearer.Authenticate, Logger: a.set.Logger, Observe: a.observe, Now: time.Now,
		Ping:       func(r *http.Request) error { return a.store.Ping(r.Context()) },
		Exported:   func(ctx context.Context, n int64) { a.telemetry.ExtensionAuditapiExportedRows.Add(ctx, n) },
		Verified:   func(ctx context.Context, n int64) { a.telemetry.ExtensionAuditapiVerifiedRows.Add(ctx, n) },
		ReadBudget: a.cfg.ReadBudget, VerifyBudget: a.cfg.VerifyBudget, MaxLong: a.cfg.MaxExports, StallTimeout: a.cfg.StallTimeout,
	})
	if a.server, err = serve(ctx, a.cfg, host, a.set.TelemetrySettings, a.api); err != nil {
		return errors.Join(fmt.Errorf("auditapi: %w", err), a.store.Close())
	}
	a.watchdog = watch(stopLimit, a.set.Logger, a.cut)
	return nil
}

// bearer reads or makes the token. Its value is never logged.
func (a *auditAPI) bearer() (*auth.Bearer, error) {
	if a.cfg.Token != "" {
		return auth.NewBearer(string(a.cfg.Token)), nil
	}
	path := a.cfg.tokenFile()
	read := auth.EnsureToken
	if a.cfg.TokenFile != "" {
		read = auth.ReadToken // a file that was named is the operator's to make
	}
	token, err := read(path)
	if err != nil {
		return nil, err
	}
	a.set.Logger.Info("The API token is in a file", zap.String("use", "Authorization: Bearer $(cat "+path+")"))
	return auth.NewBearer(token), nil
}

// Ready implements extensioncapabilities.PipelineWatcher.
func (a *auditAPI) Ready() error {
	a.api.SetReady(true)
	return nil
}

// NotReady implements extensioncapabilities.PipelineWatcher: it is called on
// SIGTERM before the receivers stop, so that a load balancer looks elsewhere.
//
// A collector whose start failed calls it too, maybe before there is an API.
func (a *auditAPI) NotReady() error {
	if a.api != nil {
		a.api.SetReady(false)
	}
	return nil
}

// NotifyConfigSnapshot refuses configurations that would lose or change events;
// no component sees another's configuration, the snapshot shows them all.
func (a *auditAPI) NotifyConfigSnapshot(_ context.Context, snapshot extensioncapabilities.ConfigSnapshot) error {
	conf := snapshot.Effective()
	if conf == nil {
		return nil
	}
	findings := configguard.Check(conf.ToStringMap())
	if len(findings) == 0 {
		return nil
	}
	lines := make([]string, len(findings))
	for i, f := range findings {
		lines[i] = f.String()
	}
	return fmt.Errorf("auditapi: this configuration would lose or change events:\n  %s", strings.Join(lines, "\n  "))
}

// SharedStore gives the open store when it is the database that the caller
// names, so that one process has one writer.
func (a *auditAPI) SharedStore(database string) (storage.Store, bool) {
	if a.store == nil || a.cfg.Storage.Identity() != database {
		return nil, false
	}
	return a.store, true
}

// cut ends a stop that a client holds up: the store is closed, so that a commit
// under way is whole, and the process ends.
func (a *auditAPI) cut() {
	closed := make(chan error, 1)
	go func() { closed <- a.store.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			a.set.Logger.Error("The store was not closed", zap.Error(err))
		}
	case <-time.After(closeLimit):
		a.set.Logger.Error("The store does not close; what it was about to commit was never acknowledged")
	}
	os.Exit(0)
}

// Shutdown stops the server and closes the store. Exporters have stopped before.
func (a *auditAPI) Shutdown(ctx context.Context) error {
	var errs []error
	if a.watchdog != nil {
		a.watchdog.end()
	}
	if a.server != nil {
		errs = append(errs, a.server.shutdown(ctx))
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	a.telemetry.Shutdown()
	return errors.Join(errs...)
}

func (a *auditAPI) observe(r *http.Request, endpoint string, status int, took time.Duration) {
	a.telemetry.ExtensionAuditapiRequests.Add(r.Context(), 1, metric.WithAttributes(
		attribute.String("endpoint", endpoint), attribute.Int("status", status)))
	a.telemetry.ExtensionAuditapiRequestDuration.Record(r.Context(), took.Seconds(),
		metric.WithAttributes(attribute.String("endpoint", endpoint)))
}
