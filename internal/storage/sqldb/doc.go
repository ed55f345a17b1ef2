// Package sqldb stores activity events in an SQL database: SQLite, PostgreSQL, or
// MySQL and MariaDB. What differs between them when they are read is behind
// dialect, what differs when they are written behind keeper and dropper;
// everything else (rows, plans, pages, retention, erasure) is shared.
//
// Events are read in segments, which are disjoint ranges of datetime: in SQLite
// tables of their own, elsewhere parts of one table that the database cuts by
// month. See README.md, POSTGRES.md and MYSQL.md for the life of a record.
package sqldb
