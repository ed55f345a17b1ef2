package auditapiext

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"

	"github.com/activitylog/otelcol-activitylog/extension/auditapiext/internal/metadata"
)

// NewFactory makes the factory of the auditapi extension.
func NewFactory() extension.Factory {
	return extension.NewFactory(metadata.Type, createDefaultConfig,
		func(_ context.Context, set extension.Settings, cfg component.Config) (extension.Extension, error) {
			return newAuditAPI(set, cfg.(*Config))
		}, metadata.ExtensionStability)
}
