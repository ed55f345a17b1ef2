// Package storage is the contract between the collector and its databases. A
// driver implements Store; the comments here are what the conformance suite in
// storagetest checks.
//
// A driver returns errors, never logs and continues, and never retries by
// itself. What it cannot do it declares in Capabilities and refuses with
// activity.ErrUnsupported: nothing is approximated or skipped in silence.
package storage
