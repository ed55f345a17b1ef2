// Package faults breaks what the built collector depends on, under load, and
// proves that nothing acknowledged is lost or doubled: auditload is the source,
// its log of what was acknowledged and "auditload check" are the judge.
//
//	make test-outage   each database killed once, for 10 seconds
//	make test-faults   everything; writes docs/faults.md
//
// FAULTS_BACKENDS chooses the databases (sqlite,postgres), FAULTS_REPORT names
// the file for the table. A database is reached by its ACTIVITYLOG_TEST_..._DSN
// and killed by its script in scripts/services.
package faults
