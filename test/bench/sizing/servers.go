package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/activitylog/otelcol-activitylog/test/bench/chserver"
	"github.com/activitylog/otelcol-activitylog/test/bench/process"
)

const (
	eventsPerSecond = 1000
	sizingBatch     = 100
	sizingClients   = 4
	warmUp          = 5 * time.Second
)

// backend is a database and the configuration that is shipped for it.
type backend struct {
	name, config string
	script       string   // of scripts/services; "" for an embedded store
	test         string   // variable of the tests with the server's DSN
	database     string   // put behind the hosts of that DSN; "" where it names one
	env          []string // of the collector; %s is the DSN
	logs         []string // names within the data that are its log, not the events
}

var backends = []backend{
	{name: "sqlite", config: "otelcol-config.yaml"},
	{
		name: "postgres", config: "deploy/postgres.yaml", script: "postgres", test: "ACTIVITYLOG_TEST_POSTGRES_DSN",
		env: []string{"ACTIVITYLOG_POSTGRES_DSN=%s"}, logs: []string{"pg_wal"},
	},
	{
		name: "mysql", config: "deploy/mysql.yaml", script: "mariadb", test: "ACTIVITYLOG_TEST_MYSQL_DSN",
		env: []string{"ACTIVITYLOG_MYSQL_DSN=%s", "ACTIVITYLOG_MYSQL_INSECURE=true"}, logs: []string{"ib_logfile0", "ibtmp1", "undo"},
	},
	{
		name: "clickhouse", config: "deploy/clickhouse.yaml", script: "clickhouse", test: "ACTIVITYLOG_TEST_CLICKHOUSE_DSN",
		env: []string{"ACTIVITYLOG_CLICKHOUSE_DSN=%s"},
	},
	{
		name: "mongodb", config: "deploy/mongodb.yaml", script: "mongodb", test: "ACTIVITYLOG_TEST_MONGODB_DSN", database: "activitylog",
		env: []string{"ACTIVITYLOG_MONGODB_DSN=%s", "ACTIVITYLOG_MONGODB_INSECURE=true"}, logs: []string{"WiredTigerLog", "WiredTigerPreplog"},
	},
	{
		name: "cassandra", config: "deploy/scylla.yaml", script: "cassandra", test: "ACTIVITYLOG_TEST_CASSANDRA_DSN",
		env:  []string{"ACTIVITYLOG_SCYLLA_DSN=scylla://%s/activitylog", "ACTIVITYLOG_SCYLLA_INSECURE=true", "ACTIVITYLOG_SCYLLA_REPLICATION_FACTOR=1"},
		logs: []string{"commitlog", "saved_caches", "hints"},
	},
}

// size is what the rate takes.
type size struct {
	name            string
	cores, server   float64    // CPU seconds a second
	rss             [3]float64 // MiB of the collector after a third, two thirds and the whole
	bytes, p50, p99 float64    // bytes on disk an event; milliseconds
}

// measure runs one database, which is stopped before and after so that all it
// has is in its files.
func measure(ctx context.Context, s *settings, b *backend) (sz size, err error) {
	sz.name = b.name
	dir, err := os.MkdirTemp(os.Getenv("BENCH_DIR"), "bench-")
	if err != nil {
		return sz, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	folder := dir
	if b.script != "" {
		home, err := service(ctx, b.script, "home")
		if err != nil {
			return sz, err
		}
		folder = filepath.Join(home, "data")
	}
	env, err := b.environment()
	if err != nil {
		return sz, err
	}
	during := func(f func(*collector) error) error {
		c, err := start(ctx, s, []string{"--config", b.config}, dir, env...)
		if err != nil {
			return err
		}
		return errors.Join(f(c), c.Stop())
	}
	// Tables and partitions are made by the first events, and are not the cost of one.
	var warm, events float64
	if err := during(func(c *collector) error {
		r, err := load(ctx, s, c, eventsPerSecond, sizingBatch, sizingClients, warmUp)
		warm = float64(r.Acknowledged)
		return err
	}); err != nil {
		return sz, err
	}
	before, err := b.stopped(ctx, folder)
	if err != nil {
		return sz, err
	}
	if err := during(func(c *collector) error {
		events, err = sz.steady(ctx, s, b, c)
		return err
	}); err != nil {
		return sz, err
	}
	if b.name == "clickhouse" { // its files hold parts that were merged, too, for some minutes
		sz.bytes, err = clickHouseBytes(ctx, os.Getenv(b.test), warm+events)
		return sz, err
	}
	after, err := b.stopped(ctx, folder)
	sz.bytes = (after - before) / events
	return sz, err
}

func (b *backend) environment() ([]string, error) {
	dsn := os.Getenv(b.test)
	if b.database != "" {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.test, err)
		}
		dsn = u.JoinPath(b.database).String()
	}
	env := make([]string, len(b.env))
	for i, e := range b.env {
		env[i] = strings.Replace(e, "%s", dsn, 1)
	}
	return env, nil
}

