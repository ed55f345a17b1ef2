package djangosettings

import (
	"cmp"
	"fmt"
	"slices"
)

// Sort says what a finding asks of its reader.
type Sort uint8

const (
	// ToDo is to be done before the collector is started.
	ToDo Sort = iota
	// Lost is a setting that is not in the configuration.
	Lost
	// Differs is a setting that has another effect here than there, or needs none.
	Differs
)

func (s Sort) String() string {
	return [...]string{"to do", "not converted", "differs"}[s]
}

// Finding is one thing to know about the conversion. It holds no secret.
type Finding struct {
	Sort    Sort
	Setting string
	File    string // "" when the setting is in none
	Line    int
	Text    string // why, and what to do
}

func (f Finding) String() string {
	where := ""
	if f.File != "" {
		where = fmt.Sprintf(" (%s:%d)", f.File, f.Line)
	}
	return fmt.Sprintf("%s: %s%s: %s", f.Sort, f.Setting, where, f.Text)
}

// sorted puts what is to be done first; within a sort the order is that of the files.
func sorted(list []Finding, files []string) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Sort, b.Sort), cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(list)
}
