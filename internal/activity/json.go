package activity

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// MarshalJSON gives the lossless column form: one member a column that has a
// value, bytes in hex, JSON fields as the text that was hashed. It is what
// dead letters and test vectors hold; the REST shapes are the API's own.
func (e *Event) MarshalJSON() ([]byte, error) {
	m := make(map[string]any, len(allFields))
	for _, f := range allFields {
		info := &fields[f]
		switch info.Type {
		case TypeText, TypeJSON:
			if s := *e.Text(f); s != "" {
				m[info.Name] = s
			}
		case TypeInt, TypeTime:
			if n := *e.Int(f); n != 0 {
				m[info.Name] = n
			}
		case TypeOpt:
			if o := *e.Opt(f); o.Valid {
				m[info.Name] = o.Value
			}
		case TypeBytes:
			if b := e.Bytes(f); len(b) > 0 {
				m[info.Name] = hex.EncodeToString(b)
			}
		case TypeKind:
			if e.Kind.Valid() {
				m[info.Name] = e.Kind.String()
			}
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Event) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	*e = Event{}
	for name, v := range m {
		f, ok := byName[name]
		if !ok {
			return fmt.Errorf("%w: unknown column %q", ErrInvalid, name)
		}
		if err := e.setColumn(f, v); err != nil {
			return err
		}
	}
	return nil
}

func (e *Event) setColumn(f Field, v any) error {
	bad := func() error { return fmt.Errorf("%w: column %q cannot hold %T", ErrInvalid, f, v) }
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		if err != nil {
			return bad()
		}
		if p := e.Int(f); p != nil {
			*p = i
			return nil
		}
		if p := e.Opt(f); p != nil {
			*p = Some(i)
			return nil
		}
		return bad()
	}
	s, ok := v.(string)
	if !ok {
		return bad()
	}
	switch fields[f].Type {
	case TypeText, TypeJSON:
		*e.Text(f) = s
		return nil
	case TypeKind:
		if e.Kind, ok = ParseKind(s); ok {
			return nil
		}
	case TypeBytes:
		raw, err := hex.DecodeString(s)
		if err == nil && e.SetBytes(f, raw) {
			return nil
		}
	case TypeInt, TypeTime, TypeOpt:
	}
	return bad()
}
