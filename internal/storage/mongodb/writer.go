package mongodb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Write implements storage.Writer.
func (s *store) Write(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	if s.group == nil {
		return storage.WriteResult{}, fmt.Errorf("write: %w", storage.ErrReadOnly)
	}
	return s.group.Write(ctx, events)
}

// writer makes documents of events. groupcommit calls it from one goroutine.
type writer struct {
	store      *store
	lastStored int64
	memory     []byte // of the documents of a batch, used again
}

func newWriter(s *store) *writer { return &writer{store: s} }

// commit stores a batch. Its documents share no transaction: each is there or
// not, and the batch is answered only when all are. What a failed batch has
// stored is found as duplicates when it is written again.
func (w *writer) commit(ctx context.Context, events []activity.Event) (storage.WriteResult, error) {
	ctx, cancel := context.WithTimeout(ctx, w.store.cfg.WriteTimeout)
	defer cancel()
	b := batch{writer: w, events: events, keys: make([][keySize]byte, len(events)), fates: make([]fate, len(events))}
	if err := b.run(ctx); err != nil {
		return storage.WriteResult{}, fmt.Errorf("store %d events: %w", len(events), retryable(err))
	}
	return b.result(), nil
}

// retryable is classify for a write: no error but one of content says that
// trying again is of no use.
func retryable(err error) error {
	err = classify(err)
	if errors.Is(err, storage.ErrRetryable) || errors.Is(err, storage.ErrContent) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrRetryable, err)
}

// batch is the work of one commit.
type batch struct {
	writer *writer
	events []activity.Event
	keys   [][keySize]byte
	fates  []fate
	last   int64 // stored_ns of the last one written
}

type fate struct {
	outcome outcome
	err     error // of a refused one, or of one that is refused if its key is not there
}

type outcome uint8

const (
	undecided outcome = iota
	written
	duplicate
	conflict
	refused
)

// run inserts the first event of each key, and compares the others of the key
// with what is stored then. Another round is needed when a first one was
// refused; each decides one event of a key at least.
func (b *batch) run(ctx context.Context) error {
	for i := range b.events {
		k := b.events[i].Key()
		b.keys[i] = keyOf(&k)
	}
	for {
		first := map[[keySize]byte]int{}
		var round, others []int
		for i := range b.events {
			if b.fates[i].outcome != undecided {
				continue
			}
			if _, there := first[b.keys[i]]; there {
				others = append(others, i)
			} else {
				first[b.keys[i]] = i
				round = append(round, i)
			}
		}
		if len(round) == 0 {
			return nil
		}
		if err := b.insert(ctx, round); err != nil {
			return err
		}
		if err := b.compareStored(ctx, b.collided(round, others, first)); err != nil {
			return err
		}
		for _, i := range others {
			if at := first[b.keys[i]]; b.fates[at].outcome == written {
				b.compare(i, &b.events[at])
			}
		}
	}
}

// insert stores the events of a round. Those that collide stay undecided.
func (b *batch) insert(ctx context.Context, round []int) error {
	w := b.writer
	// One time for the batch; the feed orders by it.
	now := w.store.now().UnixNano()
	w.memory = w.memory[:0]
	ends := make([]int, 0, len(round))
	sent := make([]int, 0, len(round))
	for _, i := range round {
		stored := max(w.lastStored+1, now)
		var err error
		if w.memory, err = appendDocument(w.memory, &b.keys[i], &b.events[i], stored, w.store.cfg.TTL > 0); err != nil {
			b.fates[i] = fate{refused, fmt.Errorf("event %s: %w", b.events[i].ID, err)}
			continue
		}
		w.lastStored = stored
		ends, sent = append(ends, len(w.memory)), append(sent, i)
	}
	if len(sent) == 0 {
		return nil
	}
	docs := make([]bson.Raw, len(sent))
	start := 0
	for n, end := range ends {
		docs[n] = bson.Raw(w.memory[start:end])
		start = end
	}
	_, err := w.store.events.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	if cap(w.memory) > maxMemory {
		w.memory = nil
	}
	if err := b.note(sent, err); err != nil {
		return err
	}
	for _, i := range sent {
		if b.fates[i].outcome == written {
			b.last = w.lastStored
		}
	}
	return nil
}

// maxMemory is what the writer keeps of the memory of a batch.
const maxMemory = 64 << 20

