package integrityprocessor

import (
	"fmt"
	"runtime"

	"go.opentelemetry.io/collector/component"
)

// maxWorkers bounds a mistyped number; no machine here has more cores.
const maxWorkers = 1024

// Config of the processor.
type Config struct {
	// Workers is how many goroutines may seal at the same time, over all requests;
	// a small batch is sealed by the goroutine that brings it. 0 is one for each
	// processor the Go runtime uses (GOMAXPROCS).
	Workers int `mapstructure:"workers"`

	// forbids unkeyed literals
	_ struct{}
}

func createDefaultConfig() component.Config { return &Config{} }

// Validate names every key whose value cannot work.
func (c *Config) Validate() error {
	if c.Workers < 0 || c.Workers > maxWorkers {
		return fmt.Errorf("workers: %d is out of range; write 0 (one for each core) to %d", c.Workers, maxWorkers)
	}
	return nil
}

func (c *Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.GOMAXPROCS(0)
}
