package activitylogreceiver

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
	"github.com/activitylog/otelcol-activitylog/internal/identity"
)

func decodeOK(t *testing.T, text string) *draft {
	t.Helper()
	d, _, refused := newTestDecoder().decode([]byte(text), 0)
	require.Nil(t, refused, "%s: %v", text, refused)
	return d
}

func TestDecodeEveryField(t *testing.T) {
	e := decodeOK(t, string(acceptedExamples(t)["crud_full"])).event
	at := time.Date(2026, 5, 6, 5, 8, 9, 123456789, time.UTC)
	id, err := activity.ParseID("018f4c3e-7b00-7000-8000-000000000001")
	require.NoError(t, err)
	want := activity.Event{
		ID: id, Kind: activity.KindCRUD, Type: "update", Datetime: at.UnixNano(),
		TenantID: "acme", Service: "billing", Producer: "billing-1", ProducerSeq: 42,
		TraceID: [16]byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
		SpanID:  [8]byte{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7},
		Action:  "invoice.approved", Outcome: "success", Reason: "four eyes", SeverityNumber: 9,
		UserID: "42", Username: "ada", UserEmail: "ada@example.org", UserRoles: "[\n    \"admin\",\n    \"auditor\"\n  ]",
		ActorType: "user", OnBehalfOf: "7", AuthMethod: "jwt", SessionKey: "s3ss10n", RemoteIP: "192.0.2.7",
		UserAgent: "curl/8.5.0", Browser: "curl", Platform: "linux", OperatingSystem: "Debian",
		Latitude: activity.Some(525200080), Longitude: activity.Some(134049540),
		City: "Berlin", Country: "Germany", CountryCode: "DE", RegionCode: "BE",
		ObjectID: "1001", ContentType: "billing.invoice", ObjectRepr: "Invoice 1001",
		ObjectJSONRepr: "{\n    \"total\": 1.0\n  }", ChangedFields: `{"state": ["open", "approved"]}`,
		ExtraData: "{\n    \"ratio\": 1.0,\n    \"big\": 18446744073709551615\n  }",
	}
	require.Equal(t, want, e)

	r := decodeOK(t, string(acceptedExamples(t)["request"])).event
	require.Equal(t, activity.Some(12346), r.ResponseTimeUS)
	require.Equal(t, activity.Some(0), r.RequestBodySize)
	require.Equal(t, want.TraceID, r.TraceID)
	require.Equal(t, want.SpanID, r.SpanID)
	require.Equal(t, int64(404), r.ResponseStatus)
	require.Equal(t, testNow.UnixNano(), r.Datetime)
	require.Equal(t, byte(7), r.ID[6]>>4)

	s := decodeOK(t, string(acceptedExamples(t)["system"])).event
	require.Equal(t, []string{"disk.full", "server", "node-3", "no space left", "line 1\nline 2"},
		[]string{s.Type, s.Category, s.Source, s.Message, s.Traceback})
	require.Equal(t, int64(21), s.SeverityNumber)

	c := decodeOK(t, string(acceptedExamples(t)["cors_refused"])).event
	require.Equal(t, activity.AllowedNo, c.Allowed)
}

func TestDecodeClientOnlyInputs(t *testing.T) {
	d := decodeOK(t, string(acceptedExamples(t)["login_code_zero"]))
	require.Equal(t, "login", d.event.Type)
	require.Equal(t, map[string][]string{
		"user-agent": {"Mozilla/5.0"}, "x-forwarded-for": {"198.51.100.4", "10.0.0.1"},
	}, d.inputs.Headers)
	require.Equal(t, "10.0.0.1", d.inputs.PeerAddress)

	d = decodeOK(t, string(acceptedExamples(t)["crud_word"]))
	require.JSONEq(t, `{"groups": [1]}`, d.inputs.Before)
	require.JSONEq(t, `{"groups": [1, 2]}`, d.inputs.After)
}

// What the collector owns is dropped whatever a client writes there.
func TestDecodeDropsServerOwnedFields(t *testing.T) {
	e := decodeOK(t, string(acceptedExamples(t)["spoofed"])).event
	require.Empty(t, e.ExtraData)
	e.ID, e.Datetime = activity.ID{}, 0
	require.Equal(t, activity.Event{Kind: activity.KindRequest, Method: "GET", URL: "/", ResponseStatus: 200}, e)
	for _, f := range activity.Fields() {
		if info := f.Info(); info.Ours {
			require.Nil(t, members[info.Name].read, info.Name)
			require.Contains(t, members, info.Name)
		}
	}
}

