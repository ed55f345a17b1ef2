package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTiers runs deploy/tiers as it is shipped: an agent, Kafka, two gateways in
// one consumer group, PostgreSQL. Under load a gateway is killed, a message that
// is no OTLP comes into every partition, and the killed gateway comes back:
// nothing is lost, and what Kafka delivers again is stored once.
func TestTiers(t *testing.T) {
	postgres := needs(t, "postgres")[0]
	brokers := os.Getenv("ACTIVITYLOG_TEST_KAFKA_BROKERS")
	require.NotEmpty(t, brokers, "set ACTIVITYLOG_TEST_KAFKA_BROKERS, or run make test-faults")
	name := unique()
	tier := &tiers{
		brokers: brokers, topic: name, group: name + "-gateways",
		dsn: postgres.dsn(t), schema: name,
	}
	agent := tier.agent(t)
	first, second := tier.gateway(t), tier.gateway(t)
	agent.start()
	first.start()
	second.start()

	l := startLoad(t, agent.events, steady()...)
	l.waitGrowth(time.Minute)
	time.Sleep(5 * time.Second)
	second.kill()
	tier.produce(t, "this is no OTLP")
	time.Sleep(5 * time.Second)
	first.kill() // nobody reads, and what was read and not marked comes again
	time.Sleep(2 * time.Second)
	second.start()
	time.Sleep(3 * time.Second)
	first.start()
	time.Sleep(3 * time.Second)
	report := l.finish()
	v, took := l.settle(first.config, "auditsql", 3*time.Minute)
	table.add(row{
		backend: "kafka, postgres", fault: "deploy/tiers: gateways killed -9, undecodable messages", profile: "agent spooled, gateways committed", sent: v.acknowledged,
		answers: answers(report.Statuses), delivered: took, p99: report.P99, lost: v.lost, doubled: v.doubled, dead: v.dead,
	})
	assert.True(t, v.ok, v.text)
	assert.Greater(t, v.acknowledged, 1000)
	assert.Equal(t, []string{"202"}, keys(report.Statuses), "clients notice nothing of the tiers behind the agent")
	assert.Equal(t, v.acknowledged, stored(t, first.config, "auditsql"), "every seal of the agent fits what is stored")
	assert.Positive(t, first.duplicates(t)+second.duplicates(t), "Kafka delivered nothing again: nothing was killed between storing and marking")
	both := first.said() + second.said()
	assert.Contains(t, both, "failed to unmarshal message", "the poisoned message was met")
	for _, p := range []*collector{agent, first, second} {
		p.stop(30 * time.Second)
	}
}

// tiers is one set of collectors with a topic and a schema of its own.
type tiers struct{ brokers, topic, group, dsn, schema string }

// shipped prepares a collector with a shipped configuration: only names are
// changed, so that this test has its own.
func (s *tiers) shipped(t *testing.T, file string, changes map[string]string, env ...string) *collector {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(repo, "deploy", "tiers", file))
	require.NoError(t, err)
	out, code := tool(t, "auditctl", "config", "check", path)
	require.Equal(t, 0, code, out)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	changed := string(text)
	for from, to := range changes {
		require.Contains(t, changed, from, "the shipped configuration names it otherwise")
		changed = strings.ReplaceAll(changed, from, to)
	}
	c := &collector{dir: t.TempDir(), health: freeAddress(t), events: freeAddress(t)}
	c.config = filepath.Join(c.dir, file)
	require.NoError(t, os.WriteFile(c.config, []byte(changed), 0o600))
	c.process = newProcess(t, "otelcol-activitylog", "--config", c.config)
	c.env = append([]string{
		"ACTIVITYLOG_KAFKA_BROKERS=" + s.brokers, "ACTIVITYLOG_POSTGRES_DSN=" + s.dsn,
		"ACTIVITYLOG_SPOOL_DIR=" + filepath.Join(c.dir, "spool"), "ACTIVITYLOG_DEAD_LETTER_DIR=" + filepath.Join(c.dir, "dead-letters"),
		"ACTIVITYLOG_EVENTS_ENDPOINT=" + c.events, "ACTIVITYLOG_OTLP_HTTP_ENDPOINT=" + freeAddress(t), "ACTIVITYLOG_OTLP_GRPC_ENDPOINT=" + freeAddress(t),
	}, env...)
	return c
}

func (s *tiers) agent(t *testing.T) *collector {
	t.Helper()
	c := s.shipped(t, "agent.yaml", map[string]string{"topic: activitylog": "topic: " + s.topic})
	c.env = append(c.env, "ACTIVITYLOG_HEALTH_ENDPOINT="+c.health)
	c.args = append(c.args, "--config", "yaml:service::telemetry::metrics::level: none")
	return c
}

func (s *tiers) gateway(t *testing.T) *collector {
	t.Helper()
	c := s.shipped(t, "gateway.yaml", map[string]string{
		"topics: [activitylog]":         "topics: [" + s.topic + "]",
		"group_id: activitylog-gateway": "group_id: " + s.group,
		"postgres:\n      dsn":          "postgres:\n      schema: " + s.schema + "\n      dsn",
		"postgres:\n        dsn":        "postgres:\n        schema: " + s.schema + "\n        dsn",
	})
	api := freeAddress(t)
	c.env = append(c.env, "ACTIVITYLOG_API_ENDPOINT="+api, "ACTIVITYLOG_API_TOKEN=test-token-of-the-tiers-0123456789")
	c.health = api + "/readyz"
	c.metrics = freeAddress(t)
	host, port, err := net.SplitHostPort(c.metrics)
	require.NoError(t, err)
	c.args = append(c.args, "--config", fmt.Sprintf("yaml:service::telemetry::metrics: {level: normal, readers: [{pull: {exporter: {prometheus: {host: %s, port: %s}}}}]}", host, port))
	// auditload check and auditctl verify read the same file.
	t.Setenv("ACTIVITYLOG_POSTGRES_DSN", s.dsn)
	return c
}

// produce sends a message to every partition of the topic.
func (s *tiers) produce(t *testing.T, text string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(s.brokers, ",")...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for partition := range int32(3) {
		record := &kgo.Record{Topic: s.topic, Partition: partition, Value: []byte(fmt.Sprintf("%s, partition %d", text, partition))}
		require.NoError(t, client.ProduceSync(ctx, record).FirstErr())
	}
}

var duplicateLine = regexp.MustCompile(`(?m)^otelcol_exporter_auditsql_duplicate_events\S* ([0-9.e+]+)$`)

// duplicates is how many events this process was given that were stored already.
func (c *collector) duplicates(t *testing.T) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.metrics+"/metrics", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	sum := 0.0
	for _, m := range duplicateLine.FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		sum += n
	}
	return sum
}

// said is the whole output of a process.
func (p *process) said() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Error(err)
	}
	return string(b)
}
