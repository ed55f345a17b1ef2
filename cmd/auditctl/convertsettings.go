package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/djangosettings"
	"github.com/activitylog/otelcol-activitylog/internal/pyliteral"
)

func newConvertSettings() *cobra.Command {
	var opts djangosettings.Options
	cmd := &cobra.Command{
		Use:   "convert-settings FILE...",
		Short: "Make a collector configuration of the settings of django-activitylog-jwt",
		Long: `Print the collector configuration that does what the ACTIVITYLOG dict of a Django
project says, or its DJANGO_ACTIVITY_LOG_* names, and list on the standard error
what has no counterpart, differs, or is to be done first.

The files are settings.py or JSON, and are parsed, never executed; several are
taken on top of each other (base.py production.py). Secrets are not repeated:
the configuration names files for them.

Exit codes: 0 all is converted; 1 something is not, or is to be done first; 2 a
file cannot be read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings := djangosettings.New()
			for _, file := range args {
				src, err := readBounded(file)
				if err != nil {
					return err
				}
				if err := settings.Read(file, src); err != nil {
					return err
				}
			}
			result := settings.Convert(opts)
			if _, err := io.WriteString(cmd.OutOrStdout(), result.YAML); err != nil {
				return err
			}
			var found error
			for _, f := range result.Findings {
				if f.Sort != djangosettings.Differs {
					found = errFindings
				}
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), f); err != nil {
					return err
				}
			}
			return found
		},
	}
	cmd.Flags().StringVar(&opts.SecretsDir, "secrets-dir", "/etc/activitylog", "folder of the files that are to hold secrets")
	return cmd
}

// readBounded reads a file, and one byte more than can be parsed at most.
func readBounded(file string) (src []byte, err error) {
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return io.ReadAll(io.LimitReader(f, pyliteral.MaxSize+1))
}
