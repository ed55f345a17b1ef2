// Package djangosettings makes a collector configuration of the settings of a
// project that used django-activitylog-jwt. The settings are parsed, never
// executed: what only Python could answer is listed instead of guessed, and so
// is every setting without a counterpart. No secret of the settings is repeated.
package djangosettings
