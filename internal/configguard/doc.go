// Package configguard finds the mistakes in a collector's configuration that no
// component can see, since none knows its neighbours: those that acknowledge
// events before they are safe, or change them after they were sealed. Pipelines
// that hold nothing of this project are left alone.
package configguard
