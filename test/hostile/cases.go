package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
)

// Good is an event that is taken wherever it stands.
const Good = `{"kind":"request","method":"GET","url":"/neighbour","response_status":200}`

const (
	ndjson = "application/x-ndjson"
	single = "application/cloudevents+json"
	many   = "application/cloudevents-batch+json"
)

// Cases gives the corpus. Every case leaves the collector as healthy as before.
func Cases() []Case {
	var cases []Case
	cases = append(cases, elements()...)
	cases = append(cases, repaired()...)
	cases = append(cases, malformed()...)
	cases = append(cases, lines()...)
	cases = append(cases, cloudEvents()...)
	cases = append(cases, requests()...)
	cases = append(cases, oversized()...)
	return append(cases, broken()...)
}

func nested(left, right string, n int) string {
	return strings.Repeat(left, n) + strings.Repeat(right, n)
}

// elements are bad events between two good ones: the neighbours are stored.
func elements() []Case {
	var cases []Case
	for _, x := range []struct{ name, code, event string }{
		{"number", "not_an_object", `7`},
		{"text", "not_an_object", `"event"`},
		{"null", "not_an_object", `null`},
		{"boolean", "not_an_object", `true`},
		{"list", "not_an_object", `[` + Good + `]`},
		{"empty object", "kind_required", `{}`},
		{"kind number", "invalid_field", `{"kind":3}`},
		{"kind list", "invalid_field", `{"kind":["crud"]}`},
		{"kind unknown", "invalid_field", `{"kind":"root"}`},
		{"kind with NUL", "invalid_field", `{"kind":"crud\u0000"}`},
		{"kind in capitals", "invalid_field", `{"kind":"CRUD","event_type":1}`},
		{"duplicate kind", "duplicate_name", `{"kind":"request","kind":"system"}`},
		{"duplicate escaped name", "duplicate_name", `{"kind":"request","\u006bind":"system"}`},
		{"duplicate nested name", "duplicate_name", `{"kind":"request","extra_data":{"a":{"b":1,"b":2}}}`},
		{"duplicate unknown name", "duplicate_name", `{"kind":"request","x":1,"x":2}`},
		{"duplicate header", "duplicate_name", `{"kind":"request","headers":{"a":"1","a":"2"}}`},
		{"status text", "invalid_field", `{"kind":"request","response_status":"200"}`},
		{"status object", "invalid_field", `{"kind":"request","response_status":{}}`},
		{"status huge", "invalid_field", `{"kind":"request","response_status":1e308}`},
		{"status of 400 digits", "invalid_field", `{"kind":"request","response_status":` + strings.Repeat("9", 400) + `}`},
		{"status negative", "invalid_field", `{"kind":"request","response_status":-200}`},
		{"duration beyond float", "invalid_field", `{"kind":"request","response_time_ms":1e400}`},
		{"duration text", "invalid_field", `{"kind":"request","response_time_ms":"NaN"}`},
		{"duration of huge exponent", "invalid_field", `{"kind":"request","response_time_ms":1e99999999999999999999}`},
		{"latitude text", "invalid_field", `{"kind":"request","latitude":"Infinity"}`},
		{"latitude beyond float", "invalid_field", `{"kind":"request","latitude":-1e999}`},
		{"body size beyond int64", "invalid_field", `{"kind":"request","request_body_size":9223372036854775808}`},
		{"sequence beyond int64", "invalid_field", `{"kind":"request","producer_seq":99999999999999999999}`},
		{"severity out of range", "invalid_field", `{"kind":"system","severity_number":1000}`},
		{"severity word", "invalid_field", `{"kind":"system","severity":"LOUD"}`},
		{"url number", "invalid_field", `{"kind":"request","url":1}`},
		{"user list", "invalid_field", `{"kind":"request","user_id":[1]}`},
		{"user disagrees", "invalid_field", `{"kind":"request","user_id":"1","user":2}`},
		{"roles object", "invalid_field", `{"kind":"request","user_roles":{"a":1}}`},
		{"roles of lists", "invalid_field", `{"kind":"request","user_roles":[["admin"]]}`},
		{"allowed text", "invalid_field", `{"kind":"cors","allowed":"true"}`},
		{"headers text", "invalid_field", `{"kind":"request","headers":"Authorization: x"}`},
		{"headers nested", "invalid_field", `{"kind":"request","headers":{"a":{"b":"c"}}}`},
		{"trace id not hex", "invalid_field", `{"kind":"request","trace_id":"` + strings.Repeat("g", 32) + `"}`},
		{"trace id long", "invalid_field", `{"kind":"request","trace_id":"` + strings.Repeat("a", 4096) + `"}`},
		{"traceparent cut", "invalid_field", `{"kind":"request","traceparent":"00-abc"}`},
		{"crud without type", "type_required", `{"kind":"crud"}`},
		{"crud type far out", "invalid_field", `{"kind":"crud","event_type":4294967297}`},
		{"login type of crud", "invalid_field", `{"kind":"crud","login_type":1}`},
		{"two types", "invalid_field", `{"kind":"crud","event_type":1,"login_type":1}`},
		{"outcome unknown", "invalid_field", `{"kind":"request","outcome":"'; DROP TABLE activity_events; --"}`},
		{"datetime number", "invalid_field", `{"kind":"request","datetime":1700000000}`},
		{"datetime word", "invalid_field", `{"kind":"request","datetime":"now"}`},
		{"datetime impossible day", "invalid_field", `{"kind":"request","datetime":"2026-02-30T00:00:00Z"}`},
		{"datetime without zone", "invalid_field", `{"kind":"request","datetime":"2026-02-03T00:00:00"}`},
		{"datetime of 10,000 digits", "invalid_field", `{"kind":"request","datetime":"` + strings.Repeat("2", 10_000) + `"}`},
		{"datetime year 0", "datetime_out_of_range", `{"kind":"request","datetime":"0000-01-01T00:00:00Z"}`},
		{"datetime 1969", "datetime_out_of_range", `{"kind":"request","datetime":"1969-12-31T23:59:59.999999999Z"}`},
		{"datetime 1971", "datetime_out_of_range", `{"kind":"request","datetime":"1971-01-01T00:00:00Z"}`},
		{"datetime 9999", "datetime_out_of_range", `{"kind":"request","datetime":"9999-12-31T23:59:59Z"}`},
		{"id number", "invalid_field", `{"kind":"request","id":1}`},
		{"id nil", "invalid_field", `{"kind":"request","id":"00000000-0000-0000-0000-000000000000","datetime":"{now}"}`},
		{"id without datetime", "datetime_required_with_id", `{"kind":"request","id":"order-1"}`},
		{"id from the far future", "datetime_out_of_range", `{"kind":"request","id":"7ZZZZZZZZZZZZZZZZZZZZZZZZZ"}`},
		{"deep list", "too_deep", `{"kind":"request","extra_data":` + nested("[", "]", 65) + `}`},
		{"deep object", "too_deep", `{"kind":"request","x":` + strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70) + `}`},
		{"very deep list", "too_deep", `{"kind":"request","before":` + nested("[", "]", 9000) + `}`},
		{"deep list in a text", "too_deep", `{"kind":"crud","event_type":1,"changed_fields":"` + nested("[", "]", 9000) + `"}`},
		{"more than 1 MiB", "event_too_large", `{"kind":"system","message":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"10 MB text", "event_too_large", `{"kind":"system","message":"` + strings.Repeat("x", 10_000_000) + `"}`},
		{"10 MB of members", "event_too_large", `{` + members(500_000) + `"kind":"system"}`},
	} {
		body := `[` + Good + `,` + strings.ReplaceAll(x.event, "{now}", "2026-01-01T00:00:00Z") + `,` + Good + `]`
		cases = append(cases, Case{
			Name: "element " + x.name, Body: text(body), Want: []int{200}, Accepted: 2, Rejected: 1, Code: x.code,
		})
	}
	return cases
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"member%d":%d,`, i, i)
	}
	return b.String()
}