// note takes the answer of an insert apart. An error that is not one of single
// documents leaves everything open.
func (b *batch) note(sent []int, err error) error {
	var many mongo.BulkWriteException
	if err != nil && (!errors.As(err, &many) || many.WriteConcernError != nil) {
		return err
	}
	failed := make(map[int]bool, len(many.WriteErrors))
	for n := range many.WriteErrors {
		e := &many.WriteErrors[n].WriteError
		switch {
		case e.Index < 0 || e.Index >= len(sent):
			return fmt.Errorf("%w: the server refuses document %d of %d", storage.ErrRetryable, e.Index, len(sent))
		case e.Code == codeDuplicateKey:
			if i := sent[e.Index]; ofOtherIndex(e.Raw) {
				b.fates[i].err = b.refusal(i, e)
			}
		case slices.Contains(contentCodes, e.Code):
			i := sent[e.Index]
			b.fates[i] = fate{refused, b.refusal(i, e)}
		default:
			return fmt.Errorf("%w: event %s: %s", storage.ErrRetryable, b.events[sent[e.Index]].ID, writeErrorText(e))
		}
		failed[e.Index] = true
	}
	for n, i := range sent {
		if !failed[n] {
			b.fates[i].outcome = written
		}
	}
	return nil
}

func (b *batch) refusal(i int, e *mongo.WriteError) error {
	return fmt.Errorf("event %s: %w: %s", b.events[i].ID, storage.ErrContent, writeErrorText(e))
}

// ofOtherIndex reports whether a duplicate key is of a unique index that is not
// ours. No document with the event's key need be there then, and waiting for
// one would hold up every event behind it.
func ofOtherIndex(raw bson.Raw) bool {
	pattern, ok := raw.Lookup("keyPattern").DocumentOK()
	return ok && pattern.Lookup("_id").IsZero()
}

// collided gives the events whose key is in the store from before: the firsts
// that are still undecided, and the others of their keys.
func (b *batch) collided(round, others []int, first map[[keySize]byte]int) []int {
	var out []int
	for _, i := range round {
		if b.fates[i].outcome == undecided {
			out = append(out, i)
		}
	}
	for _, i := range others {
		// One whose first may be refused has a round of its own.
		if f := &b.fates[first[b.keys[i]]]; f.outcome == undecided && f.err == nil {
			out = append(out, i)
		}
	}
	return out
}

// compareBatch bounds the documents of one read: at their largest, 16 MiB times
// this come in replies of 16 MiB.
const compareBatch = 500

// compareStored tells duplicates from conflicts. The documents are read with
// majority: what has no majority yet is no duplicate, since it could still
// vanish, and the batch is tried again.
func (b *batch) compareStored(ctx context.Context, collided []int) error {
	for part := range slices.Chunk(collided, compareBatch) {
		byKey := map[string][]int{}
		ids := bson.A{}
		for _, i := range part {
			key := string(b.keys[i][:])
			if byKey[key] == nil {
				ids = append(ids, bson.Binary{Data: b.keys[i][:]})
			}
			byKey[key] = append(byKey[key], i)
		}
		err := b.writer.store.command(ctx, bson.D{
			{Key: "find", Value: eventCollection},
			{Key: "filter", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}},
		}, func(doc bson.Raw) error {
			var there storage.Record
			key, err := readDocument(doc, &there)
			if err != nil {
				return err
			}
			for _, i := range byKey[key] {
				if len(there.Derived) > 0 {
					b.fates[i].outcome = conflict // somebody changed it
				} else {
					b.compare(i, &there.Event)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the documents of the same keys: %w", err)
		}
	}
	for _, i := range collided {
		switch f := &b.fates[i]; {
		case f.outcome != undecided:
		case f.err != nil:
			f.outcome = refused
		default:
			return fmt.Errorf("%w: event %s: the document it collides with cannot be read yet", storage.ErrRetryable, b.events[i].ID)
		}
	}
	return nil
}

func (b *batch) compare(i int, there *activity.Event) {
	b.fates[i].outcome = conflict
	if activity.SameContent(there, &b.events[i]) {
		b.fates[i].outcome = duplicate
	}
}

func (b *batch) result() storage.WriteResult {
	res := storage.WriteResult{LastStoredNS: b.last}
	for i, f := range b.fates {
		switch f.outcome {
		case written:
			res.Written++
		case duplicate:
			res.Duplicates = append(res.Duplicates, i)
		case conflict:
			res.Conflicts = append(res.Conflicts, i)
		case refused:
			res.Refused = append(res.Refused, storage.Refusal{Index: i, Err: f.err})
		case undecided:
		}
	}
	return res
}
