package scylla

import (
	"context"
	"sync"
	"sync/atomic"
)

// parallel calls fn for 0..n-1, at most limit at the same time, and gives the
// first error; the others are cancelled and waited for.
func parallel(ctx context.Context, n, limit int, fn func(ctx context.Context, i int) error) error {
	if n == 1 {
		return fn(ctx, 0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var once sync.Once
	var first error
	var owned sync.WaitGroup
	for range min(n, limit) {
		owned.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					return
				}
				if err := fn(ctx, i); err != nil {
					once.Do(func() { first = err })
					cancel()
					return
				}
			}
		})
	}
	owned.Wait()
	if first == nil {
		return ctx.Err() // the caller's: ours is cancelled later
	}
	return first
}
