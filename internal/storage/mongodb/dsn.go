package mongodb

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// dsn is a connection string taken apart, without asking any name server: what
// the driver makes of it is the driver's, what must not be in it is ours.
type dsn struct {
	text     string
	srv      bool
	password string
	hosts    []string // with ports, sorted
	database string
	options  map[string][]string // by lower-case name, as MongoDB reads them
}

const defaultPort = ":27017"

// parseDSN takes a connection string apart (MongoDB manual, "Connection
// Strings"). Its errors never quote the text: it may hold a password.
func parseDSN(text string) (dsn, error) {
	d := dsn{text: text, options: map[string][]string{}}
	rest, ok := strings.CutPrefix(text, "mongodb://")
	if !ok {
		if rest, d.srv = strings.CutPrefix(text, "mongodb+srv://"); !d.srv {
			return d, errors.New("must begin with mongodb:// or mongodb+srv://")
		}
	}
	rest, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return d, errors.New("the options behind ? cannot be read; write %XX for special characters")
	}
	for name, vs := range values {
		key := strings.ToLower(name)
		d.options[key] = append(d.options[key], vs...)
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		_, d.password, _ = strings.Cut(rest[:at], ":")
		rest = rest[at+1:]
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if d.database, err = url.PathUnescape(path); err != nil {
		return d, errors.New("the database cannot be read; write %XX for special characters")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" {
			return d, errors.New("names no host, or an empty one")
		}
		if !d.srv && !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			host += defaultPort
		}
		d.hosts = append(d.hosts, strings.ToLower(host))
	}
	slices.Sort(d.hosts)
	return d, nil
}

// elsewhere are options that have a key of their own in the configuration.
var elsewhere = map[string]string{ //nolint:gosec // names of options, no credentials
	"tls": "tls::insecure", "ssl": "tls::insecure", "tlsinsecure": "tls::insecure_skip_verify",
	"sslinsecure": "tls::insecure_skip_verify", "tlsallowinvalidcertificates": "tls::insecure_skip_verify",
	"tlsallowinvalidhostnames": "tls::insecure_skip_verify", "tlscafile": "tls::ca_file",
	"sslcertificateauthorityfile": "tls::ca_file", "tlscertificatefile": "tls::cert_file",
	"tlsprivatekeyfile": "tls::key_file", "tlscertificatekeyfile": "tls::cert_file and tls::key_file",
	"sslclientcertificatekeyfile": "tls::cert_file and tls::key_file", "tlscertificatekeyfilepassword": "tls::key_file, decrypted",
	"tlsdisableocspendpointcheck": "the tls block",
	"maxpoolsize":                 "max_connections", "connecttimeoutms": "connect_timeout", "serverselectiontimeoutms": "connect_timeout",
	"timeoutms": "write_timeout", "sockettimeoutms": "write_timeout", "wtimeoutms": "write_timeout", "wtimeout": "write_timeout",
}

// refusals says what an audit store cannot be used with, and what to write.
func (d *dsn) refusals() []error {
	var errs []error
	names := make([]string, 0, len(d.options))
	for name := range d.options {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range d.options[name] {
			if err := refusal(name, v); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

func refusal(name, value string) error {
	word := strings.ToLower(value)
	switch name {
	case "w":
		if word != "majority" {
			return fmt.Errorf("w=%s: an event counts as stored once a majority of the replica set has it; write w=majority, or leave w out", value)
		}
	case "journal", "j":
		if word != "true" {
			return fmt.Errorf("%s=%s: an event counts as stored once it is in the journal on disk; write journal=true, or leave it out", name, value)
		}
	case "readpreference":
		if word != "primary" {
			return fmt.Errorf("readPreference=%s: a secondary may lack events that were acknowledged; write readPreference=primary, or leave it out", value)
		}
	case "readconcernlevel":
		if word != "majority" {
			return fmt.Errorf("readConcernLevel=%s: it could show events that a failover takes back; write readConcernLevel=majority, or leave it out", value)
		}
	}
	if key, ok := elsewhere[name]; ok {
		return fmt.Errorf("%s: it has a key of its own here; write %s", name, key)
	}
	return nil
}

// mask takes the connection string and its password out of a message.
func (d *dsn) mask(message string) string {
	message = strings.ReplaceAll(message, d.text, "the dsn")
	for _, secret := range []string{d.password, unescaped(d.password)} {
		if secret != "" {
			message = strings.ReplaceAll(message, secret, "****")
		}
	}
	return message
}

func unescaped(s string) string {
	plain, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return plain
}
