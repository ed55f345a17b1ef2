package activitylogreceiver

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// errTooDeep is told apart from other reasons by its code.
var errTooDeep = errors.New("nested deeper than 64 levels")

// readRoles takes a list of texts.
func readRoles(d *draft, v value) error {
	if _, err := texts(v); err != nil {
		return err
	}
	d.event.UserRoles = string(v)
	return nil
}

// readHeaders takes an object of texts or lists of texts. They are the headers
// of the reported request; nothing of the reporting one is ever added.
func readHeaders(d *draft, v value) error {
	if !v.isObject() {
		return wants("an object", v)
	}
	headers := map[string][]string{}
	err := eachMember(v, func(name string, v value) error {
		list, err := texts(v)
		if v.isText() {
			list, err = []string{v.text()}, nil
		}
		if err != nil {
			return fmt.Errorf("%s: want text or a list of texts, got %s", shown(name), v.word())
		}
		key := strings.ToLower(name)
		headers[key] = append(headers[key], list...)
		return nil
	})
	if err != nil {
		return err
	}
	d.inputs.Headers = headers
	return nil
}

func texts(v value) ([]string, error) {
	const want = "a list of texts"
	if !v.isList() {
		return nil, wants(want, v)
	}
	dec := jsontext.NewDecoder(bytes.NewBufferString(string(v)), lenient...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	list := []string{}
	for dec.PeekKind() != ']' {
		item, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if !value(item).isText() {
			return nil, fmt.Errorf("want %s, got %s among them", want, value(item).word())
		}
		list = append(list, value(item).text())
	}
	return list, nil
}

// eachMember gives the members of an object that the tokenizer has read.
func eachMember(v value, f func(name string, v value) error) error {
	dec := jsontext.NewDecoder(bytes.NewBufferString(string(v)), lenient...)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		key := value(name).text()
		item, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := f(key, value(item)); err != nil {
			return err
		}
	}
	return nil
}
