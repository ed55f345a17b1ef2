// Package pyliteral reads the assignments of a Python module without running
// it: what is written down as a literal becomes a value, and everything that
// only Python could answer becomes Unknown, with the reason. Nothing is guessed.
//
// It knows the parts of the language that such values are written in: the
// literals of the language reference (section 2.4 and 6.2), their concatenation,
// unpacking, references to earlier names of the file, and the usual ways to ask
// for an environment variable. Everything else is skipped by its brackets.
package pyliteral
