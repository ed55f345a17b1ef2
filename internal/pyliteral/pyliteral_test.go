package pyliteral

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t *testing.T, src string) *Module {
	t.Helper()
	m := New()
	require.NoError(t, m.Read("settings.py", src))
	return m
}

func value(t *testing.T, src string) any {
	t.Helper()
	item, ok := read(t, src).Get("A")
	require.True(t, ok, "A is assigned")
	return item.Value
}

func TestLiterals(t *testing.T) {
	for src, want := range map[string]any{
		`A = None`:                                   nil,
		`A = True`:                                   true,
		`A = -12_000`:                                int64(-12000),
		`A = 0x1F`:                                   int64(31),
		`A = 1.5e+3`:                                 1500.0,
		`A = 'it''s'`:                                "its",
		`A = "a" 'b' """c"""`:                        "abc",
		`A = ("a"` + "\n\t# why\n\t" + `"b")`:        "ab",
		`A = r"^/favicon\.ico$"`:                     `^/favicon\.ico$`,
		`A = "^/favicon\.ico$"`:                      `^/favicon\.ico$`,
		`A = "\x41\u00e9\U0001f600\101\n\\"`:         "Aé😀A\n\\",
		`A = "\ud800"`:                               "\ufffd",
		`A = b"\xff" rb"\x"`:                         Bytes("\xff\\x"),
		"A = '''one\ntwo'''":                         "one\ntwo",
		"A = 'a\\\nb'":                               "ab",
		"A = \\\n  'b'":                              "b",
		`A = [1, "b", (2,), ("c")]`:                  []any{int64(1), "b", []any{int64(2)}, "c"},
		`A = ["a"] + ["b"]`:                          []any{"a", "b"},
		`A = [*["a"], "b",]`:                         []any{"a", "b"},
		`A = {"a", "b"}`:                             []any{"a", "b"},
		`A = "a", "b"`:                               []any{"a", "b"},
		`B = "x"; A = B + "y"`:                       "xy",
		`B = {"k": "v"}` + "\n" + `A = B["k"]`:       "v",
		`A: list[str] = ["a"]` + "\n" + `A += ["b"]`: []any{"a", "b"},
		`A = B = "x"`:                                "x",
		`A = ["a"]` + "\n" + `A.append("b"); A.extend(["c"])`: []any{"a", "b", "c"},
		`A = timedelta(minutes=1, seconds=30)`:                Duration(90),
		`A = os.environ["X"]`:                                 Env{Name: "X"},
		`A = os.environ.get("X", "d")`:                        Env{Name: "X", Default: "d", HasDefault: true},
		`A = env.bool("X", default=True)`:                     Env{Name: "X", Default: true, HasDefault: true, Cast: "bool"},
		`A = config("X", cast=int)`:                           Env{Name: "X", Cast: "int"},
		`A = f"{x}"`:                                          Unknown("a formatted string"),
		`A = f"{x["a"]}" "b"`:                                 Unknown("a formatted string"),
		`A = "a"*10**9`:                                       Unknown("an expression with *"),
		`A = get_secret("hunter2")`:                           Unknown("the call of get_secret"),
		`A = "hunter2".strip()`:                               Unknown("a method of a value"),
		`A = "x" if DEBUG else "y"`:                           Unknown("a choice by a condition"),
		`A = [x for x in y]`:                                  Unknown("a comprehension"),
		`A = {x: y for x in y}`:                               Unknown("a comprehension"),
		`A = {x for x in y}`:                                  Unknown("a comprehension"),
		`A = not DEBUG`:                                       Unknown("an expression with not"),
		`A = lambda x, y: {"a": 1}`:                           Unknown("a function"),
		`A = os.environ.get("X", "1") == "1"`:                 Unknown("an expression with =="),
		`A = env("X") + "y"`:                                  Unknown("an expression with the environment variable X"),
		`A = env.db("X")`:                                     Unknown("the call of env.db"),
		`A = os.environ["a b"]`:                               Unknown("an environment variable of an unusual name"),
		`A = SECRET`:                                          Unknown("the name SECRET"),
		`A = settings.SECRET`:                                 Unknown("the name settings.SECRET"),
		`A = "\N{BULLET}"`:                                    Unknown("a string with a character by its name"),
		`A = Path(__file__).parent / "x"`:                     Unknown("an expression with /"),
		`A = open("hunter2").read()`:                          Unknown("the call of open"),
	} {
		assert.Equal(t, want, value(t, src), src)
	}
}

