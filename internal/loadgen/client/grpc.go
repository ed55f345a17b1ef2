package client

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/activitylog/otelcol-activitylog/internal/loadgen"
)

// exportMethod is the OTLP logs service (opentelemetry/proto/collector/logs/v1).
const exportMethod = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

type grpcSender struct {
	conn  *grpc.ClientConn
	token string
}

func newGRPCSender(o *Options) (*grpcSender, error) {
	address := strings.TrimPrefix(strings.TrimPrefix(o.Endpoint, "http://"), "grpc://")
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", o.Endpoint, err)
	}
	return &grpcSender{conn: conn, token: o.Token}, nil
}

func (s *grpcSender) close() error { return s.conn.Close() }

// rawCodec passes bodies that are protobuf already.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("cannot send a %T", v)
	}
	return *b, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("cannot receive a %T", v)
	}
	*b = append([]byte(nil), data...)
	return nil
}

func (s *grpcSender) send(ctx context.Context, b *loadgen.Batch, _ string) outcome {
	if s.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+s.token)
	}
	var answer []byte
	err := s.conn.Invoke(ctx, exportMethod, &b.Body, &answer, grpc.ForceCodec(rawCodec{}))
	code := status.Code(err)
	switch code {
	case codes.OK:
		o, err := readOTLPAnswer(answer, b)
		if err != nil {
			return outcome{status: "OK_unreadable"}
		}
		o.status = code.String()
		return o
	case codes.InvalidArgument, codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return outcome{status: code.String(), refused: true}
	}
	return outcome{status: code.String()}
}
