package scylla

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const defaultPort = "9042"

// target is a DSN taken apart.
type target struct {
	hosts              []string // with ports, sorted
	keyspace           string
	datacenter         string
	username, password string
}

var (
	// keyspaceName is what needs no quotes in CQL: the name becomes a part of
	// the statements.
	keyspaceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)
	// datacenterName becomes a part of CREATE KEYSPACE.
	datacenterName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

// target reads the DSN and the files of secrets. An error never holds the DSN.
func (c *Config) target() (*target, error) {
	text := string(c.DSN)
	switch {
	case c.DSN != "" && c.DSNFile != "":
		return nil, errors.New("dsn: set either dsn or dsn_file")
	case c.DSNFile != "":
		var err error
		if text, err = readSecret(c.DSNFile); err != nil {
			return nil, fmt.Errorf("dsn_file: %w", err)
		}
	case text == "":
		return nil, errors.New("dsn: must name hosts and keyspace, for example scylla://node1,node2/activitylog?datacenter=dc1")
	}
	t, err := parseDSN(text)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	if c.Password != "" {
		t.password = string(c.Password)
	}
	if c.PasswordFile != "" {
		if t.password, err = readSecret(c.PasswordFile); err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
	}
	return t, nil
}

// maxSecret bounds a file that holds a secret.
const maxSecret = 1 << 16

func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("%s is too large to hold a secret", path)
	}
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// parseDSN takes scylla://user:password@host1:9042,host2/keyspace?datacenter=dc1
// apart; cassandra:// means the same. Several hosts are not a URL of RFC 3986,
// so they are taken out first.
func parseDSN(text string) (*target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme != "scylla" && scheme != "cassandra" {
		return nil, errors.New("must begin with scylla:// or cassandra://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	t := &target{}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u, err := url.Parse("scylla://" + rest[:at] + "@host")
		if err != nil { // the error of url.Parse repeats the text, password and all
			return nil, errors.New("the user cannot be read: a special character of the password must be percent-encoded, or use password_file")
		}
		t.username = u.User.Username()
		t.password, _ = u.User.Password()
		rest = rest[at+1:]
	}
	hosts, keyspace, _ := strings.Cut(rest, "/")
	if t.keyspace = keyspace; !keyspaceName.MatchString(keyspace) {
		return nil, errors.New("must end with the name of the keyspace, of a-z, 0-9 and _, for example /activitylog")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" || strings.HasPrefix(host, ":") {
			return nil, errors.New("must name the hosts")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), defaultPort)
		}
		t.hosts = append(t.hosts, strings.ToLower(host))
	}
	slices.Sort(t.hosts)
	if err := t.options(query); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *target) options(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options behind ? cannot be read")
	}
	for name, vs := range values {
		switch name {
		case "datacenter":
			if t.datacenter = vs[0]; !datacenterName.MatchString(t.datacenter) {
				return errors.New("datacenter: letters, digits, . _ and -")
			}
		case "consistency":
			return errors.New("consistency cannot be chosen: an event counts as stored at LOCAL_QUORUM; leave it out")
		default:
			return fmt.Errorf("the option %q is not known; datacenter is", name)
		}
	}
	return nil
}

// Identity is equal for two configurations of the same keyspace, for example
// "scylla:node1:9042,node2:9042/activitylog". It has no password.
func (c *Config) Identity() string {
	t, err := c.target()
	if err != nil {
		return Driver + ":"
	}
	return Driver + ":" + strings.Join(t.hosts, ",") + "/" + t.keyspace
}