// entries gives the values of a dict, Open included when it is set.
func entries(d *Dict) map[string]any {
	out := map[string]any{}
	for _, k := range d.Keys() {
		item, _ := d.Get(k)
		out[k] = item.Value
	}
	if d.Open != "" {
		out["open"] = d.Open
	}
	return out
}

func TestDicts(t *testing.T) {
	for src, want := range map[string]map[string]any{
		`A = {"a": 1, "a": 2}`:                                               {"a": int64(2)},
		`A = dict(a=1, **{"b": 2})`:                                          {"a": int64(1), "b": int64(2)},
		`B = {"a": 1, "b": 1}` + "\n" + `A = {**B, "a": 2}`:                  {"a": int64(2), "b": int64(1)},
		`A = {**BASE, "a": 2}`:                                               {"a": int64(2), "open": "the name BASE"},
		`A = {"a": 1} | {"b": 2}`:                                            {"a": int64(1), "b": int64(2)},
		`A = {}` + "\n" + `A.update({"a": 1}, )`:                             {"a": int64(1)},
		`A = {}` + "\n" + `A.update(a=1)`:                                    {"a": int64(1)},
		`A = {}` + "\n" + `A["a"] = 1`:                                       {"a": int64(1)},
		`A = {"a": {}}` + "\n" + `A["a"]["b"] = 1`:                           {"a": map[string]any{"b": int64(1)}},
		`A = {"a": ["x"]}` + "\n" + `A["a"] += ["y"]`:                        {"a": []any{"x", "y"}},
		`A = {"a": ["x"]}` + "\n" + `A["a"].append("y")`:                     {"a": []any{"x", "y"}},
		`A = {"a": 1}` + "\n" + `A |= {"b": 2}`:                              {"a": int64(1), "b": int64(2)},
		`A = {"a": 1}` + "\n" + `A.setdefault("a", 3); A.setdefault("b", 2)`: {"a": int64(1), "b": int64(2)},
		`A = {1: 2, "a": 1}`:                                                 {"a": int64(1), "open": "a key that is no text"},
		`A = {"a": x[1:2], "b": 1 @ 2, "c": y.z(lambda: 0)}`:                 {"a": Unknown("the name x"), "b": Unknown("an expression with @"), "c": Unknown("the call of y.z")},
	} {
		d, ok := value(t, src).(*Dict)
		require.True(t, ok, src)
		got := entries(d)
		for k, v := range got {
			if inner, ok := v.(*Dict); ok {
				got[k] = entries(inner)
			}
		}
		assert.Equal(t, want, got, src)
	}
}

func TestDoubts(t *testing.T) {
	for src, want := range map[string]string{
		"if DEBUG:\n    A = 1":                     "2: it is set within a condition (if)",
		"if DEBUG: A = 1":                          "1: it is set within a condition (if)",
		"if x: B = 1; A = 2":                       "1: it is set within a condition (if)",
		"try:\n    import x\nexcept E:\n    A = 1": "4: it is set within a try",
		"class Base(Configuration):\n  A = 1":      "2: it is set within a class",
		"A = {}\nif x:\n  A['b'] = 1":              `3: "b" is set within a condition (if)`,
		"A = {}\nif x:\n  A.update(b=1)":           "3: it is changed within a condition (if)",
		"A, B = 1, 2":                              "1: it is set together with others",
		"A = {}\nA.pop('x')":                       "2: it is changed by .pop()",
		"A = {}\ndel A['x']":                       "2: it is deleted",
		"A = x()\nA['b'] = 1":                      `2: "b" is set in a dict that is not known here`,
		"A = 1\nA *= 2":                            "2: it is changed by *=",
		"A = {}\nA[x] = 2":                         "2: one of its elements is changed",
		"if x:\n  A = 1\nA = 2":                    "",
		"def f():\n  A = 1\n  if x:\n    A = 2":    "",
		"async def f():\n  A = 1":                  "",
		"'''\nif x:\n  A = 1\n'''":                 "",
		"# if x: A = 1":                            "",
		"match = 1\nA = 2":                         "",
		"match x:\n  case 1:\n    A = 1":           "3: it is set within a block (match)",
	} {
		var got []string
		for _, d := range read(t, src).Doubts() {
			if d.Name == "A" {
				got = append(got, fmt.Sprintf("%d: %s", d.Line, d.What))
			}
		}
		assert.Equal(t, want, strings.Join(got, "\n"), src)
	}
}

