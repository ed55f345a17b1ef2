// Package api answers questions about stored events over HTTP: lists, single
// events, integrity reports and exports. One table (endpoints.go) holds every
// endpoint with its parameters and its handler; a parameter that is not in it
// is refused by name.
package api
