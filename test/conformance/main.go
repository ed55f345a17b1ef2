// Command conformance runs the tests of every driver against its real server
// and prints what ran: a table of backend by cases run, passed and skipped. A
// backend that ran no case of the conformance suite fails the run, so that a
// server that was never there does not look green.
//
//	go run ./test/conformance [-backends postgres,mysql] [-- flags of go test]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	only := flags.String("backends", "", "comma-separated backends that must run (default: all)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	t := newTable(chosen)
	testErr := goTest(ctx, t, chosen, flags.Args(), out)
	if err := t.print(out); err != nil {
		return err
	}
	return errors.Join(testErr, t.err())
}

// choose gives the backends named, all when none is.
func choose(names string) ([]backend, error) {
	if names == "" {
		return backends(), nil
	}
	var chosen []backend
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(backends(), func(b backend) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("%q is no backend", name)
		}
		chosen = append(chosen, backends()[i])
	}
	return chosen, nil
}

// goTest runs the packages of the backends and feeds the table. One package
// runs at a time: they share two cores with the servers.
func goTest(ctx context.Context, t *table, chosen []backend, extra []string, out io.Writer) error {
	args := append([]string{"test", "-json", "-count=1", "-p=1"}, extra...)
	var packages []string
	for _, b := range chosen {
		if !slices.Contains(packages, b.pkg) {
			packages = append(packages, b.pkg)
		}
	}
	for _, p := range packages {
		args = append(args, "./"+p+"/...")
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the flags are the caller's
	cmd.Stderr = os.Stderr
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("read go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	readErr := t.read(lines, out)
	if readErr != nil {
		_, _ = io.Copy(io.Discard, lines) // or go test would never end
	}
	if err := cmd.Wait(); err != nil {
		return errors.Join(readErr, fmt.Errorf("go test: %w", err))
	}
	return readErr
}
