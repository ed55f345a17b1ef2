package enrichprocessor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/activitylogs"
)

// secretNames are names whose values are secrets, as they are found in the wild.
var secretNames = []string{
	"password", "Password", "PASSWORD", "passwd", "pwd", "user_password", "password1", "password_2", "new-password",
	"passwordConfirmation", "password_hash", "passphrase", "user[password]", "db.password", "pass word", "old passwords",
	"token", "Token", "access_token", "accessToken", "ACCESS-TOKEN", "refresh.token", "id_token", "csrfmiddlewaretoken",
	"csrf_token", "X-CSRF-Token", "csrftoken", "tokens", "access_tokens", "token[]", "token2",
	"secret", "secrets", "client_secret", "clientSecretV2", "SECRET_KEY", "secretKeyBase", "webhook-secret",
	"authorization", "Proxy-Authorization", "cookie", "cookies", "Set-Cookie", "http.response.header.set-cookie",
	"api_key", "apiKey", "X-API-Key", "api key id", "access_key", "AWS_ACCESS_KEY_ID", "private_key", "privateKeyPem",
	"credential", "credentials", "jwt", "id-jwt", "otp", "totp", "email_otp",
}

// wholeNames are secrets as they are, not as the end of another name.
var wholeNames = []string{
	"sessionid", "session_id", "session_key", "sessionKey", "PHPSESSID", "JSESSIONID", "sid", "SID", "pass", "PIN", "cvv", "cvc2", "sig",
}

// plainNames look like secrets and are none.
var plainNames = []string{
	"name", "pass_count", "passage", "tokenizer", "token_type", "token_count", "secretary", "secret_santa_day", "author",
	"authorization_id", "cookie_consent", "keyboard", "api", "key", "public_key", "monkey", "authority", "optional", "option",
	"robot", "cookies_accepted", "credentials_count", "jwt_issuer", "", "_", "1",
	"user_session_id", "session", "side", "president", "parent_sid", "compass", "spin", "signal", "design",
}

// redactionOf is a redaction of its own, as one call of the processor makes it.
func redactionOf(tb testing.TB, change func(*RedactConfig)) *redaction {
	tb.Helper()
	c := defaultRedact()
	if change != nil {
		change(&c)
	}
	var p problems
	c.validate(&p)
	require.Empty(tb, p)
	m, err := newMasker(&c)
	require.NoError(tb, err)
	m.key, err = c.loadHMACKey()
	require.NoError(tb, err)
	return &redaction{masker: m}
}

func TestSecretNames(t *testing.T) {
	m := redactionOf(t, func(c *RedactConfig) { c.Keys = []string{"Tax-Number", "  ", "card-pin"} })
	for _, name := range append(slices.Concat(secretNames, wholeNames), "tax_number", "customerTaxNumber", "CARD_PIN", "visa.card.pin4") {
		assert.True(t, m.names.secret(name), "%q is not masked", name)
		assert.Equal(t, `{"`+name+`": "***"}`, m.json(`{"`+name+`": "hush"}`))
		assert.Equal(t, name+"=***&x=1", m.query(name+"=hush&x=1"))
	}
	for _, name := range append(plainNames, "card.pint") {
		assert.False(t, m.names.secret(name), "%q is masked", name)
	}
	assert.False(t, redactionOf(t, nil).names.secret("card.pin"), "not by default")
}

