package activity

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// derived are the fields in which an honest retry may differ: the key (compared
// by the store), the sender's instance, our clocks, the seal, and what the collector works out.
var derived = map[Field]bool{
	FieldID: true, FieldDatetime: true, FieldTenantID: true, FieldProducer: true,
	FieldReceivedAt: true, FieldStoredNS: true, FieldFlags: true, FieldTruncatedFields: true, FieldSchemaVersion: true,
	FieldIntegrityHash: true, FieldIntegritySalts: true, FieldIntegrityCommitments: true,
	FieldActorType: true, FieldUserRoles: true, FieldOnBehalfOf: true,
	FieldAuthMethod: true, FieldAuthVerified: true, FieldAuthIssuer: true, FieldAuthKeyID: true,
	FieldRemoteIP: true, FieldUserAgent: true, FieldBrowser: true, FieldPlatform: true, FieldOperatingSystem: true,
	FieldLatitude: true, FieldLongitude: true, FieldCity: true, FieldCountry: true, FieldCountryCode: true, FieldRegionCode: true,
}

func said() Event {
	e := every()
	e.AuthVerified = AuthNotChecked
	return e
}

func TestSameContentFieldByField(t *testing.T) {
	for _, f := range Fields() {
		a, b := said(), said()
		require.True(t, SameContent(&a, &b))
		switch f.Info().Type {
		case TypeText, TypeJSON:
			*b.Text(f) += "x"
		case TypeInt, TypeTime:
			*b.Int(f)++
		case TypeOpt:
			b.Opt(f).Value++
		case TypeBytes:
			raw := append([]byte(nil), b.Bytes(f)...)
			raw[0]++
			require.True(t, b.SetBytes(f, raw))
		case TypeKind:
			b.Kind = KindCRUD
		}
		assert.Equal(t, derived[f], SameContent(&a, &b), f.String())
		assert.Equal(t, derived[f], SameContent(&b, &a), f.String())
	}
}

func TestSameContentOfExtraData(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		x, y := said(), said()
		x.ExtraData, y.ExtraData = a, b
		assert.Equal(t, want, SameContent(&x, &y), "%s and %s", a, b)
		assert.Equal(t, want, SameContent(&y, &x), "%s and %s", b, a)
	}
	for _, name := range []string{"_observed_at_source", "_datetime", "_resource", "_scope", "_claimed_user_id", "_claimed_username", "_auth_failure", "_earlier_actors"} {
		ours := `"` + name + `":{"a":[1,"}"]}`
		f(`{`+ours+`}`, ``, true)
		f(`{`+ours+`}`, `{"`+name+`":"other"}`, true)
		f(`{ "a" : 1.0 ,`+ours+`}`, `{"a":1.0}`, false) // the client's bytes are kept, and compared
		f(`{ "a": 1.0 ,`+ours+`}`, `{ "a": 1.0 }`, true)
		f(`{"a":1,`+ours+`,"_attributes":{"b":1}}`, `{"a":1,"_attributes":{"b":1}}`, true)
		f(`{"a":1,`+ours+`}`, `{"a":2,`+ours+`}`, false)
		f(`{"a":{`+ours+`}}`, `{"a":{}}`, false) // deeper, it is the client's
	}
	for _, name := range []string{"_attributes", "_body", "_cloudevent", "_id", "a"} {
		f(`{"`+name+`":1}`, `{"`+name+`":2}`, false)
		f(`{"`+name+`":1}`, ``, false)
	}
	for _, name := range []string{"client.as.number", "client.as.organization.name", "user_agent.synthetic.type"} {
		f(`{"a":1,"_attributes":{"`+name+`":"x"}}`, `{"a":1}`, true) // the database came, or a newer one
		f(`{"_attributes":{"b":1,"`+name+`":"x"}}`, `{"_attributes":{"b":1,"`+name+`":"y"}}`, true)
		f(`{"_attributes":{"b":1,"`+name+`":"x"}}`, `{"_attributes":{"b":2,"`+name+`":"x"}}`, false)
		f(`{"`+name+`":1}`, `{"`+name+`":2}`, false) // here it is the client's
	}
	f(`{"_attributes":[1]}`, `{"_attributes":[2]}`, false)
	f(`{"a":1,"a":2,"_scope":1}`, `{"a":3,"a":2,"_scope":2}`, false)
	f(`{"a":1,"_scope":1}{`, `{"a":1}`, false) // no JSON: compared as it is
	f(`{"a":1,"_scope":`, `{"a":1}`, false)
	f(`["_scope"]`, `["_resource"]`, false)
}

