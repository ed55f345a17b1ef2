package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/collectorconfig"
	"github.com/activitylog/otelcol-activitylog/internal/loadgen/acklog"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

type checkFlags struct {
	ackLog      string
	config      string
	exporter    string
	directory   string
	deadLetters string
}

func newCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Prove that every acknowledged event is stored, or in the dead letters, exactly once",
		Long: `Reads the log of "auditload run --ack-log", scans the store and the dead letters,
and exits with 1 when an acknowledged event is missing or any event is there
twice. Events without an answer may be stored once. It takes 40 bytes of memory
an event of the log, and refuses logs of more than 50 million.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.ackLog, "ack-log", "", "file written by auditload run")
	flags.StringVar(&f.config, "config", "", "collector configuration that names the store")
	flags.StringVar(&f.exporter, "exporter", "", "with --config: the exporter whose store it is, when there are several")
	flags.StringVar(&f.directory, "sqlite-directory", "", "folder of the SQLite store")
	flags.StringVar(&f.deadLetters, "dead-letters", "", "folder of the dead letters (default: the configuration's, or dead-letters in the store's)")
	// The only error is a flag that does not exist, which every run would show.
	_ = cmd.MarkFlagRequired("ack-log")
	cmd.MarkFlagsOneRequired("config", "sqlite-directory")
	cmd.MarkFlagsMutuallyExclusive("config", "sqlite-directory")
	return cmd
}

func (f *checkFlags) run(ctx context.Context) (err error) {
	cfg, deadLetters, err := f.store(ctx)
	if err != nil {
		return err
	}
	ledger, err := readLedger(f.ackLog)
	if err != nil {
		return err
	}
	store, err := open.Store(ctx, cfg, open.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := ledger.Compare(ctx, store); err != nil {
		return err
	}
	if err := ledger.CompareDeadLetters(deadLetters); err != nil {
		return err
	}
	result := ledger.Result()
	if err := result.Print(os.Stdout); err != nil {
		return err
	}
	if !result.OK() {
		return errCheck
	}
	return nil
}

func readLedger(path string) (ledger *acklog.Ledger, err error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open the acknowledgement log: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return acklog.Read(file)
}

// store gives the store to read and the folder of its dead letters.
func (f *checkFlags) store(ctx context.Context) (open.Config, string, error) {
	cfg := open.NewDefaultConfig()
	deadLetters := f.deadLetters
	if f.config == "" {
		cfg.SQLite.Directory = f.directory
		if deadLetters == "" {
			deadLetters = deadletter.DefaultDirectory(f.directory, "")
		}
		return cfg, deadLetters, nil
	}
	conf, err := collectorconfig.Load(ctx, f.config)
	if err != nil {
		return cfg, "", err
	}
	sink, err := collectorconfig.Find(conf, f.exporter)
	if err != nil {
		return cfg, "", fmt.Errorf("%s: %w", f.config, err)
	}
	if deadLetters == "" {
		deadLetters = sink.Letters.Directory
	}
	return sink.Database, deadLetters, nil
}