// repaired are taken: what is wrong with them is put right and flagged, or is
// not theirs to say.
func repaired() []Case {
	var cases []Case
	for _, x := range []struct{ name, event string }{
		{"invalid UTF-8", "{\"kind\":\"system\",\"message\":\"a\xff\xfe\xc0b\"}"},
		{"invalid UTF-8 in a name", "{\"kind\":\"system\",\"na\xffme\":1}"},
		{"overlong UTF-8", "{\"kind\":\"system\",\"message\":\"\xc0\xaf\"}"},
		{"surrogate in UTF-8", "{\"kind\":\"system\",\"message\":\"\xed\xa0\x80\"}"},
		{"lone surrogate", `{"kind":"system","message":"a\ud800b"}`},
		{"swapped surrogates", `{"kind":"system","message":"\udc00\ud800"}`},
		{"NUL", `{"kind":"system","message":"a\u0000b","username":"\u0000"}`},
		{"NUL in a name", `{"kind":"system","a\u0000b":1}`},
		{"control characters", `{"kind":"system","message":"\u0001\u001b[31m\u007f"}`},
		{"right-to-left override", `{"kind":"system","username":"\u202egnp.exe"}`},
		{"spoofed seal", `{"kind":"request","integrity_hash":"00","integrity_salts":"00","integrity_commitments":"00","schema_version":1}`},
		{"spoofed verdict", `{"kind":"request","auth_verified":"verified","auth_issuer":"me","auth_key_id":"k","flags":0}`},
		{"spoofed clocks", `{"kind":"request","received_at":"1999-01-01T00:00:00Z","received_ns":1,"stored_ns":1,"stored_at":"x"}`},
		{"spoofed truncation", `{"kind":"request","truncated_fields":["url"],"flags":15}`},
		{"spoofed reserved members", `{"kind":"request","extra_data":{"_attributes":{"a":1},"_id":"x"},"unknown":1}`},
		{"column names", `{"kind":"request","datetime_ns":1,"latitude_e7":1,"type":"x","response_time_us":5}`},
		{"prototype names", `{"kind":"request","__proto__":{"a":1},"constructor":1}`},
		{"latitude out of range", `{"kind":"request","latitude":91,"longitude":-181}`},
		{"negative sizes", `{"kind":"request","request_body_size":-9223372036854775808,"response_time_ms":-1}`},
		{"tiny number", `{"kind":"request","response_time_ms":1e-999999999999}`},
		{"long url", `{"kind":"request","url":"/` + strings.Repeat("é", 100_000) + `"}`},
		{"long extra_data", `{"kind":"request","extra_data":"` + strings.Repeat("x", 1_000_000) + `"}`},
		{"formula", `{"kind":"request","username":"=cmd|' /C calc'!A0"}`},
		{"header injection", `{"kind":"request","headers":{"x\r\nset-cookie":"a\r\nb"}}`},
		{"10,000 unknown members", `{` + members(10_000) + `"kind":"request"}`},
		{"10,000 headers", `{"kind":"request","headers":{` + headers(10_000) + `"last":"x"}}`},
	} {
		cases = append(cases, Case{
			Name: "repaired " + x.name, Body: text(`[` + Good + `,` + x.event + `]`), Want: []int{200}, Accepted: 2,
		})
	}
	return cases
}

