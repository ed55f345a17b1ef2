package activitylog

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// rpc serves gRPC's health service behind the interceptors.
func rpc(t *testing.T, s *Sender) healthpb.HealthClient {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(s.UnaryInterceptor()), grpc.ChainStreamInterceptor(s.StreamInterceptor()))
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return healthpb.NewHealthClient(conn)
}

func TestUnaryCalls(t *testing.T) {
	c := newCollector(t)
	client := rpc(t, c.sender(t))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer t", "x-other", "no")
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = client.Check(ctx, &healthpb.HealthCheckRequest{Service: "none"})
	require.Equal(t, codes.NotFound, status.Code(err))
	got := c.wait(t, 2)
	for name, want := range map[string]any{
		"kind": "request", "method": "POST", "url": "/grpc.health.v1.Health/Check", "route": "/grpc.health.v1.Health/Check",
		"outcome": "success", "response_status": 200., "request_body_size": 0., "response_body_size": 2., "extra_data": map[string]any{"grpc_status": "OK"},
	} {
		assert.Equal(t, want, got[0][name], name)
	}
	assert.Regexp(t, `^127\.0\.0\.1:\d+$`, got[0]["peer_address"])
	headers := got[0]["headers"].(map[string]any)
	assert.Equal(t, []any{"Bearer t"}, headers["authorization"])
	assert.Contains(t, headers["user-agent"].([]any)[0], "grpc-go")
	assert.NotContains(t, headers, "x-other")
	assert.Equal(t, "failure", got[1]["outcome"])
	assert.Equal(t, "NotFound", got[1]["reason"])
	assert.EqualValues(t, 404, got[1]["response_status"])
	assert.EqualValues(t, 6, got[1]["request_body_size"])
}

func TestStreams(t *testing.T) {
	c := newCollector(t)
	client := rpc(t, c.sender(t))
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	assert.Empty(t, c.all(), "reported at its end")
	cancel()
	e := c.only(t)
	assert.Equal(t, "/grpc.health.v1.Health/Watch", e["url"])
	assert.Equal(t, "unknown", e["outcome"])
	assert.Equal(t, "Canceled", e["reason"])
	assert.EqualValues(t, 2, e["response_body_size"])
}

func TestPanicsOfCallsGoOn(t *testing.T) {
	c := newCollector(t)
	s := c.sender(t)
	assert.PanicsWithValue(t, "secret", func() {
		_, _ = s.UnaryInterceptor()(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/a/B"}, func(ctx context.Context, _ any) (any, error) {
			SetActor(ctx, Actor{UserID: "7"})
			panic("secret")
		})
	})
	e := c.only(t)
	assert.Equal(t, "panic: string", e["reason"])
	assert.Equal(t, "7", e["user_id"])
	assert.EqualValues(t, 500, e["response_status"])
}

func TestMeaningOfCodes(t *testing.T) {
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		outcome, httpStatus := meaning(code)
		assert.Equal(t, code == codes.OK, outcome == Success, code)
		assert.Equal(t, code == codes.OK, httpStatus == 200, code)
		assert.Equal(t, code == codes.Unauthenticated || code == codes.PermissionDenied, outcome == Denied, code)
	}
	outcome, httpStatus := meaning(status.Code(errors.New("plain")))
	assert.Equal(t, "failure 500", outcome+" "+map[bool]string{true: "500"}[httpStatus == 500])
}
