package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// Exit codes, the same for every command.
const (
	exitOK       = 0
	exitFindings = 1
	exitFailed   = 2
)

// errFindings ends a command that worked and found something wrong.
var errFindings = errors.New("findings")

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "auditctl",
		Short: "Look after the events that the collector stored",
		Long: `Look after the events that the collector stored.

Exit codes: 0 all is well; 1 something was found (events tampered or unsealed,
a configuration refused, settings not converted, dead letters left); 2 the command itself failed.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newVerify(), newCleanup(), newReplay(), newConfig(), newMigrate(), newConvertSettings(), newVersion())
	return root
}
