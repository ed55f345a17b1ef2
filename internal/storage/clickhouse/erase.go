package clickhouse

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/storage"
)

// Erase implements storage.Eraser: one mutation for each call, waited for. It
// rewrites every copy of a row, also those that a merge has not yet replaced,
// and the old files go when the server lets go of the old parts (8 minutes).
func (s *store) Erase(ctx context.Context, scope activity.Scope, e storage.Erasure) (storage.ErasureResult, error) {
	var res storage.ErasureResult
	q, err := e.Query()
	if err != nil || scope.Empty() {
		return res, err
	}
	q.After = e.After
	if s.writer == nil {
		return res, fmt.Errorf("erase: %w", storage.ErrReadOnly)
	}
	err = s.use(ctx, func() error {
		d, err := s.countOldest(ctx, scope, &q, " AND ("+somethingIn(e.Group)+")", e.Limit)
		if err != nil || d.events == 0 {
			return err
		}
		b := &builder{}
		b.add("ALTER TABLE activity_events UPDATE ", emptied(e.Group)).where(scope, &activity.Query{})
		if err := b.subject(&e); err != nil {
			return err
		}
		b.upTo(&q.After, &d.last)
		if err := s.exec(ctx, s.config.MutationTimeout, waitForMutation, b); err != nil {
			return err
		}
		res = storage.ErasureResult{Erased: d.events, More: d.more, Next: d.last.Position}
		return nil
	})
	if err != nil {
		return storage.ErasureResult{}, fmt.Errorf("erase: %w", err)
	}
	return res, nil
}

// subject is the condition on the person or object as a salted digest: the
// server keeps the text of a mutation in system.mutations, which is no place for
// the name of who was forgotten.
func (b *builder) subject(e *storage.Erasure) error {
	name, columns := e.UserID, "user_id"
	if e.UserID == "" {
		name, columns = e.ContentType+"\x00"+e.ObjectID, "content_type, '\\0', object_id"
	}
	raw := make([]byte, activity.SaltSize)
	if _, err := rand.Read(raw); err != nil {
		return fmt.Errorf("make a salt: %w", err)
	}
	salt := hex.EncodeToString(raw)
	digest := sha256.Sum256([]byte(salt + name))
	b.add(" AND SHA256(concat(", b.text(salt), ", ", columns, ")) = unhex(", b.text(hex.EncodeToString(digest[:])), ")")
	return nil
}

// The salts of a sealed row are two halves: of the personal and the content
// group.
const (
	zeroSalt = "unhex('00000000000000000000000000000000')"
	sealed   = "length(integrity_salts) = 32"
)

func saltOf(g activity.Group) string {
	if g == activity.GroupPersonal {
		return "substring(integrity_salts, 1, 16)"
	}
	return "substring(integrity_salts, 17, 16)"
}

// emptied sets the columns of a group and its salt to nothing, as
// activity.Event.Erase does.
func emptied(g activity.Group) string {
	halves := []string{zeroSalt, saltOf(activity.GroupContent)}
	if g == activity.GroupContent {
		halves = []string{saltOf(activity.GroupPersonal), zeroSalt}
	}
	sets := []string{"integrity_salts = if(" + sealed + ", concat(" + strings.Join(halves, ", ") + "), integrity_salts)"}
	for _, f := range activity.Fields() {
		if f.Info().Group != g {
			continue
		}
		nothing := "''"
		if f.Info().Type == activity.TypeOpt {
			nothing = "NULL"
		}
		sets = append(sets, f.String()+" = "+nothing)
	}
	return strings.Join(sets, ", ")
}

// somethingIn holds for a row that has something to forget.
func somethingIn(g activity.Group) string {
	either := []string{sealed + " AND " + saltOf(g) + " != " + zeroSalt}
	for _, f := range activity.Fields() {
		if f.Info().Group == g {
			either = append(either, "NOT ("+absent(f)+")")
		}
	}
	return strings.Join(either, " OR ")
}
