package configguard

import (
	"fmt"
	"slices"
	"time"
)

// section gives a nested map, empty when it is absent or null.
func section(conf map[string]any, key string) map[string]any {
	m, _ := conf[key].(map[string]any)
	return m
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// list gives a list of component ids, whatever type the source gave them.
func list(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			out[i] = fmt.Sprint(e)
		}
		return out
	}
	return nil
}

// queue gives an exporter's sending queue; on is false when it is absent, null
// or disabled.
func queue(conf map[string]any) (q map[string]any, on bool) {
	v, given := conf["sending_queue"]
	if !given || v == nil {
		return nil, false
	}
	q, _ = v.(map[string]any)
	if q == nil {
		return nil, false // how an absent queue is written with defaults filled in
	}
	if enabled, set := q["enabled"].(bool); set && !enabled {
		return nil, false
	}
	return q, true
}

// duration reads a key as YAML or as a filled-in default gives it; ok is false
// when it is no duration.
func duration(conf map[string]any, key string, absent time.Duration) (d time.Duration, ok bool) {
	switch v := conf[key].(type) {
	case nil:
		return absent, true
	case time.Duration:
		return v, true
	case int:
		return time.Duration(v), true
	case int64:
		return time.Duration(v), true
	case float64:
		return time.Duration(v), true
	case string:
		if v == "0" {
			return 0, true
		}
		d, err := time.ParseDuration(v)
		return d, err == nil
	}
	return 0, false
}

// truthy reads a switch as YAML or as a database setting gives it.
func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int:
		return v != 0
	case int64:
		return v != 0
	case string:
		return v == "1" || v == "true"
	}
	return false
}

// bytes reads a number of bytes.
func bytes(conf map[string]any, key string, absent int64) int64 {
	switch v := conf[key].(type) {
	case int:
		return int64(v)
	case int64:
		return v
	case float64:
		return int64(v)
	}
	return absent
}

// positive reports a number above zero.
func positive(v any) bool {
	switch v := v.(type) {
	case int:
		return v > 0
	case int64:
		return v > 0
	case float64:
		return v > 0
	}
	return false
}
