// Package storagetest holds drivers to the contract of package storage: the
// conformance suite Run, a reference store in memory to compare with, and a
// wrapper that makes a store fail on request. It is for tests only.
package storagetest
