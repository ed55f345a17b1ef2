package enrichprocessor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

const (
	anonymizeOff    = "off"
	anonymizePrefix = "prefix"
	anonymizeHMAC   = "hmac-sha256"

	// pseudonymPrefix begins what stands for an address in hmac-sha256 mode, so
	// that nobody takes it for one.
	pseudonymPrefix = anonymizeHMAC + ":"

	anonymizeCacheSize = 4096
)

func (c *ClientAddressConfig) validateAnonymize(p *problems) {
	p.oneOf("client_address::anonymize", c.Anonymize, anonymizeOff, anonymizePrefix, anonymizeHMAC)
	for _, f := range []struct {
		key        string
		bits, most int
	}{
		{"client_address::anonymize_ipv4_prefix", c.AnonymizeIPv4Prefix, 31},
		{"client_address::anonymize_ipv6_prefix", c.AnonymizeIPv6Prefix, 127},
	} {
		if f.bits < 0 || f.bits > f.most {
			p.add(f.key, fmt.Errorf("must be from 0 to %d, is %d; to keep whole addresses write anonymize: off", f.most, f.bits))
		}
	}
	p.hmacKey("client_address::anonymize_key", c.Anonymize == anonymizeHMAC, c.AnonymizeKey, c.AnonymizeKeyFile)
}

// anonymizer shortens or replaces addresses; a nil one keeps them.
type anonymizer struct {
	bits4, bits6 int
	key          []byte // nil: shorten
	known        *lru.Cache[netip.Addr, string]
	texts        []activity.Field
}

// newAnonymizer reads the key file, if there is one.
func newAnonymizer(cfg *ClientAddressConfig) (*anonymizer, error) {
	if cfg.Anonymize == anonymizeOff {
		return nil, nil //nolint:nilnil // off is a valid state, and a nil anonymizer is usable
	}
	a := &anonymizer{
		bits4: cfg.AnonymizeIPv4Prefix, bits6: cfg.AnonymizeIPv6Prefix,
		texts: slices.DeleteFunc(slices.Clone(activity.TextFields()), func(f activity.Field) bool { return f == activity.FieldRemoteIP }),
	}
	var err error
	if cfg.Anonymize == anonymizeHMAC {
		if a.key, err = loadHMACKey("client_address::anonymize_key", cfg.AnonymizeKey, cfg.AnonymizeKeyFile); err != nil {
			return nil, err
		}
	}
	if a.known, err = lru.New[netip.Addr, string](anonymizeCacheSize); err != nil {
		return nil, fmt.Errorf("enrich: create cache of addresses: %w", err)
	}
	return a, nil
}

// address gives what stands for an address: the first of its network, or
// pseudonymPrefix and the HMAC-SHA-256 of its text (without a zone) in hex.
func (a *anonymizer) address(addr netip.Addr) string {
	addr = addr.WithZone("")
	if text, ok := a.known.Get(addr); ok {
		return text
	}
	text := ""
	if a.key != nil {
		text = a.pseudonym(addr.String())
	} else {
		bits := a.bits6
		if addr.Is4() {
			bits = a.bits4
		}
		text = netip.PrefixFrom(addr, bits).Masked().Addr().String()
	}
	a.known.Add(addr, text)
	return text
}

func (a *anonymizer) pseudonym(text string) string {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(text))
	return pseudonymPrefix + hex.EncodeToString(mac.Sum(nil))
}

// isPseudonym reports whether another collector has replaced the address.
func isPseudonym(s string) bool {
	digest, ok := strings.CutPrefix(s, pseudonymPrefix)
	_, err := hex.DecodeString(digest)
	return ok && err == nil && len(digest) == 2*sha256.Size
}

// headers replaces every address in the headers that keep holds: those of a
// forwarding chain are of people, too.
func (a *anonymizer) headers(in *intake, keep map[string]bool) {
	if a == nil {
		return
	}
	for i := range in.headers {
		h := &in.headers[i]
		if !keep[h.name] {
			continue
		}
		for n := range h.lines() {
			line := h.line(n)
			if hidden := a.text(line, nil); hidden != line {
				h.setLine(n, hidden)
			}
		}
	}
}

func (h *header) setLine(i int, text string) {
	if h.values.Type() == pcommon.ValueTypeSlice {
		h.values.Slice().At(i).SetStr(text)
		return
	}
	h.values.SetStr(text)
}

// event replaces remote_ip, and the client's address wherever a text of the
// event repeats it. It comes after everything that needs the address. A
// remote_ip that is no address is replaced whole, or removed where addresses
// are shortened, for it cannot be.
func (a *anonymizer) event(in *intake) {
	if a == nil {
		return
	}
	ev := &in.event
	switch {
	case in.client.IsValid():
		ev.RemoteIP = a.address(in.client)
	case a.key == nil:
		ev.RemoteIP = ""
	case ev.RemoteIP != "" && !isPseudonym(ev.RemoteIP):
		ev.RemoteIP = a.pseudonym(ev.RemoteIP)
	}
	if !in.client.IsValid() {
		return
	}
	client := in.client.WithZone("")
	for _, f := range a.texts {
		if p := ev.Text(f); *p != "" {
			*p = a.text(*p, &client)
		}
	}
}

// text replaces the addresses in s, all of them or one alone.
func (a *anonymizer) text(s string, only *netip.Addr) string {
	var b strings.Builder
	kept := 0
	for i := 0; i < len(s); {
		if !isAddressByte(s[i]) {
			i++
			continue
		}
		start, separators := i, 0
		for ; i < len(s) && isAddressByte(s[i]); i++ {
			if s[i] == '.' || s[i] == ':' {
				separators++
			}
		}
		if separators < 2 { // the fewest are those of ::
			continue
		}
		addr, from, to, ok := addressWithin(s[start:i])
		if ok && (only == nil || addr == *only) {
			b.WriteString(s[kept : start+from])
			b.WriteString(a.address(addr))
			kept = start + to
		}
	}
	if kept == 0 {
		return s
	}
	b.WriteString(s[kept:])
	return b.String()
}

// addressWithin finds the address in a run of the characters of addresses: it
// may have a port, the colon of a label before it, and the end of a sentence
// behind.
func addressWithin(s string) (addr netip.Addr, from, to int, ok bool) {
	to = len(strings.TrimRight(s, "."))
	if !strings.HasSuffix(s[:to], "::") {
		to = len(strings.TrimRight(s[:to], ":"))
	}
	for from < to && (s[from] == '.' || s[from] == ':' && !strings.HasPrefix(s[from:], "::")) {
		from++
	}
	if to-from > maxHost {
		return addr, 0, 0, false
	}
	parse := func(f, t int) bool {
		a, err := netip.ParseAddr(s[f:t])
		if err != nil {
			return false
		}
		addr, from, to = a.Unmap(), f, t
		return true
	}
	if parse(from, to) {
		return addr, from, to, true
	}
	first, last := strings.IndexByte(s[from:to], ':'), strings.LastIndexByte(s[from:to], ':')
	if first < 0 {
		return addr, 0, 0, false
	}
	// with a port, or behind a label
	ok = parse(from, from+last) || parse(from+last+1, to) || parse(from+first+1, to)
	return addr, from, to, ok
}
