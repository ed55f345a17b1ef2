package storagetest

import (
	"context"
	"sync"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Fault says what happens to a write.
type Fault uint8

// The faults.
const (
	FaultNone      Fault = iota
	FaultNotStored       // failed, not stored
	FaultStored          // failed, but stored: the answer was lost
)

// Faulty is a store whose writes fail on request.
type Faulty struct {
	storage.Store

	mu     sync.Mutex
	faults []plannedFault
}

type plannedFault struct {
	fault Fault
	err   error
}

// NewFaulty wraps a store; without a planned fault it only passes on.
func NewFaulty(s storage.Store) *Faulty { return &Faulty{Store: s} }

// Plan makes one of the next writes fail with err, in the order of the calls.
// FaultNone lets one write pass.
func (f *Faulty) Plan(fault Fault, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, plannedFault{fault, err})
}

// Write implements storage.Writer.
func (f *Faulty) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	f.mu.Lock()
	var p plannedFault
	if len(f.faults) > 0 {
		p, f.faults = f.faults[0], f.faults[1:]
	}
	f.mu.Unlock()
	switch p.fault {
	case FaultNotStored:
		return storage.WriteResult{}, p.err
	case FaultStored:
		if _, err := f.Store.Write(ctx, events); err != nil {
			return storage.WriteResult{}, err
		}
		return storage.WriteResult{}, p.err
	case FaultNone:
	}
	return f.Store.Write(ctx, events)
}
