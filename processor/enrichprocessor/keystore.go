package enrichprocessor

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// askedEvery is the shortest pause between two requests for a key set that
// tokens with unknown keys cause, and after one that failed: a flood of invented
// key ids costs the issuer no more. The first askedAtOnce go without a pause.
const (
	askedEvery  = 30 * time.Second
	askedAtOnce = 5
)

// The outcomes of reading a key again, as they are counted.
const (
	refreshChanged   = "changed"
	refreshUnchanged = "unchanged"
	refreshFailed    = "failed"
)

// keyring is every key of one moment, with what it found of tokens: another
// moment's keys begin with empty caches, so no verdict outlives its key.
type keyring struct {
	entries []entry
	// Tokens that fail have a cache of their own: a flood of invented ones never
	// displaces the genuine.
	accepted, refused *lru.Cache[[32]byte, *verdict]
}

// entry is what an entry of jwt::keys holds now.
type entry struct {
	issuer, audience string
	keys             []key
	loaded           bool
	wanted           chan struct{} // nil where nothing can be asked for
}

// ask asks for the keys of a set before their time, and never waits.
func (e *entry) ask() {
	select {
	case e.wanted <- struct{}{}:
	default: // asked for already, or nobody to ask
	}
}

// source is where the keys of one entry come from.
type source struct {
	name     string // its place in the configuration, for messages
	cfg      *KeyConfig
	read     func(context.Context) ([]byte, error)
	interval time.Duration // 0: once
	remote   bool
	limit    *rate.Limiter
	sum      [32]byte // of what the present keys were made of
	failing  bool
	entry    entry
}

// keyStore owns the keys of the configuration and keeps them up to date.
type keyStore struct {
	logger  *zap.Logger
	count   func(outcome string)
	size    int // tokens of each cache
	ring    atomic.Pointer[keyring]
	mu      sync.Mutex // guards the sources' state and the making of a ring
	sources []*source
	stop    context.CancelFunc
	running sync.WaitGroup
}

// newKeyStore reads every text and file, and asks for every set. A file that
// cannot be used ends the start; a server that does not answer does not.
func newKeyStore(ctx context.Context, cfg *JWTConfig, logger *zap.Logger, count func(string)) (*keyStore, error) {
	s := &keyStore{logger: logger, count: count, size: cfg.CacheSize}
	client := keySetClient()
	for i := range cfg.Keys {
		if !cfg.Keys[i].empty() {
			s.sources = append(s.sources, newSource(fmt.Sprintf("jwt::keys::%d", i), &cfg.Keys[i], client))
		}
	}
	var fetching sync.WaitGroup
	for _, src := range s.sources {
		if src.remote {
			fetching.Go(func() { s.refresh(ctx, src) })
			continue
		}
		if _, err := s.load(ctx, src); err != nil {
			fetching.Wait()
			return nil, fmt.Errorf("enrich: %s: %w", src.name, err)
		}
	}
	fetching.Wait()
	if err := s.publish(); err != nil {
		return nil, err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	for _, src := range s.sources {
		if src.interval > 0 {
			s.running.Go(func() { s.keep(background, src) })
		}
	}
	return s, nil
}

func newSource(name string, cfg *KeyConfig, client *http.Client) *source {
	src := &source{name: name + "::" + cfg.given()[0], cfg: cfg, interval: cfg.RefreshInterval}
	src.entry = entry{issuer: cfg.Issuer, audience: cfg.Audience}
	if src.interval == 0 {
		src.interval = defaultFileRefresh
	}
	file := cfg.SecretFile + cfg.PublicKeyFile + cfg.JWKSFile // one of them
	switch {
	case cfg.JWKSURL != "":
		if src.remote = true; cfg.RefreshInterval == 0 {
			src.interval = defaultURLRefresh
		}
		src.limit = rate.NewLimiter(rate.Every(askedEvery), askedAtOnce)
		src.entry.wanted = make(chan struct{}, 1)
		src.read = func(ctx context.Context) ([]byte, error) { return fetchKeySet(ctx, client, cfg.JWKSURL) }
	case file != "":
		src.read = func(context.Context) ([]byte, error) { return readKeyFile(file) }
	default:
		src.interval = 0
		text := []byte(string(cfg.Secret) + cfg.PublicKey)
		src.read = func(context.Context) ([]byte, error) { return text, nil }
	}
	return src
}

func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readLimited(f)
}

// load reads a source; true when its keys are other ones than before. On an
// error the present keys stay.
func (s *keyStore) load(ctx context.Context, src *source) (changed bool, err error) {
	raw, err := src.read(ctx)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(raw)
	s.mu.Lock()
	same := src.entry.loaded && src.sum == sum
	s.mu.Unlock()
	if same {
		return false, nil
	}
	keys, err := src.cfg.parse(raw)
	if err != nil {
		return false, err
	}
	if secret, ok := keys[0].material.([]byte); ok && len(secret) < weakSecret {
		s.logger.Warn("A secret for tokens is so short that it can be guessed from one token; use 32 random bytes or more.",
			zap.String("key", src.name), zap.Int("bytes", len(secret)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	src.sum, src.entry.keys, src.entry.loaded = sum, keys, true
	return true, nil
}

// publish makes the present keys those of the next token.
func (s *keyStore) publish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := &keyring{entries: make([]entry, len(s.sources))}
	for i, src := range s.sources {
		ring.entries[i] = src.entry
	}
	var err error
	if ring.accepted, err = lru.New[[32]byte, *verdict](s.size); err != nil {
		return fmt.Errorf("enrich: create token cache: %w", err)
	}
	if ring.refused, err = lru.New[[32]byte, *verdict](s.size); err != nil {
		return fmt.Errorf("enrich: create token cache: %w", err)
	}
	s.ring.Store(ring)
	return nil
}

// refresh reads a source again and says what came of it.
func (s *keyStore) refresh(ctx context.Context, src *source) (outcome string) {
	changed, err := s.load(ctx, src)
	s.mu.Lock()
	wasFailing, keys := src.failing, len(src.entry.keys)
	src.failing = err != nil
	s.mu.Unlock()
	switch {
	case ctx.Err() != nil && err != nil:
		return refreshFailed // the end, not a failure
	case err != nil:
		if outcome = refreshFailed; !wasFailing {
			s.logger.Warn("Cannot read keys for tokens; those read before stay, and it is tried again.",
				zap.String("key", src.name), zap.Error(err))
		}
	case changed:
		outcome = refreshChanged
		s.logger.Info("Read keys for tokens.", zap.String("key", src.name), zap.Int("keys", keys))
	default:
		outcome = refreshUnchanged
	}
	s.count(outcome)
	return outcome
}

// keep refreshes a source until the end, at its interval and when asked.
func (s *keyStore) keep(ctx context.Context, src *source) {
	timer := time.NewTimer(s.pause(src))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-src.entry.wanted:
			if src.limit.Wait(ctx) != nil {
				return
			}
		}
		if s.refresh(ctx, src) == refreshChanged {
			if err := s.publish(); err != nil {
				s.logger.Error("Cannot use the keys that were read.", zap.Error(err))
			}
		}
		select {
		case <-src.entry.wanted: // by a token that had met the keys of before
		default:
		}
		timer.Reset(s.pause(src))
	}
}

// pause is the time to the next reading: shorter after one that failed.
func (s *keyStore) pause(src *source) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if src.failing {
		return min(src.interval, askedEvery)
	}
	return src.interval
}

func (s *keyStore) close() {
	if s == nil {
		return
	}
	s.stop()
	s.running.Wait()
}
