package activity

import "errors"

// Error codes. Layers wrap them with %w; the API maps each to one HTTP status.
var (
	// ErrInvalid: the caller's input can never be accepted as it is.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: there is no such event in the caller's scope.
	ErrNotFound = errors.New("not found")
	// ErrUnsupported: the backend cannot answer this exactly; it is refused rather than approximated.
	ErrUnsupported = errors.New("not supported by this store")
)
