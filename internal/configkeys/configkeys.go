// Package configkeys refuses misspelt keys of a component that embeds an HTTP
// server. The server's keys stand among the component's own, and confighttp
// leaves alone what it does not know: without this a misspelt key would be
// passed over in silence.
package configkeys

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// Check names the keys of conf that no field of the struct T reads.
func Check[T any](conf *confmap.Conf) error {
	known := Of[T]()
	var unknown []string
	for key := range conf.ToStringMap() {
		if !slices.Contains(known, key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("no such key: %s; the component's README lists its keys", strings.Join(unknown, ", "))
}

// Of gives the keys of the configuration struct T, those of squashed structs
// among them.
func Of[T any]() []string { return keysOf(reflect.TypeFor[T]()) }

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("mapstructure"), ",")
		switch {
		case strings.Contains(options, "squash") && field.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(field.Type)...)
		case name != "" && name != "-":
			keys = append(keys, name)
		}
	}
	return keys
}
