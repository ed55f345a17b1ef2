// Package deadletter keeps the events that a store did not take: fsynced JSON
// lines that can be listed, erased and sent again.
//
// The lines live in segments named by the time of their creation. A segment is
// only appended to, or replaced whole by rename; every change is made under a
// lock file, so that a second process may list, replay or erase while the
// collector appends. A reader takes no lock: it sees whole lines or none.
package deadletter
