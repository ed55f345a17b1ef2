// A small service that reports what it does: orders over HTTP, sessions, and
// gRPC's health service. README.md has the five-minute path.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/activitylog/otelcol-activitylog/examples/go/activitylog"
)

func main() {
	if err := run(); err != nil {
		slog.Error("the demo ended", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	token := "" // a token file, so that nothing secret is in the environment
	if path := os.Getenv("ACTIVITYLOG_TOKEN_FILE"); path != "" {
		raw, err := os.ReadFile(path) //nolint:gosec // the operator's own word
		if err != nil {
			return err
		}
		token = strings.TrimSpace(string(raw))
	}
	sender, err := activitylog.New(activitylog.Options{
		Endpoint: cmp.Or(os.Getenv("ACTIVITYLOG_ENDPOINT"), "http://127.0.0.1:4319/v1/events"),
		Token:    token,
		Service:  "shop",
		SpoolDir: cmp.Or(os.Getenv("ACTIVITYLOG_SPOOL_DIR"), "./spool"),
	})
	if err != nil {
		return err
	}
	// Audit records become events; everything else is logged as before.
	slog.SetDefault(slog.New(sender.Handler(slog.NewTextHandler(os.Stderr, nil))))
	slog.Info("starting", slog.Group(activitylog.AuditGroup, "kind", "system", "event_name", "shop.started", "category", "server"))

	served := serve(ctx, newShop(sender), sender)

	// Last of all: what the requests recorded until now has 5 s to arrive, and
	// waits on disk after that.
	closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(served, sender.Close(closing))
}

// serve runs both servers until ctx ends or one of them fails, and waits for
// the requests under way.
func serve(ctx context.Context, shop *shop, sender *activitylog.Sender) error {
	var listen net.ListenConfig
	web, err := listen.Listen(ctx, "tcp", cmp.Or(os.Getenv("SHOP_HTTP"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	rpc, err := listen.Listen(ctx, "tcp", cmp.Or(os.Getenv("SHOP_GRPC"), "127.0.0.1:50051"))
	if err != nil {
		return errors.Join(err, web.Close())
	}
	httpServer := &http.Server{Handler: sender.Middleware(shop.handler()), ReadHeaderTimeout: 5 * time.Second}
	grpcServer := grpc.NewServer(
		grpc.ChainUnaryInterceptor(sender.UnaryInterceptor()),
		grpc.ChainStreamInterceptor(sender.StreamInterceptor()), //nolint:contextcheck // the stream has its own context
	)
	healthpb.RegisterHealthServer(grpcServer, health.NewServer())

	failed := make(chan error, 2)
	go func() { failed <- httpServer.Serve(web) }()
	go func() { failed <- grpcServer.Serve(rpc) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	// Over the 5 s for which Shutdown waits for a connection that has asked nothing yet.
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	defer context.AfterFunc(stopping, grpcServer.Stop)()
	err = errors.Join(err, httpServer.Shutdown(stopping))
	grpcServer.GracefulStop()
	return err
}

// writeJSON answers with v.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		slog.Warn("an answer could not be written", "error", fmt.Errorf("json: %w", err))
	}
}
