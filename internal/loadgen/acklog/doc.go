// Package acklog records what a server acknowledged, and proves afterwards that
// all of it is in the store exactly once.
//
// The log is text, one event a line, written with one write(2) a request before
// the next request is made: it survives the end of the collector and of the
// generator, though not of the machine. A torn last line is what was being
// written when the generator ended, and is left out.
package acklog
