package storage

import (
	"time"

	"go.uber.org/zap"
)

// Options of opening a store, the same for every driver.
type Options struct {
	// ReadOnly opens an existing store beside the process that writes to it.
	ReadOnly bool
	// Now is the clock of stored_ns; nil = time.Now.
	Now func() time.Time
	// Logger is told about segments and partitions as they are made; nil = nobody is.
	Logger *zap.Logger
}
