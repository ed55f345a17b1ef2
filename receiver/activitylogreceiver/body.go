package activitylogreceiver

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// body counts what is read and keeps the error that ended it, so that a cut
// connection is told apart from a JSON text that ends too early.
type body struct {
	r    io.Reader
	read int64
	err  error // never io.EOF
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// framing finds the JSON texts of the events in a body and gives each to take,
// with its place in the body; raw is valid during the call only. A nil raw is
// an event that was too large to be kept. When take reports false the rest is
// left alone. An error says that the body is not well formed as a whole.
type framing func(b *body, take func(raw []byte) bool) error

var errTrailing = errors.New("something stands behind the JSON text; send application/x-ndjson for one event a line")

// frameJSON reads one object or an array of values.
func frameJSON(b *body, take func([]byte) bool) error {
	dec := jsontext.NewDecoder(b, lenient...)
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
func frameBatch(b *body, take func([]byte) bool) error {
	dec := jsontext.NewDecoder(b, lenient...)
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
func frameLines(b *body, take func([]byte) bool) error {
	r := bufio.NewReaderSize(b, 64<<10)
	var line []byte
	tooLarge := false
	for {
		part, err := r.ReadSlice('\n')
		if !tooLarge {
			line = append(line, part...)
			tooLarge = len(line) > activity.MaxEventBytes+len("\r\n")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		switch raw := bytes.Trim(line, " \t\r\n"); {
		case tooLarge:
			if !take(nil) {
				return nil
			}
		case len(raw) > 0:
			if !take(raw) {
				return nil
			}
		}
		if err != nil {
			return nil //nolint:nilerr // the end of the body
		}
		line, tooLarge = line[:0], false
	}
}
