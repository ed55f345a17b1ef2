package auditexport

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
)

// maxAnswer bounds the time in which a committed exporter answers.
const maxAnswer = 10 * time.Second

// Config is how events are delivered, the same for every database. A component
// squashes it beside its driver's keys.
type Config struct {
	// AuditAPI names the auditapi extension whose store is used when it is the same database.
	AuditAPI *component.ID `mapstructure:"auditapi"`
	// DeadLetter keeps what the database refused.
	DeadLetter deadletter.Config `mapstructure:"dead_letter"`
	// Timeout bounds one attempt.
	Timeout exporterhelper.TimeoutConfig `mapstructure:",squash"`
	// Retry bounds the attempts; in the spooled profile it never gives up.
	Retry configretry.BackOffConfig `mapstructure:"retry_on_failure"`
	// Queue absent is the committed profile, present with storage the spooled one.
	Queue configoptional.Optional[exporterhelper.QueueBatchConfig] `mapstructure:"sending_queue"`
}

// NewDefaultConfig gives the committed profile, which answers within 8 seconds.
func NewDefaultConfig() Config {
	retry := configretry.NewDefaultBackOffConfig()
	retry.InitialInterval = 100 * time.Millisecond
	retry.MaxInterval = time.Second
	retry.MaxElapsedTime = 3 * time.Second
	return Config{
		DeadLetter: deadletter.NewDefaultConfig(),
		Timeout:    exporterhelper.TimeoutConfig{Timeout: 5 * time.Second},
		Retry:      retry,
		Queue:      configoptional.Default(exporterhelper.NewDefaultQueueConfig()),
	}
}

// Complete lets retries of the spooled profile never give up unless conf, from
// which c was read, says otherwise: the defaults are those of the committed one.
// A component calls it at the end of its Unmarshal.
func (c *Config) Complete(conf *confmap.Conf) {
	if !c.Queue.HasValue() {
		return
	}
	if !conf.IsSet("retry_on_failure::max_elapsed_time") {
		c.Retry.MaxElapsedTime = 0
	}
	if !conf.IsSet("retry_on_failure::max_interval") {
		c.Retry.MaxInterval = 30 * time.Second
	}
}

// Validate joins every problem and names the key. The collector calls it with
// that of the component's configuration.
func (c *Config) Validate() error {
	errs := []error{}
	if c.Timeout.Timeout <= 0 {
		errs = append(errs, errors.New("timeout: must be above 0, for example 5s: an attempt without an end never answers"))
	}
	if c.Queue.HasValue() {
		errs = append(errs, c.validateSpooled()...)
	} else {
		errs = append(errs, c.validateCommitted()...)
	}
	return errors.Join(errs...)
}

func (c *Config) validateCommitted() []error {
	if !c.Retry.Enabled {
		if c.Timeout.Timeout > maxAnswer {
			return []error{fmt.Errorf("timeout: %s is above %s, within which a committed exporter answers", c.Timeout.Timeout, maxAnswer)}
		}
		return nil
	}
	if c.Retry.MaxElapsedTime <= 0 {
		return []error{errors.New("retry_on_failure::max_elapsed_time: 0 retries for ever and the client never gets an answer; " +
			"write 3s, or add sending_queue: {storage: file_storage}")}
	}
	if total := c.Retry.MaxElapsedTime + c.Timeout.Timeout; total > maxAnswer {
		return []error{fmt.Errorf("retry_on_failure::max_elapsed_time + timeout: %s is above %s, within which a committed exporter answers; "+
			"write max_elapsed_time: 3s and timeout: 5s", total, maxAnswer)}
	}
	return nil
}

func (c *Config) validateSpooled() []error {
	var errs []error
	if c.Queue.Get().StorageID == nil {
		errs = append(errs, errors.New("sending_queue::storage: a queue in memory acknowledges events that a crash loses; "+
			"write storage: file_storage, or remove sending_queue"))
	}
	if !c.Retry.Enabled {
		errs = append(errs, errors.New("retry_on_failure::enabled: false loses acknowledged events; write enabled: true and max_elapsed_time: 0"))
	}
	if c.Retry.MaxElapsedTime != 0 {
		errs = append(errs, fmt.Errorf("retry_on_failure::max_elapsed_time: after %s an acknowledged event would be dropped; write max_elapsed_time: 0",
			c.Retry.MaxElapsedTime))
	}
	return errs
}
