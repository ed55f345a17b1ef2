package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/collectorconfig"
	"github.com/activitylog/otelcol-activitylog/internal/configguard"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Judge a collector configuration"}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say what in the configuration loses or changes events",
		Long: `Say what in a collector configuration loses events that were acknowledged, or
changes them after they were sealed: why, and what to write instead.

Exit codes: 0 nothing found; 1 refused; 2 the file cannot be read.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := collectorconfig.Load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			findings := configguard.Check(conf.ToStringMap())
			for _, f := range findings {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), f); err != nil {
					return err
				}
			}
			if len(findings) > 0 {
				return errFindings
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	})
	return cmd
}
