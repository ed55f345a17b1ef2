// Command conformance runs the tests of every driver against its real server
// and prints what ran: a table of backend by cases run, passed and skipped. A
// backend that ran no case of the conformance suite fails the run, so that a
// server that was never there does not look green.
//
//	go run ./test/conformance [-backends postgres,mysql] [-binary] [-- flags of go test]
//
// With -binary the same backends are tested through the built binary as well:
// events in by HTTP, out by REST.
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
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	only := flags.String("backends", "", "comma-separated backends that must run (default: all)")
	binary := flags.Bool("binary", false, "run the cases through the built binary, too (make build auditload first)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	t := newTable(chosen, *binary)
	testErr := goTest(ctx, t, driverTests(chosen, flags.Args()), out)
	if *binary {
		testErr = errors.Join(testErr, goTest(ctx, t, binaryTests(chosen), out))
	}
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

// driverTests are the arguments of go test for the packages of the backends.
// Two packages run at a time, since half of the time they wait for a server.
func driverTests(chosen []backend, extra []string) []string {
	args := append([]string{"-p=2"}, extra...)
	for _, b := range chosen {
		if p := "./" + b.pkg + "/..."; !slices.Contains(args, p) {
			args = append(args, p)
		}
	}
	return args
}

// binaryTests are the arguments of go test for the cases through the binary.
func binaryTests(chosen []backend) []string {
	names := make([]string, len(chosen))
	for i := range chosen {
		names[i] = chosen[i].name
	}
	return []string{"-timeout=30m", "-run=^" + binaryTest + "$/^(" + strings.Join(names, "|") + ")$", "./" + binaryPackage}
}

// goTest runs tests and feeds the table.
func goTest(ctx context.Context, t *table, args []string, out io.Writer) error {
	args = append([]string{"test", "-json", "-count=1"}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
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
