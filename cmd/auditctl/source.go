package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/confmap"

	"github.com/activitylog/otelcol-activitylog/internal/storage"
	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// source is the database a command works on, by flags or by the collector's
// configuration.
type source struct {
	driver, directory, config, exporter string
}

func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.driver, "driver", "sqlite", "the database driver")
	f.StringVar(&s.directory, "sqlite-directory", "./data", "folder of activity.db")
	f.StringVar(&s.config, "config", "", "read the database from this collector configuration instead")
	f.StringVar(&s.exporter, "exporter", "", "with --config: which exporter, when it has several (for example auditsql/eu)")
	cmd.MarkFlagsMutuallyExclusive("config", "sqlite-directory")
	cmd.MarkFlagsMutuallyExclusive("config", "driver")
}

// resolve gives the database and its dead letters.
func (s *source) resolve(ctx context.Context) (open.Config, deadletter.Config, error) {
	database, letters := open.NewDefaultConfig(), deadletter.NewDefaultConfig()
	if s.config == "" {
		database.Driver, database.SQLite.Directory = s.driver, s.directory
	} else if err := s.fromConfig(ctx, &database, &letters); err != nil {
		return database, letters, fmt.Errorf("%s: %w", s.config, err)
	}
	if letters.Directory == "" {
		letters.Directory = filepath.Join(database.SQLite.Directory, "dead-letters")
	}
	err := database.Validate()
	return database, letters, err
}

func (s *source) fromConfig(ctx context.Context, database *open.Config, letters *deadletter.Config) error {
	conf, err := loadConfig(ctx, s.config)
	if err != nil {
		return err
	}
	exporters, err := conf.Sub("exporters")
	if err != nil {
		return fmt.Errorf("exporters: %w", err)
	}
	var found []string
	for id := range exporters.ToStringMap() {
		if id == s.exporter || s.exporter == "" && (id == "auditsql" || strings.HasPrefix(id, "auditsql/")) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	switch {
	case len(found) == 0:
		return errors.New("there is no auditsql exporter of that name")
	case len(found) > 1:
		return fmt.Errorf("there are several auditsql exporters; choose one with --exporter: %s", strings.Join(found, ", "))
	}
	sub, err := exporters.Sub(found[0])
	if err != nil {
		return fmt.Errorf("exporters::%s: %w", found[0], err)
	}
	if err := sub.Unmarshal(database, confmap.WithIgnoreUnused()); err != nil {
		return fmt.Errorf("exporters::%s: %w", found[0], err)
	}
	dead, err := sub.Sub("dead_letter")
	if err != nil {
		return fmt.Errorf("exporters::%s::dead_letter: %w", found[0], err)
	}
	return dead.Unmarshal(letters)
}

// openReading opens the store beside a running collector.
func openReading(ctx context.Context, database open.Config) (storage.Store, error) {
	store, err := open.Store(ctx, database, open.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", database.Identity(), err)
	}
	return store, nil
}

// openWriting opens the store for changing it, which no other process may do meanwhile.
func openWriting(ctx context.Context, database open.Config) (storage.Store, error) {
	store, err := open.Store(ctx, database, open.Options{})
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
