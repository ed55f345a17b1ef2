// Package activity is the vocabulary of the project: one activity event, its
// kinds, its fields, its limits, and the questions that can be asked about
// stored events. It depends on the standard library only, so that every other
// package may depend on it.
//
// The tables in field.go are the single description of a field; the canonical
// encoding, the drivers, the API and the tests are driven by them.
package activity
