package activityspanconnector

import (
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/component"
	older "go.opentelemetry.io/otel/semconv/v1.17.0"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// Config of the connector.
type Config struct {
	// Attributes are span attributes without a field of an event that are kept
	// in its extra_data; every other one stays out.
	Attributes []string `mapstructure:"attributes"`
	// ResourceAttributes are the resource attributes kept there. service.name
	// and service.instance.id are fields and always taken.
	ResourceAttributes []string `mapstructure:"resource_attributes"`

	// forbids unkeyed literals
	_ struct{}
}

func createDefaultConfig() component.Config {
	return &Config{ResourceAttributes: []string{
		string(semconv.ServiceNamespaceKey), string(semconv.ServiceVersionKey),
		string(semconv.DeploymentEnvironmentNameKey), string(older.DeploymentEnvironmentKey),
		string(semconv.HostNameKey), string(semconv.K8SNamespaceNameKey), string(semconv.K8SPodNameKey),
	}}
}

// Validate joins every problem and names the key.
func (c *Config) Validate() error {
	var errs []error
	for i, name := range c.Attributes {
		if why := refused(name); why != "" {
			errs = append(errs, fmt.Errorf("attributes::%d: %q %s", i, name, why))
		}
	}
	for i, name := range c.ResourceAttributes {
		if name == "" {
			errs = append(errs, fmt.Errorf("resource_attributes::%d: is empty", i))
		}
	}
	return errors.Join(errs...)
}

// refused says why a span attribute cannot be kept under its own name, "" when
// it can.
func refused(name string) string {
	switch {
	case name == "":
		return "is empty"
	case strings.HasPrefix(name, activitylogs.KeyHeaderPrefix):
		return "is a request header: those go to enrich and are never kept here; list it in enrich's keep_headers"
	case strings.HasPrefix(name, responseHeaderPrefix):
		return "is a response header, which may hold a session: it cannot be kept"
	case strings.HasPrefix(name, "activity.") && sources[name] == (source{}):
		return "is a field that a span cannot set"
	case name == string(semconv.LogRecordUIDKey):
		return "is the id of an event, which follows from the span"
	}
	return ""
}
