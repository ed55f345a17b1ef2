package djangosettings

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTheReadmeListsEverySetting: each setting of the package stands in the
// first column of the processor's table, with what is said of it.
func TestTheReadmeListsEverySetting(t *testing.T) {
	readme, err := os.ReadFile("../../processor/enrichprocessor/README.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(readme), "\n## Settings of django-activitylog-jwt\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n## ")
	said := map[string]bool{}
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		for _, name := range strings.Split(cells[1], ",") {
			said[strings.Trim(strings.TrimSpace(name), "`")] = strings.TrimSpace(cells[2]) != "" &&
				(strings.TrimSpace(cells[2]) != "none" || strings.TrimSpace(strings.Join(cells[3:], "")) != "")
		}
	}
	for _, name := range Keys() {
		if strings.HasSuffix(name, "*") {
			assert.Contains(t, table, name)
			continue
		}
		assert.True(t, said[name], name)
	}
}
