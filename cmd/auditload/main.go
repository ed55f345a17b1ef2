// Command auditload sends realistic activity events to a collector and proves
// afterwards that everything acknowledged is stored exactly once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// errCheck says that a check found a loss or a double; the result says which.
var errCheck = errors.New("the check failed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "auditload:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called above
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "auditload",
		Short:         "Send activity events to a collector, and check that none is lost or doubled",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRunCommand(), newCheckCommand())
	return root
}
