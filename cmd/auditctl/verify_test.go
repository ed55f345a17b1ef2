package main

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVerifyLeavesAChosenGOGCAlone(t *testing.T) {
	percent := func() int {
		now := debug.SetGCPercent(-1)
		debug.SetGCPercent(now)
		return now
	}
	before := percent()
	t.Setenv("GOGC", "50")
	restore := relaxGC()
	assert.Equal(t, before, percent())
	restore()
	assert.Equal(t, before, percent())

	t.Setenv("GOGC", "")
	restore = relaxGC()
	assert.Equal(t, verifyGCPercent, percent())
	restore()
	assert.Equal(t, before, percent())
}
