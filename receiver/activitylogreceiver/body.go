package activitylogreceiver

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// firstRead is the first buffer for a body, in bytes. What a client announces
// is not believed before it has come: the buffer doubles up to it.
const firstRead = 4 << 10

// readBody reads a body of at most limit bytes into memory that the lease
// covers. announced is its length, -1 when it is not known. A slow client thus
// holds what it has sent and nothing else. What was read is given with a
// problem as well.
func readBody(r io.Reader, announced, limit int64, l *lease) ([]byte, *problem) {
	most := limit
	if announced >= 0 && announced < most {
		most = announced
	}
	most++ // room to find the end in
	if p := l.take(costQuantum); p != nil {
		return nil, p
	}
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			grown := min(max(2*int64(cap(buf)), firstRead), max(most, int64(cap(buf))+firstRead))
			if p := l.take(grown); p != nil {
				return buf, p
			}
			next := make([]byte, len(buf), grown)
			copy(next, buf)
			l.put(int64(cap(buf)))
			buf = next
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, bodyProblem(err)
		}
	}
}

// framing finds the JSON texts of the events in a body and gives each to take,
// with its place in the body; raw is valid during the call only. When take
// reports false the rest is left alone. An error says that the body is not
// well formed as a whole.
type framing func(body []byte, take func(raw []byte) bool) error

var errTrailing = errors.New("something stands behind the JSON text; send application/x-ndjson for one event a line")

// frameJSON reads one object or an array of values.
func frameJSON(body []byte, take func([]byte) bool) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	if dec.PeekKind() != '[' {
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if !take(raw) {
			return nil
		}
		return ended(dec)
	}
	return frameArray(dec, take)
}

// frameBatch reads an array only.
func frameBatch(body []byte, take func([]byte) bool) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), lenient...)
	if kind := dec.PeekKind(); kind != '[' && kind != jsontext.KindInvalid {
		return errors.New("a batch is a JSON array")
	}
	return frameArray(dec, take)
}

func frameArray(dec *jsontext.Decoder, take func([]byte) bool) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if !take(raw) {
			return nil
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	return ended(dec)
}

func ended(dec *jsontext.Decoder) error {
	switch _, err := dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errTrailing
	default:
		if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
			return errTrailing
		}
		return err
	}
}

// frameLines reads one event a line. A line is a frame of its own, so that a
// malformed one does not sink its neighbours; empty lines are left out.
func frameLines(body []byte, take func([]byte) bool) error {
	for line := range bytes.Lines(body) {
		if raw := bytes.Trim(line, " \t\r\n"); len(raw) > 0 && !take(raw) {
			return nil
		}
	}
	return nil
}

// cost gives the bytes that a decoded event of length bytes of JSON holds until
// the pipeline has answered.
func (d *draft) cost(length int) int64 {
	n := costEvent + costText*int64(length) + costItem*int64(strings.Count(d.event.UserRoles, ","))
	for _, values := range d.inputs.Headers {
		n += costHeader + costItem*int64(len(values))
	}
	return n
}
