package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/client"
)

// runFlags are the flags that are not options of the client as they are.
type runFlags struct {
	generator loadgen.Config
	options   client.Options
	format    string
	kinds     string
	withIDs   bool
	spread    time.Duration
	ackLog    string
	json      bool
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Send generated events until the duration or the number of events is reached",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.options.Endpoint, "endpoint", "http://127.0.0.1:4319", "where to send to; the protocol's path is added when there is none")
	flags.StringVar(&f.options.Protocol, "protocol", client.HTTP, "http, otlp-http or otlp-grpc")
	flags.StringVar(&f.format, "format", "json", "body of --protocol http: json, ndjson or cloudevents")
	flags.StringVar(&f.options.Token, "token", "", "bearer token to send")
	flags.IntVar(&f.options.Batch, "batch", 100, "events a request")
	flags.IntVar(&f.options.Clients, "clients", 16, "connections, each with one request under way")
	flags.Float64Var(&f.options.Rate, "rate", 0, "events a second over all clients; 0 is as fast as it goes")
	flags.BoolVar(&f.options.Bursts, "bursts", false, "five times the rate for one second of every ten")
	flags.DurationVar(&f.options.Duration, "duration", 0, "how long to send")
	flags.Int64Var(&f.options.Events, "events", 0, "how many events to send")
	flags.DurationVar(&f.options.Timeout, "timeout", 15*time.Second, "how long one attempt may take")
	flags.BoolVar(&f.options.Retry, "retry", false, "send again after a failure, unless that could store an event twice")
	flags.DurationVar(&f.options.RetryFor, "retry-for", time.Minute, "how long to keep sending one request again")
	flags.BoolVar(&f.withIDs, "with-ids", true, "give every event an id")
	flags.BoolVar(&f.options.WithoutIDs, "no-ids", false, "leave the ids to the collector")
	flags.BoolVar(&f.options.IdempotencyKey, "idempotency-key", false, "with --no-ids: give every request an Idempotency-Key")
	flags.Uint64Var(&f.generator.Seed, "seed", 1, "fixes the content of the events")
	flags.StringVar(&f.options.Run, "run", "", "name of the run in the events' producer; must be new (default: made from the time)")
	flags.StringVar(&f.kinds, "kinds", "", `kinds and their weights, such as "request=60,crud=25"`)
	flags.IntVar(&f.generator.Tenants, "tenants", 0, "spread the events over so many tenants; 0 is the default tenant")
	flags.DurationVar(&f.spread, "spread", 0, "spread the events' times over so long a past; 0 is now")
	flags.StringVar(&f.ackLog, "ack-log", "", "new file that records what is acknowledged")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	cmd.MarkFlagsMutuallyExclusive("with-ids", "no-ids")
	return cmd
}

func (f *runFlags) complete() (err error) {
	if f.options.Format, err = loadgen.ParseFormat(f.format); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	if f.kinds != "" {
		if f.generator.Mix, err = loadgen.ParseMix(f.kinds); err != nil {
			return fmt.Errorf("--kinds: %w", err)
		}
	}
	if f.options.Run == "" {
		f.options.Run = "load-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	if f.spread > 0 {
		f.generator.Times = loadgen.Spread(time.Now().Add(-f.spread), f.spread)
	}
	f.options.WithoutIDs = f.options.WithoutIDs || !f.withIDs
	f.generator.Run, f.generator.WithoutIDs = f.options.Run, f.options.WithoutIDs
	return f.options.Validate()
}

func (f *runFlags) run(cmd *cobra.Command) (err error) {
	if err := f.complete(); err != nil {
		return err
	}
	generator, err := loadgen.New(f.generator)
	if err != nil {
		return err
	}
	if f.ackLog != "" {
		log, err := acklog.Create(f.ackLog, f.options.Run)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, log.Close()) }()
		f.options.Log = log
	}
	report, err := client.Run(cmd.Context(), generator, f.options)
	if err != nil {
		return err
	}
	if f.json {
		return report.PrintJSON(os.Stdout)
	}
	return report.Print(os.Stdout)
}