func TestExtraData(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		require.Equal(t, want, decodeOK(t, `{"kind":"request","datetime":"2026-05-06T07:08:09Z",`+text+`}`).event.ExtraData)
	}
	f(`"extra_data": {"a" : 1.0, "b": 18446744073709551615 }`, `{"a" : 1.0, "b": 18446744073709551615 }`)
	f(`"extra_data":{"a":1.0},"x":1.50,"y":{"z":null}`, `{"a":1.0,"_attributes":{"x":1.50,"y":{"z":null}}}`)
	f(`"extra_data":{ },"x":1`, `{ "_attributes":{"x":1}}`)
	f(`"x":"\u00e9\"\\"`, `{"_attributes":{"x":"\u00e9\"\\"}}`)
	f(`"q\"uote":1`, `{"_attributes":{"q\"uote":1}}`)
	f(`"id":"order-17"`, `{"_id":"order-17"}`)
	f(`"id":"order-17","extra_data":[1 ,2],"x":1`, `{"_extra_data":[1 ,2],"_attributes":{"x":1},"_id":"order-17"}`)
	f(`"extra_data":{"\u005fid":3},"id":"a"`, `{"_extra_data":{"\u005fid":3},"_id":"a"}`)
	f(`"extra_data":"text"`, `"text"`)
	f(`"extra_data":null,"x":null`, ``)
}

func TestIdentity(t *testing.T) {
	const v7, v4 = "018f4c3e-7b00-7000-8000-000000000001", "7d444840-9dc0-41d1-b245-5ffdce74fad2"
	f := func(key, text, wantID, wantCode string) *activity.Event {
		t.Helper()
		d := newTestDecoder()
		d.key = key
		out, _, refused := d.decode([]byte(`{"kind":"request"`+text+`}`), 3)
		if wantCode != "" {
			require.NotNil(t, refused)
			require.Equal(t, wantCode, refused.code)
			return nil
		}
		require.Nil(t, refused)
		if wantID != "" {
			require.Equal(t, wantID, out.event.ID.String())
		}
		return &out.event
	}
	at := `,"datetime":"2026-05-06T07:08:09Z"`
	f("", `,"id":"`+v4+`"`+at, v4, "")
	f("key", `,"id":"`+v4+`"`+at, v4, "")
	f("", `,"id":"`+v4+`"`, "", codeDatetimeWithID)
	f("", `,"id":"order"`, "", codeDatetimeWithID)
	derived, _ := identity.FromText("order")
	f("", `,"id":"order"`+at, derived.String(), "")
	require.Equal(t, int64(0x018f4c3e7b00)*int64(time.Millisecond), f("", `,"id":"`+v7+`"`, v7, "").Datetime)
	require.Equal(t, testNow.UnixNano(), f("", ``, "", "").Datetime)
}

func TestIdentityWithoutID(t *testing.T) {
	d := newTestDecoder()
	d.key = "retry-1"
	_, _, refused := d.decode([]byte(`{"kind":"request"}`), 0)
	require.NotNil(t, refused)
	require.Equal(t, codeDatetimeWithKey, refused.code)
	for _, index := range []int{0, 1, 11} {
		out, _, refused := d.decode([]byte(`{"kind":"request","datetime":"2026-05-06T07:08:09Z"}`), index)
		require.Nil(t, refused)
		require.Equal(t, identity.FromKey("retry-1", index), out.event.ID)
	}
}

func TestDatetimeRange(t *testing.T) {
	f := func(datetime, wantCode string) {
		t.Helper()
		_, _, refused := newTestDecoder().decode([]byte(`{"kind":"request","datetime":"`+datetime+`"}`), 0)
		if wantCode == "" {
			require.Nil(t, refused, datetime)
			return
		}
		require.NotNil(t, refused, datetime)
		require.Equal(t, wantCode, refused.code, datetime)
	}
	f("2026-06-01T12:05:00Z", "")
	f("2026-06-01T12:05:00.000000001Z", codeDatetime)
	f("2026-06-01T14:04:00+02:00", "")
	f("2016-06-04T12:00:00Z", "")
	f("2016-06-03T11:59:59Z", codeDatetime)
	f("1969-12-31T23:59:59Z", codeDatetime)
	f("0001-01-01T00:00:00Z", codeDatetime)
	f("9999-12-31T23:59:59Z", codeDatetime)
	f("2026-02-30T00:00:00Z", codeInvalidField)
	f("2026-05-06T24:00:00Z", codeInvalidField)
	f("2026-05-06T07:08:09,5Z", codeInvalidField)
	f("2026-05-06 07:08:09Z", codeInvalidField)

	// Nothing older than the epoch, however long max_age is.
	d := newTestDecoder()
	d.maxAge = 200 * 365 * 24 * time.Hour
	_, _, refused := d.decode([]byte(`{"kind":"request","datetime":"1969-12-31T23:59:59Z"}`), 0)
	require.Equal(t, codeDatetime, refused.code)
	_, _, refused = d.decode([]byte(`{"kind":"request","datetime":"1970-01-01T00:00:00Z"}`), 0)
	require.Nil(t, refused)
}