func TestMaskedJSON(t *testing.T) {
	m := redactionOf(t, nil)
	deep := strings.Repeat(`{"a":[`, 30) + `{"token":"hush"}` + strings.Repeat(`]}`, 30)
	for _, tt := range []struct{ name, text, want string }{
		{"string", `{"token":"hush"}`, `{"token":"***"}`},
		{"number", `{"otp":123456}`, `{"otp":"***"}`},
		{"negative exponent", `{"otp":-1.5e-3,"a":1}`, `{"otp":"***","a":1}`},
		{"boolean", `{"token":true}`, `{"token":"***"}`},
		{"null stays", `{"token":null,"a":1}`, `{"token":null,"a":1}`},
		{"object", `{"token":{"a":{"b":"hush"}},"c":1}`, `{"token":"***","c":1}`},
		{"list", `{"secrets":["hush",["hush"],{"a":"hush"}],"c":1}`, `{"secrets":"***","c":1}`},
		{"empty list", `{"secrets":[]}`, `{"secrets":"***"}`},
		{"in lists", `[{"token":"hush"},[{"token":"hush"}],"token","plain"]`, `[{"token":"***"},[{"token":"***"}],"token","plain"]`},
		{"deep", deep, strings.Replace(deep, "hush", "***", 1)},
		{"beside plain ones", `{"a":1,"token":"hush","b":{"c":"d"},"pwd":"hush"}`, `{"a":1,"token":"***","b":{"c":"d"},"pwd":"***"}`},
		{"spaces are kept", "{ \"a\" : 1.0 ,\n \"token\"\t: \"hush\" ,\r\n \"b\" : 2 }", "{ \"a\" : 1.0 ,\n \"token\"\t: \"***\" ,\r\n \"b\" : 2 }"},
		{"quotes and brackets in the secret", `{"token":"hu\"}],\\","a":"}{"}`, `{"token":"***","a":"}{"}`},
		{"escaped name", `{"to\u006ben":"hush","pass\u0057ord":"hush"}`, `{"to\u006ben":"***","pass\u0057ord":"***"}`},
		{"twice the same name", `{"token":"hush","token":"hush"}`, `{"token":"***","token":"***"}`},
		{"a value that looks like a member", `{"a":"\"token\":\"hush\"","b":"token"}`, `{"a":"\"token\":\"***\"","b":"token"}`},
		{"JSON within", `{"a":"{\"pwd\": \"hush\", \"n\": 1.0}"}`, `{"a":"{\"pwd\": \"***\", \"n\": 1.0}"}`},
		{"no object", `"token"`, `"token"`},
		{"empty", ``, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := m.json(tt.text)
			assert.Equal(t, tt.want, got) // byte for byte
			assert.Equal(t, got, m.json(got), "masking twice changes nothing")
			assert.True(t, tt.text == "" || json.Valid([]byte(got)))
		})
	}
	assert.Equal(t, `{"token":["***","***"],"profile":[{"pwd":"***"},null],"a":[1,2],"otp":null}`, //nolint:testifylint // byte for byte
		m.changes(`{"token":["a","b"],"profile":[{"pwd":"hush"},null],"a":[1,2],"otp":null}`))
}

func TestMaskedQuery(t *testing.T) {
	m := redactionOf(t, nil)
	for in, want := range map[string]string{
		"":                               "",
		"a=1&b=2":                        "a=1&b=2",
		"token=hush":                     "token=***",
		"a=1&token=hush&b=%20+%zz":       "a=1&token=***&b=%20+%zz",
		"a=1;token=hush;b":               "a=1;token=***;b",
		"token=hush&&token=hush&":        "token=***&&token=***&",
		"token=a=b=c&x":                  "token=***&x",
		"a=1#token=hush&b=2":             "a=1#token=***&b=2",
		"token=hush#hush&b=2":            "token=***&b=2",
		"token=hush#hush":                "token=***",
		"a=1#/done?sid=hush":             "a=1#/done?sid=***",
		"TOKEN=hush":                     "TOKEN=***",
		"user%5Bpassword%5D=hush":        "user%5Bpassword%5D=***",
		"tok%65n=hush":                   "tok%65n=***",
		"access+token=hush":              "access+token=***",
		"%zztoken=hush":                  "%zztoken=***",
		"token":                          "token",
		"token=":                         "token=",
		"q=token%3Dhush":                 "q=token%3D***",
		"next=%2Fa%3Fsid%3Dhush%26b%3D1": "next=%2Fa%3Fsid%3D***%26b%3D1",
		"page=2&csrfmiddlewaretoken=x":   "page=2&csrfmiddlewaretoken=***",
	} {
		assert.Equal(t, want, m.query(in))
		assert.Equal(t, want, m.query(want), "masking twice changes nothing")
	}
}

// No secret of the corpus leaves by any door.
func TestNoSecretLeaves(t *testing.T) {
	e := started(t, func(c *Config) { c.KeepHeaders = secretNames })
	for _, name := range secretNames {
		text := `{"` + name + `":"hush","a":[{"` + name + `":{"b":"hush"}}]}`
		ev := request1()
		ev.ExtraData, ev.ObjectJSONRepr, ev.ChangedFields, ev.QueryString = text, text, text, name+"=hush"
		ev.SessionKey = "hush"
		in := authorization("Bearer hush")
		in.Before, in.After = text, `{"`+name+`":"hush2"}`
		ld := logsOf(ev, in)
		rl := ld.ResourceLogs().At(0)
		rl.Resource().Attributes().PutStr("r."+name, "hush")
		rl.ScopeLogs().At(0).Scope().Attributes().PutStr(name, "hush")
		lr := record(ld)
		lr.Attributes().PutStr("app."+name, "hush")
		lr.Attributes().PutEmptyMap("nested").PutEmptySlice("list").AppendEmpty().SetEmptyMap().PutStr(name, "hush")
		lr.Body().SetEmptyMap().PutStr(name, "hush")
		_, err := e.process(t.Context(), ld)
		require.NoError(t, err)
		raw, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
		require.NoError(t, err)
		assert.NotContains(t, string(raw), "hush", name)
	}
}

