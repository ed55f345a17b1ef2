// Package repotest guards what a compiler and a linter do not: the direction
// of imports, the exported surface of components, the length of files, and
// that every configuration key is documented. It has tests only.
package repotest
