package activitylogreceiver

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
)

// Unmarshal reads the configuration and refuses keys that nothing reads. The
// server's keys stand among ours, and confighttp leaves alone what it does not
// know: without this a misspelt key would be passed over in silence.
func (c *Config) Unmarshal(conf *confmap.Conf) error {
	if err := conf.Unmarshal(c); err != nil {
		return err
	}
	known := keysOf(reflect.TypeFor[Config]())
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
	return fmt.Errorf("no such key: %s; the keys are listed in the README of the activitylog receiver", strings.Join(unknown, ", "))
}

// keysOf gives the keys of a configuration struct, those of squashed ones among them.
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