func TestSameContentAfterATokenExpired(t *testing.T) {
	a := said()
	a.AuthVerified = AuthVerified
	for _, verdict := range []string{AuthFailed, AuthUnverified, AuthNotChecked, ""} {
		b := said()
		b.AuthVerified, b.UserID, b.Username, b.UserEmail, b.SessionKey = verdict, "", "", "", ""
		assert.True(t, SameContent(&a, &b), verdict)
		b.Method = "PUT"
		assert.False(t, SameContent(&a, &b), verdict)
	}
}

func TestSameContentAfterTheListOfOriginsChanged(t *testing.T) {
	a, b := said(), said()
	a.Kind, b.Kind = KindCORS, KindCORS
	a.Allowed, a.Outcome = AllowedUnknown, OutcomeUnknown
	b.Allowed, b.Outcome, b.SeverityNumber = AllowedNo, OutcomeDenied, 13
	assert.True(t, SameContent(&a, &b))
	b.Origin += "x"
	assert.False(t, SameContent(&a, &b))
}

func TestSameContentOfErasedRows(t *testing.T) {
	sealed := said()
	sealed.IntegritySalts = filledBytes(2 * SaltSize)
	sealed.IntegrityCommitments = filledBytes(2 * CommitmentSize)
	for _, g := range []Group{GroupPersonal, GroupContent} {
		erased := sealed
		erased.Erase(g)
		require.True(t, erased.Erased(g))
		retry := said()
		assert.True(t, SameContent(&erased, &retry), "an erased row does not come back as a conflict")
		assert.True(t, SameContent(&retry, &erased))
		retry.ResponseStatus++
		assert.False(t, SameContent(&erased, &retry), "what is left is compared")
	}
	erased, retry := sealed, said()
	erased.Erase(GroupPersonal)
	retry.Message += "x"
	assert.False(t, SameContent(&erased, &retry), "the other group is compared")
}

func TestErase(t *testing.T) {
	for _, g := range []Group{GroupPersonal, GroupContent} {
		e := every()
		e.IntegritySalts = filledBytes(2 * SaltSize)
		e.IntegrityCommitments = filledBytes(2 * CommitmentSize)
		before, salts := e, e.IntegritySalts
		e.Erase(g)
		assert.Equal(t, filledBytes(2*SaltSize), salts, "the salts of a copy stay")
		assert.Equal(t, before.IntegrityCommitments, e.IntegrityCommitments)
		for _, f := range Fields() {
			if text := e.Text(f); text != nil {
				assert.Equal(t, f.Info().Group == g, *text == "", f.String())
			}
			if opt := e.Opt(f); opt != nil {
				assert.Equal(t, f.Info().Group == g, !opt.Valid, f.String())
			}
			if number := e.Int(f); number != nil {
				assert.Equal(t, *before.Int(f), *number, f.String())
			}
		}
		assert.Equal(t, g == GroupPersonal, e.Erased(GroupPersonal))
		assert.Equal(t, g == GroupContent, e.Erased(GroupContent))
		assert.False(t, e.Erased(GroupEvent))
		assert.False(t, e.Erased(GroupNone))
	}
	unsealed := Event{UserID: "1"}
	unsealed.Erase(GroupPersonal)
	assert.Equal(t, Event{}, unsealed)
	assert.False(t, unsealed.Erased(GroupPersonal))
}

func filledBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + 1)
	}
	return b
}
