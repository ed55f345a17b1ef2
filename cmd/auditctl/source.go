package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/confmap"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/collectorconfig"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// source is the database a command works on, by flags or by the collector's
// configuration.
type source struct {
	driver, directory, dsn, dsnFile, config, exporter, letters string
	insecure                                                   bool
}

func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.config, "config", "", "read the database from this collector configuration")
	f.StringVar(&s.exporter, "exporter", "", "with --config: which exporter, when it has several (for example auditsql/eu)")
	f.StringVar(&s.driver, "driver", "sqlite", "the database, without --config: "+strings.Join(open.Drivers(), ", "))
	f.StringVar(&s.directory, "sqlite-directory", "./data", "folder of activity.db")
	f.StringVar(&s.dsnFile, "dsn-file", "", "file that holds the DSN of the server")
	f.StringVar(&s.dsn, "dsn", "", "the DSN itself; other users of this machine see what stands on a command line, so none with a password")
	f.BoolVar(&s.insecure, "insecure", false, "connect to the server without TLS: on a trusted network alone")
	f.StringVar(&s.letters, "dead-letters", "", "folder of the dead letters (default: the configuration's, or dead-letters in SQLite's folder)")
	for _, flag := range []string{"sqlite-directory", "driver", "dsn-file", "dsn", "insecure"} {
		cmd.MarkFlagsMutuallyExclusive("config", flag)
	}
	cmd.MarkFlagsMutuallyExclusive("dsn", "dsn-file", "sqlite-directory")
}

// resolve gives the database and its dead letters, whose directory is "" when
// nothing says where it is.
func (s *source) resolve(ctx context.Context) (open.Config, deadletter.Config, error) {
	sink := collectorconfig.Sink{Database: open.NewDefaultConfig(), Letters: deadletter.NewDefaultConfig()}
	var err error
	if s.config == "" {
		err = s.fromFlags(&sink)
	} else {
		sink, err = s.fromConfig(ctx)
	}
	if err != nil {
		return sink.Database, sink.Letters, err
	}
	if s.letters != "" {
		sink.Letters.Directory = s.letters
	}
	return sink.Database, sink.Letters, confmap.Validate(&sink.Database)
}

func (s *source) fromFlags(sink *collectorconfig.Sink) error {
	sink.Database.Driver, sink.Database.SQLite.Directory = s.driver, s.directory
	if folder := sink.Database.Folder(); folder != "" {
		sink.Letters.Directory = deadletter.DefaultDirectory(folder, "")
	}
	if s.insecure {
		sink.Database.WithoutTLS()
	}
	if s.dsn == "" && s.dsnFile == "" {
		return nil
	}
	return sink.Database.SetDSN(configopaque.String(s.dsn), s.dsnFile)
}

func (s *source) fromConfig(ctx context.Context) (collectorconfig.Sink, error) {
	conf, err := collectorconfig.Load(ctx, s.config)
	if err != nil {
		return collectorconfig.Sink{}, err
	}
	sink, err := collectorconfig.Find(conf, s.exporter)
	if err != nil {
		return sink, fmt.Errorf("%s: %w", s.config, err)
	}
	return sink, nil
}

// openReading opens the store beside a running collector.
func openReading(ctx context.Context, database open.Config) (storage.Store, error) {
	store, err := open.Store(ctx, database, open.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", database.Identity(), err)
	}
	return store, nil
}

// warnings tells on stderr what a database could not do and goes on without, for
// example to move a month to a partition of its own.
func warnings() *zap.Logger {
	c := zap.NewDevelopmentEncoderConfig()
	c.TimeKey = zapcore.OmitKey
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(c), zapcore.Lock(os.Stderr), zapcore.WarnLevel))
}

// openWriting opens the store for changing it. SQLite lets one process do that at a time.
func openWriting(ctx context.Context, database open.Config) (storage.Store, error) {
	store, err := open.Store(ctx, database, open.Options{Logger: warnings()})
	if errors.Is(err, storage.ErrLocked) {
		return nil, fmt.Errorf("open %s: a collector is writing to it; stop the collector, run this command, and start it again: %w", database.Identity(), err)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", database.Identity(), err)
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", database.Identity(), err), store.Close())
	}
	return store, nil
}

// lacking is the error of a command that the database cannot serve.
func lacking(store storage.Store, what, instead string) error {
	return fmt.Errorf("%w: %s cannot %s; %s", activity.ErrUnsupported, store.Capabilities().Name, what, instead)
}