// What holds no secret leaves as it came, to the byte.
func TestUntouchedTexts(t *testing.T) {
	e := started(t, nil)
	for _, text := range []string{
		`{ "n": 1.0, "big": 18446744073709551615, "e": 1E+2, "small": -0.0 }`,
		`{"dup":1,"dup":2,"":{}}`,
		`{"esc":"\u00e9\/\ud83d\ude00","html":"<a>&amp;</a>","tab":"\t"}`,
		"\n[1, 2 ,3]\n", `"text"`, `null`, `17`, `true`, `{}`,
		`{"token":null}`, `{"token_type":"bearer","passage":"x"}`,
	} {
		ev := request1()
		ev.ExtraData, ev.ObjectJSONRepr, ev.ChangedFields, ev.QueryString = text, text, text, text
		got := one(t, e, logsOf(ev, nil))
		assert.Equal(t, []string{text, text, text, text}, []string{got.ExtraData, got.ObjectJSONRepr, got.ChangedFields, got.QueryString})
		assert.Zero(t, got.Flags)
	}
}

func TestSessionKey(t *testing.T) {
	sum := sha256.Sum256([]byte("s-1"))
	for mode, want := range map[string]string{sessionHash: hex.EncodeToString(sum[:]), sessionKeep: "s-1"} {
		e := started(t, func(c *Config) { c.Redact.Session = mode })
		ev := request1()
		ev.SessionKey = "s-1"
		got := one(t, e, logsOf(ev, nil))
		assert.Equal(t, want, got.SessionKey)
		assert.Equal(t, activity.AuthMethodSession, got.AuthMethod)
	}
}

func TestSecretsInAURL(t *testing.T) {
	e := started(t, nil)
	for _, tt := range []struct{ url, query, wantURL, wantQuery string }{
		{"/a?token=hush&b=1", "", "/a", "token=***&b=1"},
		{"/a?token=hush", "token=hush", "/a", "token=***"},
		{"/a?token=hush", "b=1", "/a?token=***", "b=1"},
		{"/a", "token=hush", "/a", "token=***"},
	} {
		ev := request1()
		ev.URL, ev.QueryString = tt.url, tt.query
		got := one(t, e, logsOf(ev, nil))
		assert.Equal(t, tt.wantURL, got.URL)
		assert.Equal(t, tt.wantQuery, got.QueryString)
	}
	for in, want := range map[string]string{
		"https://u:hush@h/a":                     "https://u:***@h/a",
		"https://u:hu:s;h@h":                     "https://u:***@h",
		"//u:hush@h:80?a=b@c":                    "//u:***@h:80?a=b@c",
		"/proxy/ftp://u:hush@h/a":                "/proxy/ftp://u:***@h/a",
		"https://h/a#state=1&access_token=hush":  "https://h/a#state=1&access_token=***",
		"https://h/#/done?access_token=hush&b=1": "https://h/#/done?access_token=***&b=1",
		"https://h/a?b=1#id_token=hush":          "https://h/a?b=1#id_token=***",
		"/a;jsessionid=hush?b=1":                 "/a;jsessionid=***?b=1",
		"/a;v=1?sid=hush":                        "/a;v=1?sid=***",
		"https://u@h:8080/a@b?c=d#e":             "https://u@h:8080/a@b?c=d#e",
		"https://h/u:p@x":                        "https://h/u:p@x",
		"/a//u:p@x":                              "/a//u:p@x",
		"https://u:@h/password/x=1":              "https://u:@h/password/x=1",
	} {
		assert.Equal(t, want, redactionOf(t, nil).url(in))
		assert.Equal(t, want, redactionOf(t, nil).url(want), "masking twice changes nothing")
	}
	cors := &activity.Event{Kind: activity.KindCORS, URL: "https://u:hush@shop.example.org/x?token=hush#token=hush", Origin: "https://u:hush@h", Datetime: testNow.UnixNano()}
	got := one(t, e, logsOf(cors, &activitylogs.Inputs{}))
	assert.NotContains(t, got.URL+got.QueryString+got.Origin, "hush")
}

func TestEachWordOfSecretsIsFoundWithinNames(t *testing.T) {
	p := redactionOf(t, nil)
	for _, w := range secretAnywhere {
		assert.True(t, p.names.secret("my_"+string(w)+"_of_old"), string(w))
	}
}

func TestPasswordsOfElements(t *testing.T) {
	p := &redaction{masker: started(t, nil).mask}
	open := strings.Repeat("<password>", 100)
	for in, want := range map[string]string{
		"<password>hush</password><token>hush</token>": "<password>***</password><token>***</token>",
		"<password></password><pwd>hush</pwd>":         "<password></password><pwd>***</pwd>",
		"<password>hush</password><user>ann</user>":    "<password>***</password><user>ann</user>",
		"<a>x</a><password>hush</password>":            "<a>x</a><password>***</password>",
		open:                                           open, // none is closed
		open + "hush</password>":                       "<password>***</password>",
	} {
		assert.Equal(t, want, p.text(in, p.search))
	}
}
