package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/activitylog/otelcol-activitylog/internal/storage/open"
)

func newMigrate() *cobra.Command {
	var src source
	var printOnly bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version's schema",
		Long: `Bring the database to this version's schema. The collector does it by itself when
it starts, unless its configuration says create_schema: false. --print shows the
statements and opens no database; of the DSN it takes the names.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			database, _, err := src.resolve(cmd.Context())
			if err != nil {
				return err
			}
			if printOnly {
				return open.Print(database, cmd.OutOrStdout())
			}
			database.CreateSchema() // this command is the consent that create_schema: false waits for
			store, err := openWriting(cmd.Context(), database)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is at this version's schema\n", database.Identity())
			return errors.Join(err, store.Close())
		},
	}
	src.flags(cmd)
	cmd.Flags().BoolVar(&printOnly, "print", false, "print the statements")
	return cmd
}
