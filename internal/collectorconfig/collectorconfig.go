// Package collectorconfig finds a store in a collector's configuration, for the
// tools beside the collector: what the configuration names need not be said
// again on a command line, least of all a password.
package collectorconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"

	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

// Load reads a collector configuration as the collector does, with the
// environment filled in.
func Load(ctx context.Context, file string) (conf *confmap.Conf, err error) {
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs:              []string{"file:" + file},
		ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), envprovider.NewFactory()},
		DefaultScheme:     "env",
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, resolver.Shutdown(context.WithoutCancel(ctx))) }()
	conf, err = resolver.Resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return conf, nil
}

// Sink is an exporter of this project.
type Sink struct {
	ID       string // for example "auditsql/eu"
	Database open.Config
	// Letters are its dead letters; their directory is always named.
	Letters deadletter.Config
}

// Find gives the exporter with the id, or the only one of this project when the
// id is empty. A type alone ("auditsql") stands for itself only.
func Find(conf *confmap.Conf, id string) (Sink, error) {
	exporters, err := conf.Sub("exporters")
	if err != nil {
		return Sink{}, fmt.Errorf("exporters: %w", err)
	}
	var found []string
	for name := range exporters.ToStringMap() {
		if open.IsExporter(typeOf(name)) && (id == "" || name == id) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	switch {
	case len(found) == 0 && id == "":
		return Sink{}, fmt.Errorf("there is no exporter of the types %s", strings.Join(open.Exporters(), ", "))
	case len(found) == 0:
		return Sink{}, fmt.Errorf("there is no exporter %s of the types %s", id, strings.Join(open.Exporters(), ", "))
	case len(found) > 1:
		return Sink{}, fmt.Errorf("there are several exporters; choose one with --exporter: %s", strings.Join(found, ", "))
	}
	sink, err := read(exporters, found[0])
	if err != nil {
		return Sink{}, fmt.Errorf("exporters::%s: %w", found[0], err)
	}
	return sink, nil
}

func read(exporters *confmap.Conf, id string) (Sink, error) {
	sink := Sink{ID: id, Letters: deadletter.NewDefaultConfig()}
	sub, err := exporters.Sub(id)
	if err != nil {
		return sink, err
	}
	if sink.Database, err = open.FromExporter(typeOf(id), sub); err != nil {
		return sink, err
	}
	dead, err := sub.Sub("dead_letter")
	if err != nil {
		return sink, fmt.Errorf("dead_letter: %w", err)
	}
	if err := dead.Unmarshal(&sink.Letters); err != nil {
		return sink, fmt.Errorf("dead_letter: %w", err)
	}
	if sink.Letters.Directory == "" {
		sink.Letters.Directory = deadletter.DefaultDirectory(sink.Database.Folder(), id)
	}
	return sink, nil
}

func typeOf(id string) string {
	kind, _, _ := strings.Cut(id, "/")
	return kind
}
