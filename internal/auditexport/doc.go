// Package auditexport is what the audit exporters share: records become events,
// events go to the store of the component's own driver, what the store refuses
// goes to the dead letters, and the receipt says what became of each.
//
// A component brings its database configuration, how to open it, and the
// instruments that mdatagen made for it; New does the rest. Without a
// sending_queue success means committed; with one that has storage it means on
// this machine's disk.
package auditexport
