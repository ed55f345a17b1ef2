package pyliteral

// A value is one of: nil (None), bool, int64, float64, string, Bytes, []any (a
// list, a tuple or a set), *Dict, Env, Duration, Unknown.

// Bytes is a bytes literal.
type Bytes string

// Duration is a timedelta of literal numbers, in seconds.
type Duration float64

// Unknown is what only Python could answer, and says what it is: "the call of
// get_secret". It repeats no literal of the module: that could be a secret.
type Unknown string

// Env is the value of an environment variable.
type Env struct {
	Name string
	// Default is the literal that stands for an unset variable.
	Default    any
	HasDefault bool
	// Cast is what the variable's text becomes: "" or str, bool, int, list.
	Cast string
}

// Item is a value and where it was written.
type Item struct {
	Value any
	File  string
	Line  int
}

// Dict is a dict with text for keys, in the order of its first writing. Its
// items are shared as Python shares them.
type Dict struct {
	keys  []string
	items map[string]Item
	// Open says why there may be more in it than is known here; "" when all is.
	Open string
}

// NewDict makes an empty dict.
func NewDict() *Dict { return &Dict{items: map[string]Item{}} }

// Keys lists the keys in the order of their first writing.
func (d *Dict) Keys() []string { return d.keys }

// Get gives an item; ok is false without one. A nil dict is empty.
func (d *Dict) Get(key string) (item Item, ok bool) {
	if d == nil {
		return Item{}, false
	}
	item, ok = d.items[key]
	return item, ok
}

// Set writes an item.
func (d *Dict) Set(key string, item Item) {
	if _, there := d.items[key]; !there {
		d.keys = append(d.keys, key)
	}
	d.items[key] = item
}

// merge writes every item of another dict over this one, and reports how many.
func (d *Dict) merge(o *Dict) int {
	if o == d {
		return 0
	}
	for _, k := range o.keys {
		d.Set(k, o.items[k])
	}
	if o.Open != "" {
		d.Open = o.Open
	}
	return len(o.keys)
}
