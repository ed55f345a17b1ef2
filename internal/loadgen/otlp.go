package loadgen

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// Field numbers of opentelemetry/proto/logs/v1/logs.proto and
// common/v1/common.proto.
const (
	fieldResourceLogs   protowire.Number = 1  // ExportLogsServiceRequest, LogsData
	fieldScopeLogs      protowire.Number = 2  // ResourceLogs
	fieldLogRecords     protowire.Number = 2  // ScopeLogs
	fieldTime           protowire.Number = 1  // LogRecord, fixed64
	fieldObservedTime   protowire.Number = 11 // LogRecord, fixed64
	fieldAttributes     protowire.Number = 6  // LogRecord
	fieldKey            protowire.Number = 1  // KeyValue
	fieldValue          protowire.Number = 2  // KeyValue
	fieldStringValue    protowire.Number = 1  // AnyValue
	fieldIntValue       protowire.Number = 3  // AnyValue
	sdkQueueNanoseconds                  = 1_000_000
)

// renderOTLP gives the LogRecord without times, id and sequence number. Fields
// of a protobuf message may come in any order, so these are appended later.
func renderOTLP(e *activity.Event) ([]byte, error) {
	ld := plog.NewLogs()
	lr := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	said := *e
	said.ID, said.Datetime, said.ProducerSeq = activity.ID{}, 0, 0
	activitylogs.Encode(&said, lr)
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	if err != nil {
		return nil, fmt.Errorf("encoding a log record: %w", err)
	}
	for _, field := range []protowire.Number{fieldResourceLogs, fieldScopeLogs, fieldLogRecords} {
		if b, err = embedded(b, field); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// embedded gives the first length-delimited field of a message.
func embedded(message []byte, want protowire.Number) ([]byte, error) {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, fmt.Errorf("reading a protobuf tag: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if num == want && typ == protowire.BytesType {
			b, n := protowire.ConsumeBytes(message)
			if n < 0 {
				return nil, fmt.Errorf("reading protobuf field %d: %w", want, protowire.ParseError(n))
			}
			return b, nil
		}
		n = protowire.ConsumeFieldValue(num, typ, message)
		if n < 0 {
			return nil, fmt.Errorf("skipping protobuf field %d: %w", num, protowire.ParseError(n))
		}
		message = message[n:]
	}
	return nil, errors.New("the encoded logs hold no record")
}

func (s *Stream) renderOTLP(n int, b *Batch) {
	s.scratch = s.scratch[:0]
	for range n {
		d := s.next()
		s.scratch = appendRecord(s.scratch, d.template.otlp, &d.Ref)
		b.Refs = append(b.Refs, d.Ref)
	}
	resource := s.resource()
	size := len(resource) + protowire.SizeTag(fieldScopeLogs) + protowire.SizeBytes(len(s.scratch))
	b.Body = protowire.AppendTag(b.Body, fieldResourceLogs, protowire.BytesType)
	b.Body = protowire.AppendVarint(b.Body, uint64(size)) //nolint:gosec // a length
	b.Body = append(b.Body, resource...)
	b.Body = protowire.AppendTag(b.Body, fieldScopeLogs, protowire.BytesType)
	b.Body = protowire.AppendBytes(b.Body, s.scratch)
}

// resource gives the Resource field of the stream's ResourceLogs.
func (s *Stream) resource() []byte {
	var attributes []byte
	for _, kv := range [][2]string{
		{activitylogs.KeyService, s.service}, {activitylogs.KeyProducer, s.producer},
	} {
		attributes = appendBytesField(attributes, 1, keyString(nil, kv[0], kv[1]))
	}
	return appendBytesField(nil, 1, attributes)
}

// appendRecord appends one log_records field.
func appendRecord(dst, static []byte, ref *Ref) []byte {
	var tail [192]byte
	t := tail[:0]
	t = protowire.AppendTag(t, fieldTime, protowire.Fixed64Type)
	t = protowire.AppendFixed64(t, uint64(ref.Datetime)) //nolint:gosec // the same 64 bits
	t = protowire.AppendTag(t, fieldObservedTime, protowire.Fixed64Type)
	t = protowire.AppendFixed64(t, uint64(ref.Datetime+sdkQueueNanoseconds)) //nolint:gosec // the same 64 bits
	t = appendSeq(t, ref.Seq)
	if !ref.ID.IsZero() {
		var text [36]byte
		t = appendUID(t, appendID(text[:0], ref.ID))
	}
	dst = protowire.AppendTag(dst, fieldLogRecords, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(static)+len(t)))
	dst = append(dst, static...)
	return append(dst, t...)
}

func appendSeq(dst []byte, seq int64) []byte {
	var value [16]byte
	v := protowire.AppendTag(value[:0], fieldIntValue, protowire.VarintType)
	v = protowire.AppendVarint(v, uint64(seq)) //nolint:gosec // positive
	return appendAttribute(dst, activitylogs.KeyProducerSeq, v)
}

func appendUID(dst, uid []byte) []byte {
	var value [48]byte
	v := protowire.AppendTag(value[:0], fieldStringValue, protowire.BytesType)
	v = protowire.AppendBytes(v, uid)
	return appendAttribute(dst, string(semconv.LogRecordUIDKey), v)
}

// appendAttribute appends one KeyValue of a record; value is an AnyValue.
func appendAttribute(dst []byte, key string, value []byte) []byte {
	size := protowire.SizeTag(fieldKey) + protowire.SizeBytes(len(key)) +
		protowire.SizeTag(fieldValue) + protowire.SizeBytes(len(value))
	dst = protowire.AppendTag(dst, fieldAttributes, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size)) //nolint:gosec // a length
	dst = protowire.AppendTag(dst, fieldKey, protowire.BytesType)
	dst = protowire.AppendString(dst, key)
	return appendBytesField(dst, fieldValue, value)
}

// keyString is a KeyValue message holding text.
func keyString(dst []byte, key, value string) []byte {
	dst = protowire.AppendTag(dst, fieldKey, protowire.BytesType)
	dst = protowire.AppendString(dst, key)
	return appendBytesField(dst, fieldValue, appendBytesField(nil, fieldStringValue, []byte(value)))
}

func appendBytesField(dst []byte, num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), b)
}