func TestScaledRoundsOnceHalfAwayFromZero(t *testing.T) {
	f := func(text string, shift int, want int64) {
		t.Helper()
		n, ok := value(text).scaled(shift)
		require.True(t, ok, text)
		require.Equal(t, want, n, text)
	}
	f("0", 3, 0)
	f("-0", 7, 0)
	f("12.3456", 3, 12346)
	f("1.0005", 3, 1001)
	f("-1.0005", 3, -1001)
	f("1.00049999999", 3, 1000)
	f("0.0005", 3, 1)
	f("0.00049", 3, 0)
	f("5e-4", 3, 1)
	f("4e-4", 3, 0)
	f("5e-5", 3, 0)
	f("1e-999999999999", 3, 0)
	f("0e999999999999", 3, 0)
	f("1.5e2", 3, 150000)
	f("1E+2", 0, 100)
	f("52.52000005", 7, 525200001)
	f("-52.52000005", 7, -525200001)
	f("90", 7, 900000000)
	for _, text := range []string{"1e400", "1e999999999999", "9999999999999999999", "123456789012345678901234567890", "5e18"} {
		_, ok := value(text).scaled(3)
		require.False(t, ok, text)
	}
}

func TestRefusals(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	f := func(text, wantCode, wantID string) {
		t.Helper()
		_, id, refused := newTestDecoder().decode([]byte(text), 0)
		if wantCode == "" {
			require.Nil(t, refused)
			return
		}
		require.NotNil(t, refused, "%.80s", text)
		assert.Equal(t, wantCode, refused.code, "%.80s: %s", text, refused.reason)
		assert.Equal(t, wantID, id)
		assert.Less(t, len(refused.reason), 400)
	}
	f(`[]`, codeNotObject, "")
	f(`7`, codeNotObject, "")
	f(`"x"`, codeNotObject, "")
	f(`null`, codeNotObject, "")
	f(``, codeMalformed, "")
	f(`{`, codeMalformed, "")
	f(`{"kind":"request"`, codeMalformed, "")
	f(`{"kind":"request",}`, codeMalformed, "")
	f(`{'kind':'request'}`, codeMalformed, "")
	f(`{"kind":"request"} {}`, codeMalformed, "")
	f(`{"kind":"request","kind":"login"}`, codeDuplicateName, "")
	f(`{"kind":"request","\u006bind":"login"}`, codeDuplicateName, "")
	f(`{"kind":"request","extra_data":{"a":1,"a":2}}`, codeDuplicateName, "")
	f(`{"url":7,"id":"a"}`, codeInvalidField, "a")
	f(`{"id":"a","kind":"x"}`, codeInvalidField, "a")
	f(`{"kind":"request","extra_data":`+nested(63)+`}`, "", "")
	f(`{"kind":"request","extra_data":`+nested(64)+`}`, codeTooDeep, "")
	f(`{"kind":"request","before":`+nested(5000)+`}`, codeTooDeep, "")
	f(`{"kind":"request","unknown":`+nested(62)+`}`, "", "")
	f(`{"kind":"request","unknown":`+nested(63)+`}`, codeTooDeep, "")
	f(`{"kind":"request","changed_fields":"`+nested(64)+`"}`, "", "")
	f(`{"kind":"request","changed_fields":"`+nested(65)+`"}`, codeTooDeep, "")
	f(`{"kind":"request","user":1,"user_id":2}`, codeInvalidField, "")
	f(`{"kind":"system","severity":"ERROR","severity_number":9}`, codeInvalidField, "")
	f(`{"kind":"login","login_type":1,"event_name":"x"}`, codeInvalidField, "")
	f(`{"kind":"request","id":"00000000-0000-0000-0000-000000000000","datetime":"2026-05-06T07:08:09Z"}`, codeInvalidField, "00000000-0000-0000-0000-000000000000")
	f(`{"kind":"request","message":"`+strings.Repeat("x", activity.MaxEventBytes)+`"}`, codeTooLarge, "")
	f(`{"kind":"request","response_time_ms":1e400}`, codeInvalidField, "")
}

func TestTextIsRepairedNotRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		e := decodeOK(t, `{"kind":"system","message":"`+text+`"}`).event
		limits := activity.DefaultLimits()
		activity.Normalise(&e, &limits)
		require.Equal(t, want, e.Message)
	}
	f("a\xffb", "a\uFFFDb")
	f(`a\ud800b`, "a\uFFFDb")
	f(`a\u0000b`, "a\uFFFDb")
	f(`\ud83d\ude00 é`, "\U0001F600 é")
}

func TestReasonsNameTheTypes(t *testing.T) {
	f := func(member, want string) {
		t.Helper()
		_, _, refused := newTestDecoder().decode([]byte(`{"kind":"request",`+member+`}`), 0)
		require.NotNil(t, refused)
		require.Equal(t, want, refused.reason)
	}
	f(`"response_status":"200"`, "response_status: want an integer, got text")
	f(`"response_status":2.5`, "response_status: want an integer, got a number")
	f(`"response_status":99`, `response_status: want an integer from 100 to 999, got "99"`)
	f(`"url":{}`, "url: want text, got an object")
	f(`"allowed":1`, "allowed: want a boolean, got an integer")
	f(`"headers":{"a":1}`, `headers: "a": want text or a list of texts, got an integer`)
	f(`"outcome":"succes"`, `outcome: want one of success, failure, denied, unknown, got "succes"`)
	f(`"outcome":"`+strings.Repeat("é", 100)+`"`, "outcome: want one of success, failure, denied, unknown, got a text of 200 bytes")
	f(`"outcome":"hunter22"`, "outcome: want one of success, failure, denied, unknown, got a text of 8 bytes") // it may be a secret
}
