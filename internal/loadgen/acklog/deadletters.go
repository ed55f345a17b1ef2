package acklog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/activitylog/otelcol-activitylog/internal/activity"
)

// deadLetters reads JSON lines whose member "event" is the event. A line
// without its end is one that was never promised.
func (l *Ledger) deadLetters(r io.Reader) error {
	br := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := br.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a dead letter: %w", err)
		}
		var entry struct {
			Event *activity.Event `json:"event"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			return fmt.Errorf("read a dead letter: %w", err)
		}
		if entry.Event != nil {
			l.Dead(entry.Event)
		}
	}
}