func headers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"h%d":"v",`, i)
	}
	return b.String()
}

// malformed bodies as a whole: nothing is stored.
func malformed() []Case {
	var cases []Case
	for _, x := range []struct{ name, body string }{
		{"unclosed list", `[` + Good + `,` + Good},
		{"unclosed object", `[` + Good + `,{"kind":"request"`},
		{"unclosed text", `{"kind":"requ`},
		{"comma at the end", `[` + Good + `,]`},
		{"no comma", `[` + Good + Good + `]`},
		{"colon in a list", `[` + Good + `:` + Good + `]`},
		{"single quotes", `{'kind':'request'}`},
		{"comment", `[` + Good + `/* ; */]`},
		{"NaN", `{"kind":"request","latitude":NaN}`},
		{"hex number", `{"kind":"request","response_status":0xC8}`},
		{"leading zero", `{"kind":"request","response_status":0200}`},
		{"plus sign", `{"kind":"request","response_status":+200}`},
		{"bad escape", `{"kind":"request","url":"\x41"}`},
		{"raw newline in a text", "{\"kind\":\"request\",\"url\":\"a\nb\"}"},
		{"raw NUL", "[" + Good + ",\x00]"},
		{"byte order mark", "\xef\xbb\xbf" + Good},
		{"UTF-16", "\xff\xfe{\x00\"\x00k\x00"},
		{"two objects", Good + "\n" + Good},
		{"list and more", `[` + Good + `]x`},
		{"bare word", `event`},
		{"XML", `<event kind="request"/>`},
		{"form", `kind=request&url=/`},
		{"bottomless list", strings.Repeat("[", 1_000_000)},
		{"bottomless object", strings.Repeat(`{"a":`, 200_000)},
		{"random bytes", "\x8f\x02\x91\xfe\x00\x10\x33\x7f"},
	} {
		cases = append(cases, Case{Name: "malformed " + x.name, Body: text(x.body), Want: []int{400}, Code: "body_malformed"})
	}
	for _, x := range []struct{ name, body string }{{"empty", ""}, {"only space", " \n\t "}, {"empty list", "[]"}} {
		cases = append(cases, Case{Name: "malformed " + x.name, Body: text(x.body), Want: []int{400}})
	}
	return cases
}

// lines are NDJSON: a bad line never sinks its neighbours.
func lines() []Case {
	var cases []Case
	for _, x := range []struct{ name, code, line string }{
		{"cut object", "malformed_json", `{"kind":"request"`},
		{"word", "malformed_json", `hello`},
		{"two on a line", "malformed_json", Good + Good},
		{"list", "not_an_object", `[]`},
		{"10 MB", "event_too_large", strings.Repeat("y", 10_000_000)},
		{"bottomless list", "malformed_json", strings.Repeat("[", 100_000)},
		{"NUL byte", "malformed_json", "\x00"},
		{"invalid UTF-8", "malformed_json", "\xff\xfe"},
	} {
		cases = append(cases, Case{
			Name: "line " + x.name, Header: map[string]string{"Content-Type": ndjson},
			Body: text(Good + "\n" + x.line + "\r\n\n" + Good), Want: []int{200}, Accepted: 2, Rejected: 1, Code: x.code,
		})
	}
	return append(cases,
		Case{Name: "line breaks only", Header: map[string]string{"Content-Type": ndjson}, Body: text(strings.Repeat("\n", 100_000)), Want: []int{400}, Code: "no_events"},
		Case{Name: "line without an end", Header: map[string]string{"Content-Type": ndjson}, Body: text(Good), Want: []int{200}, Accepted: 1},
	)
}

func cloudEvents() []Case {
	const head = `{"specversion":"1.0","id":"1","source":"/s","type":"activity.request","time":"{now}"`
	var cases []Case
	for _, x := range []struct{ name, code, event string }{
		{"no data", "invalid_cloudevent", head + `}`},
		{"data text", "not_an_object", head + `,"data":"x"}`},
		{"both data", "invalid_cloudevent", head + `,"data":{},"data_base64":"e30="}`},
		{"bad base64", "invalid_cloudevent", head + `,"data_base64":"%%%"}`},
		{"base64 of nothing", "malformed_json", head + `,"data_base64":"ew=="}`},
		{"version 0.3", "invalid_cloudevent", strings.Replace(head, "1.0", "0.3", 1) + `,"data":{}}`},
		{"id number", "invalid_cloudevent", strings.Replace(head, `"id":"1"`, `"id":1`, 1) + `,"data":{}}`},
		{"no source", "invalid_cloudevent", strings.Replace(head, `"source":"/s",`, ``, 1) + `,"data":{}}`},
		{"XML data", "invalid_cloudevent", head + `,"datacontenttype":"application/xml","data":"<a/>"}`},
		{"attribute object", "invalid_cloudevent", head + `,"evil":{"a":1},"data":{}}`},
		{"bad time", "invalid_field", strings.Replace(head, "{now}", "soon", 1) + `,"data":{}}`},
		{"no time", "datetime_required_with_id", strings.Replace(head, `,"time":"{now}"`, "", 1) + `,"data":{}}`},
	} {
		cases = append(cases, Case{
			Name: "cloudevent " + x.name, Header: map[string]string{"Content-Type": single},
			Body: text(strings.ReplaceAll(x.event, "{now}", "2026-01-01T00:00:00Z")), Want: []int{400}, Rejected: 1, Code: x.code,
		})
	}
	return append(cases, Case{
		Name: "cloudevent batch of one", Header: map[string]string{"Content-Type": many}, Body: text(Good), Want: []int{400}, Code: "body_malformed",
	})
}

// requests whose envelope is wrong.
func requests() []Case {
	type header = map[string]string
	return []Case{
		{Name: "request GET", Method: "GET", Want: []int{405}, Code: "method_not_allowed"},
		{Name: "request DELETE", Method: "DELETE", Want: []int{405}, Code: "method_not_allowed"},
		{Name: "request invented method", Method: "EXPLODE", Body: text(Good), Want: []int{405}, Code: "method_not_allowed"},
		{Name: "request other path", Path: "/v1/events/../../etc/passwd", Body: text(Good), Want: []int{404}, Code: "not_found"},
		{Name: "request root", Path: "/", Body: text(Good), Want: []int{404}, Code: "not_found"},
		{Name: "request no content type", Header: header{"Content-Type": ""}, Body: text(Good), Want: []int{415}, Code: "unsupported_media_type"},
		{Name: "request text", Header: header{"Content-Type": "text/plain"}, Body: text(Good), Want: []int{415}, Code: "unsupported_media_type"},
		{Name: "request broken content type", Header: header{"Content-Type": "application/json; charset"}, Body: text(Good), Want: []int{415}, Code: "unsupported_media_type"},
		{Name: "request UTF-16", Header: header{"Content-Type": "application/json; charset=utf-16"}, Body: text(Good), Want: []int{415}, Code: "unsupported_media_type"},
		{Name: "request protobuf", Header: header{"Content-Type": "application/x-protobuf"}, Body: text("\x0a\x00"), Want: []int{415}, Code: "unsupported_media_type"},
		{Name: "request unknown encoding", Header: header{"Content-Encoding": "br"}, Body: text(Good), Want: []int{415}, Code: "unsupported_content_encoding"},
		{Name: "request atomic maybe", Path: "/v1/events?atomic=maybe", Body: text(Good), Want: []int{400}, Code: "invalid_parameter"},
		{Name: "request atomic twice", Path: "/v1/events?atomic=true&atomic=false", Body: text(Good), Want: []int{400}, Code: "invalid_parameter"},
		{Name: "request atomic with a bad event", Path: "/v1/events?atomic=true", Body: text(`[` + Good + `,{}]`), Want: []int{400}, Rejected: 1, Code: "kind_required"},
		{Name: "request long idempotency key", Header: header{"Idempotency-Key": strings.Repeat("k", 5000)}, Body: text(Good), Want: []int{400}, Code: "invalid_idempotency_key"},
		{Name: "request key without datetime", Header: header{"Idempotency-Key": "k"}, Body: text(Good), Want: []int{400}, Rejected: 1, Code: "datetime_required_with_idempotency_key"},
		{Name: "request headers of the reporter", Header: header{"X-Forwarded-For": "6.6.6.6", "X-Tenant": "other", "User-Agent": "evil", "Authorization": "Bearer x.y.z"}, Body: text(Good), Want: []int{200}, Accepted: 1},
	}
}

// oversized bodies, plain and compressed.
func oversized() []Case {
	zip := map[string]string{"Content-Encoding": "gzip"}
	zipLines := map[string]string{"Content-Encoding": "gzip", "Content-Type": ndjson}
	whole := zipped(strings.NewReader(`[` + Good + `]`))
	return []Case{
		{Name: "oversized 25 MB", Body: text(`[` + strings.Repeat(" ", 25<<20) + `]`), Want: []int{413}, Code: "body_too_large"},
		{Name: "oversized 25 MB chunked", Body: func() io.Reader { return io.MultiReader(text(strings.Repeat(" ", 25<<20))()) }, Want: []int{413}, Code: "body_too_large"},
		{Name: "oversized 10,001 events", Body: text(`[` + strings.Repeat(Good+",", 10_000) + Good + `]`), Want: []int{413}, Code: "too_many_events"},
		{Name: "oversized 10,001 bad events", Body: text(`[` + strings.Repeat("1,", 10_000) + `1]`), Want: []int{413}, Code: "too_many_events"},
		{Name: "oversized gzip bomb of space", Header: zip, Body: raw(zipped(io.LimitReader(endless(' '), 256<<20))), Want: []int{413}, Code: "body_too_large"},
		{Name: "oversized gzip bomb in a text", Header: zip, Body: raw(zipped(io.MultiReader(strings.NewReader(`{"kind":"system","message":"`), io.LimitReader(endless('x'), 64<<20)))), Want: []int{413}, Code: "body_too_large"},
		{Name: "oversized gzip bomb of a line", Header: zipLines, Body: raw(zipped(io.LimitReader(endless('x'), 64<<20))), Want: []int{413}, Code: "body_too_large"},
		{Name: "gzip in gzip", Header: zip, Body: raw(zipped(bytes.NewReader(whole))), Want: []int{400}, Code: "body_malformed"},
		{Name: "gzip that is none", Header: zip, Body: text(Good), Want: []int{400}, Code: "body_malformed"},
		{Name: "gzip cut", Header: zip, Body: raw(whole[:len(whole)-12]), Want: []int{400}, Code: "body_truncated"},
		{Name: "gzip with a wrong checksum", Header: zip, Body: raw(append(bytes.Clone(whole[:len(whole)-8]), make([]byte, 8)...)), Want: []int{400}, Code: "body_malformed"},
		{Name: "gzip nothing", Header: zip, Body: text(""), Want: []int{400}, Code: "body_malformed"},
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func zipped(r io.Reader) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	// Writing to memory does not fail.
	_, _ = io.Copy(w, r)
	_ = w.Close()
	return b.Bytes()
}

// broken requests end in the middle.
func broken() []Case {
	const head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	return []Case{
		{Name: "broken head", Raw: "POST /v1/ev", Want: []int{0, 400}},
		{Name: "broken header", Raw: head + "X-A", Want: []int{0, 400}},
		{Name: "broken body", Raw: head + "Content-Length: 1000\r\n\r\n[" + Good, Want: []int{0, 400}},
		{Name: "broken behind a whole event", Raw: head + "Content-Length: 1000\r\n\r\n" + Good, Want: []int{0, 400}},
		{Name: "broken chunk", Raw: head + "Transfer-Encoding: chunked\r\n\r\nff\r\n" + Good, Want: []int{0, 400}},
		{Name: "broken chunk size", Raw: head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + Good, Want: []int{0, 400}},
		{Name: "broken lines", Raw: strings.Replace(head, "application/json", ndjson, 1) + "Content-Length: 1000\r\n\r\n" + Good + "\n" + Good + "\n", Want: []int{0, 400}},
		{Name: "two lengths", Raw: head + "Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + Good, Want: []int{0, 400}},
		{Name: "length and chunks", Raw: head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Want: []int{0, 400}},
		{Name: "negative length", Raw: head + "Content-Length: -1\r\n\r\n", Want: []int{0, 400}},
		{Name: "header of 2 MB", Raw: head + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n", Want: []int{0, 431}},
	}
}
