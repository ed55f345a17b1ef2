package activitylog

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// UnaryInterceptor reports every unary call as a request event: url and route
// are the full method, the status is the HTTP status of its code, reason and
// extra_data name the code. Put it first in grpc.ChainUnaryInterceptor, outside
// of authentication and recovery.
func (s *Sender) UnaryInterceptor() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		ctx, c := s.newCall(ctx, info.FullMethod)
		defer func() { c.finish(ctx, size(req), size(resp), err, recover()) }()
		return next(ctx, req)
	}
}

// StreamInterceptor does the same for streams, once they end.
func (s *Sender) StreamInterceptor() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		ctx, c := s.newCall(stream.Context(), info.FullMethod)
		watched := &watchedStream{ServerStream: stream, ctx: ctx}
		defer func() { c.finish(ctx, watched.in, watched.out, err, recover()) }()
		return next(srv, watched)
	}
}

// call is one RPC under way.
type call struct {
	s      *Sender
	scope  *scope
	method string
	began  time.Time
}

func (s *Sender) newCall(ctx context.Context, method string) (context.Context, *call) {
	md, _ := metadata.FromIncomingContext(ctx)
	sc := &scope{headers: pick(s.opts.Headers, md.Get)}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		sc.peer = p.Addr.String()
	}
	return withScope(ctx, sc), &call{s: s, scope: sc, method: method, began: time.Now()}
}

// finish records the call. A panic is Internal, and goes on.
func (c *call) finish(ctx context.Context, in, out int64, err error, panicked any) {
	code := status.Code(err)
	e := Event{
		Datetime: c.began, Kind: KindRequest, Method: http.MethodPost, URL: c.method, Route: c.scope.routeOr(c.method),
		ResponseTimeMS: milliseconds(time.Since(c.began)), RequestBodySize: &in, ResponseBodySize: &out,
	}
	if code != codes.OK {
		e.Reason = code.String()
	}
	if panicked != nil {
		code, e.Reason = codes.Internal, reasonOf(panicked)
	}
	e.Outcome, e.ResponseStatus = meaning(code)
	e.ExtraData = map[string]any{"grpc_status": code.String()}
	c.s.Record(ctx, e)
	if panicked != nil {
		panic(panicked)
	}
}

// meaning gives outcome and HTTP status of a code, the latter as
// google/rpc/code.proto maps them.
func meaning(code codes.Code) (outcome string, httpStatus int) {
	switch code {
	case codes.OK:
		return Success, http.StatusOK
	case codes.Canceled:
		return Unknown, 499 // by the client, who did not wait for the outcome
	case codes.Unauthenticated:
		return Denied, http.StatusUnauthorized
	case codes.PermissionDenied:
		return Denied, http.StatusForbidden
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return Failure, http.StatusBadRequest
	case codes.NotFound:
		return Failure, http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return Failure, http.StatusConflict
	case codes.ResourceExhausted:
		return Failure, http.StatusTooManyRequests
	case codes.Unimplemented:
		return Failure, http.StatusNotImplemented
	case codes.Unavailable:
		return Failure, http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return Failure, http.StatusGatewayTimeout
	default: // Unknown, Internal, DataLoss, and what is no code
		return Failure, http.StatusInternalServerError
	}
}

// watchedStream counts the bytes of a stream's messages.
type watchedStream struct {
	grpc.ServerStream
	ctx     context.Context //nolint:containedctx // grpc.ServerStream hands it out
	in, out int64           // of one goroutine each, as grpc.ServerStream demands
}

func (w *watchedStream) Context() context.Context { return w.ctx }

func (w *watchedStream) RecvMsg(m any) error {
	err := w.ServerStream.RecvMsg(m)
	if err == nil {
		w.in += size(m)
	}
	return err
}

func (w *watchedStream) SendMsg(m any) error {
	err := w.ServerStream.SendMsg(m)
	if err == nil {
		w.out += size(m)
	}
	return err
}

// size gives the bytes of a message, without gRPC's framing and compression.
func size(m any) int64 {
	if p, ok := m.(proto.Message); ok && p != nil {
		return int64(proto.Size(p))
	}
	return 0
}