func TestFilesFollowEachOther(t *testing.T) {
	m := New()
	require.NoError(t, m.Read("base.py", "A = {'a': 1, 'b': 1}"))
	require.NoError(t, m.Read("production.py", "from .base import *  # noqa\n\nA['b'] = 2"))
	item, _ := m.Get("A")
	assert.Equal(t, map[string]any{"a": int64(1), "b": int64(2)}, entries(item.Value.(*Dict)))
	b, _ := item.Value.(*Dict).Get("b")
	assert.Equal(t, Item{Value: int64(2), File: "production.py", Line: 3}, b)
	assert.Equal(t, []Import{{Module: ".base", File: "production.py", Line: 1}}, m.Imports)
}

func TestNoModule(t *testing.T) {
	for src, want := range map[string]string{
		"A = 'hunter2":                         "line 1: a string without its end",
		"A = 1\nB = '''hunter2\n":              "line 2: a string without its end",
		"A = (1":                               "a bracket is never closed",
		"A = 1)":                               "line 1: a closing bracket without its opening one",
		"A = (1]":                              "line 1: a closing bracket without its opening one",
		"A = [1; 2]":                           "line 1: a semicolon within brackets",
		"A = 1\nB = \x00":                      "line 2: a NUL byte",
		"A = '\xff'":                           "not UTF-8",
		"A = " + strings.Repeat("[", 300):      "line 1: too many nested brackets",
		strings.Repeat("#", MaxSize+1):         "more than 1048576 bytes",
		"A = f'{" + strings.Repeat("f\"{", 99): "line 1: a string without its end",
	} {
		err := New().Read("settings.py", src)
		require.ErrorIs(t, err, ErrSyntax, "%.20q", src)
		require.ErrorContains(t, err, want, "%.20q", src)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

// TestRepetition feeds what doubles with each line, and what is only long.
func TestRepetition(t *testing.T) {
	var doubled strings.Builder
	doubled.WriteString("A = ['x']\nB = 'x'\nC = {'k': 1}\nD = {}\n")
	for range 10_000 {
		doubled.WriteString("A = A + A\nB = B + B\nA = [*A, *A]\nC = {**C, 'l': C}\nD['d'] = [D, D]\n")
	}
	for _, src := range []string{
		doubled.String(),
		"A = " + strings.Repeat("-", 900_000) + "1",
		"A = " + strings.Repeat("not ", 250_000) + "x",
		"A = x" + strings.Repeat(".y", 500_000),
		"A = " + strings.Repeat("'x'", 300_000),
		"A = " + strings.Repeat("{**x,", 190) + strings.Repeat("}", 190),
		strings.Repeat("A = {'x': 1, 'y': 2}\nA.update(A)\n", 20_000),
		"A = {" + strings.Repeat("'x':1,", 100_000) + "}\n" + strings.Repeat("A={**A}\n", 40_000),
		strings.Repeat("if x: A = 1\n", 80_000),
	} {
		start := time.Now()
		require.NoError(t, New().Read("settings.py", src))
		t.Logf("%.20q... %d bytes in %v", src, len(src), time.Since(start))
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`A = {"a": [r"^/x", *B], **C}` + "\n" + `A["b"] |= f"{x["y"]}" 'z'`,
		"if x:\n  A = 1\nelse: A.update(b=env('X', default=1))",
		"A, B = (1,), {1, 2}; del A['x']", "A = lambda x: (yield x)", "from . import *", "A = B[1:2, ...](*a, **k)", "match x:\n case {'a': 1}: A = 1",
		"A = x.", "A = [", "A = (;)", "A[", "A = B = C[0] = 1,", "A: x = {", "A = '\\", "A = t'{", "A = dict(a=", "A = timedelta(days=1", "\\\n\\", "A = - -1", "A = [:]", "{:}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, src string) {
		m := New()
		_ = m.Read("settings.py", src) // no panic, and an end
		for _, n := range m.Names() {
			m.Get(n)
		}
		m.Doubts()
	})
}
