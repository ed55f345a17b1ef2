package integrityprocessor

import (
	"context"
	"crypto/rand"
	"fmt"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"

	"github.com/activitylog/otelcol-activitylog/internal/canonical"
	"github.com/activitylog/otelcol-activitylog/processor/integrityprocessor/internal/metadata"
)

type integrity struct {
	telemetry *metadata.TelemetryBuilder
	pool      *pool
}

func newProcessor(ctx context.Context, set processor.Settings, cfg *Config, next consumer.Logs) (processor.Logs, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	if err != nil {
		return nil, fmt.Errorf("create the metrics of the integrity processor: %w", err)
	}
	p := &integrity{telemetry: telemetry, pool: newPool(cfg.workers())}
	return processorhelper.NewLogs(ctx, set, cfg, next, p.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}),
		processorhelper.WithShutdown(p.shutdown))
}

func (p *integrity) shutdown(context.Context) error {
	p.telemetry.Shutdown()
	return nil
}

// process seals every record. A batch with a record that is no activity event is
// refused as a whole and for good: nothing after this processor could tell such
// a record from a row whose seal was removed.
func (p *integrity) process(ctx context.Context, ld plog.Logs) (plog.Logs, error) {
	b := newBatch(ld)
	if len(b.records) == 0 {
		return ld, nil
	}
	b.salts = make([]byte, canonical.SaltsSize*len(b.records))
	if _, err := rand.Read(b.salts); err != nil {
		return ld, fmt.Errorf("read salts from the system's random source: %w", err)
	}
	done, err := p.pool.run(b)
	if err != nil {
		return ld, consumererror.NewPermanent(fmt.Errorf(
			"integrity cannot seal this batch; put the processor enrich before integrity in the pipeline: %w", err))
	}
	p.telemetry.ProcessorIntegritySealedEvents.Add(ctx, done.sealed)
	p.telemetry.ProcessorIntegrityKeptEvents.Add(ctx, done.kept)
	p.telemetry.ProcessorIntegrityInvalidSeals.Add(ctx, done.invalid)
	return ld, nil
}
