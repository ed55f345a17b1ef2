package djangosettings

import "strings"

// collector writes the whole configuration.
func (c *converter) collector(y *yamlText) {
	stores, later := c.stores()
	c.retention()
	y.block("receivers", func() {
		y.block("activitylog", func() {
			y.line("endpoint:", "${env:ACTIVITYLOG_EVENTS_ENDPOINT:-127.0.0.1:4319}", "")
			if later {
				y.line("success_status:", "202", "")
			}
		})
		y.block("otlp", func() {
			y.block("protocols", func() {
				y.block("http", func() {
					y.line("endpoint:", "${env:ACTIVITYLOG_OTLP_HTTP_ENDPOINT:-127.0.0.1:4318}", "")
					y.line("read_timeout:", "5s", "a body that does not arrive cannot hold up a stop")
				})
				y.block("grpc", func() {
					y.line("endpoint:", "${env:ACTIVITYLOG_OTLP_GRPC_ENDPOINT:-127.0.0.1:4317}", "")
				})
			})
		})
	})
	y.block("processors", func() {
		y.block("memory_limiter", func() {
			y.line("check_interval:", "500ms", "")
			y.line("limit_percentage:", "60", "")
			y.line("spike_limit_percentage:", "15", "")
		})
		y.block("enrich", func() { c.enrich(y) })
		y.line("integrity:", "", "")
	})
	queued := later || len(stores) > 1
	y.block("exporters", func() {
		for i, s := range stores {
			y.block(s.exporter, func() {
				s.exporterKeys(y)
				if i == 0 {
					y.line("auditapi:", "auditapi", "")
				}
				if i > 0 || later {
					queue(y)
				}
			})
		}
	})
	y.block("extensions", func() {
		y.block("auditapi", func() {
			y.line("endpoint:", "${env:ACTIVITYLOG_API_ENDPOINT:-127.0.0.1:8686}", "")
			y.line("token:", "${env:ACTIVITYLOG_API_TOKEN:-}", "empty: made at the first start, in a file api-token")
			y.block("storage", func() {
				y.line("driver:", stores[0].driver, "")
				y.block(stores[0].driver, func() { stores[0].driverKeys(y) })
			})
		})
		if queued {
			y.block("file_storage", func() {
				y.line("directory:", "${env:ACTIVITYLOG_SPOOL_DIR:-./data/spool}", "")
				y.line("create_directory:", "true", "")
				y.line("fsync:", "true", "")
			})
		}
	})
	y.block("service", func() {
		extensions, exporters := "[auditapi]", []string{}
		if queued {
			extensions = "[auditapi, file_storage]"
		}
		for _, s := range stores {
			exporters = append(exporters, s.exporter)
		}
		y.line("extensions:", extensions, "")
		y.block("pipelines", func() {
			y.block("logs", func() {
				y.line("receivers:", "[activitylog, otlp]", "")
				y.line("processors:", "[memory_limiter, enrich, integrity]", "")
				y.line("exporters:", "["+strings.Join(exporters, ", ")+"]", "")
			})
		})
	})
}

// queue makes an exporter deliver later, from the disk.
func queue(y *yamlText) {
	y.block("retry_on_failure", func() { y.line("max_elapsed_time:", "0s", "") })
	y.block("sending_queue", func() {
		y.line("storage:", "file_storage", "")
		y.line("sizer:", "bytes", "")
		y.line("queue_size:", "268435456", "")
		y.line("num_consumers:", "4", "")
	})
}

// exporterKeys writes the driver as its exporter takes it: auditsql has several.
func (s *store) exporterKeys(y *yamlText) {
	if s.exporter != "auditsql" {
		s.driverKeys(y)
		return
	}
	y.line("driver:", s.driver, "")
	y.block(s.driver, func() { s.driverKeys(y) })
}

func (s *store) driverKeys(y *yamlText) {
	for _, line := range s.keys {
		y.line(line, "", "")
	}
}

func (c *converter) retention() {
	s, given := c.get("DEFAULT_RETENTION_DAYS")
	if !given || s.Value == nil {
		return
	}
	days, ok := s.Value.(int64)
	switch {
	case !ok:
		c.wrong(s, "a number of days")
	case days > 0:
		c.add(ToDo, s, "nothing deletes by itself yet: run auditctl cleanup --days %d every day", days)
	}
}