// steady sends at the rate, and gives how many events were sent in all.
func (sz *size) steady(ctx context.Context, s *settings, b *backend, c *collector) (events float64, err error) {
	own, server, err := b.cpu(ctx, c)
	if err != nil {
		return 0, err
	}
	var seconds float64
	for i := range sz.rss {
		r, err := load(ctx, s, c, eventsPerSecond, sizingBatch, sizingClients, s.duration/time.Duration(len(sz.rss)))
		if err != nil {
			return 0, err
		}
		events += float64(r.Acknowledged)
		seconds += r.Seconds
		sz.p50, sz.p99 = max(sz.p50, r.P50), max(sz.p99, r.P99)
		if sz.rss[i], err = c.RSS(); err != nil {
			return 0, err
		}
	}
	ownAfter, serverAfter, err := b.cpu(ctx, c)
	sz.cores, sz.server = (ownAfter-own)/seconds, (serverAfter-server)/seconds
	return events, err
}

// cpu gives what the collector and the server have used, in seconds.
func (b *backend) cpu(ctx context.Context, c *collector) (own, server float64, err error) {
	if own, err = c.CPU(); err != nil || b.script == "" {
		return own, 0, err
	}
	home, err := service(ctx, b.script, "home")
	if err != nil {
		return own, 0, err
	}
	text, err := os.ReadFile(filepath.Join(home, "pid"))
	if err != nil {
		return own, 0, err
	}
	pid, err := strconv.Atoi(strings.Fields(string(text))[0])
	if err != nil {
		return own, 0, fmt.Errorf("read the server's pid: %w", err)
	}
	server, err = treeCPU(pid)
	return own, server, err
}

// treeCPU adds up a process and those below it.
func treeCPU(pid int) (float64, error) {
	sum, err := process.CPU(pid)
	if err != nil {
		return 0, err
	}
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return 0, err
	}
	for _, file := range children {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				n, err := treeCPU(child)
				if err == nil { // else it has ended
					sum += n
				}
			}
		}
	}
	return sum, nil
}

// stopped stops the server, measures its files and starts it again.
func (b *backend) stopped(ctx context.Context, folder string) (float64, error) {
	if b.script == "" {
		return b.diskUse(folder)
	}
	if _, err := service(ctx, b.script, "down"); err != nil {
		return 0, err
	}
	n, err := b.diskUse(folder)
	if err != nil {
		return 0, err
	}
	_, err = service(ctx, b.script, "up")
	return n, err
}

func (b *backend) diskUse(folder string) (bytes float64, err error) {
	err = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, prefix := range b.logs {
			if strings.HasPrefix(d.Name(), prefix) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			bytes += float64(info.Size())
		}
		return nil
	})
	return bytes, err
}

func clickHouseBytes(ctx context.Context, dsn string, events float64) (float64, error) {
	db, err := chserver.New(dsn)
	if err != nil {
		return 0, err
	}
	if _, err := db.Value(ctx, "OPTIMIZE TABLE activity_events FINAL"); err != nil {
		return 0, err
	}
	n, err := db.Numbers(ctx, "SELECT sum(bytes_on_disk), 0 FROM system.parts WHERE active AND table = 'activity_events'")
	if err != nil {
		return 0, err
	}
	return n[0] / events, nil
}

func service(ctx context.Context, script, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "scripts/services/"+script+".sh", command)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s.sh %s: %w", script, command, err)
	}
	return strings.TrimSpace(string(out)), nil
}
