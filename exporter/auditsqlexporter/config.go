package auditsqlexporter

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configretry"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter/exporterhelper"

	"github.com/activitylog/otelcol-activitylog/internal/storage/deadletter"
	"github.com/activitylog/otelcol-activitylog/internal/storage/sqldb"
)

// maxAnswer bounds the time in which a committed exporter answers.
const maxAnswer = 10 * time.Second

// Config of the auditsql exporter.
type Config struct {
	// Database is the driver and its settings.
	Database sqldb.Config `mapstructure:",squash"`
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

var (
	_ component.Config    = (*Config)(nil)
	_ confmap.Unmarshaler = (*Config)(nil)
)

// Unmarshal puts the dead letters beside the database, and lets retries of the spooled profile never give up unless the
// configuration says otherwise: the defaults are those of the committed one.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	if c.DeadLetter.Directory == "" || !conf.IsSet("dead_letter::directory") {
		c.DeadLetter.Directory = deadLetterDirectory(&c.Database)
	}
	if c.Queue.HasValue() {
		if !conf.IsSet("retry_on_failure::max_elapsed_time") {
			c.Retry.MaxElapsedTime = 0
		}
		if !conf.IsSet("retry_on_failure::max_interval") {
			c.Retry.MaxInterval = 30 * time.Second
		}
	}
	return nil
}

// Validate joins every problem and names the key.
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

// deadLetterDirectory is where dead letters are kept unless the configuration says otherwise.
func deadLetterDirectory(database *sqldb.Config) string {
	return filepath.Join(database.SQLite.Directory, "dead-letters")
}
