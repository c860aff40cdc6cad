/* What a probe found, for people, for programs, and for Prometheus. */
#pragma once

#include "bridge/app/probe_run.h"
#include "bridge/base/buf.h"

struct probe_report_view {
    const struct probe_report *report;
    const char *account;
    const char *base_url;
    int64_t ended_at_unix_ms;
};

/* Appends a table of the hops. Errors: ret->status. */
void probe_report_print(const struct probe_report_view *v, bool with_colour, struct buf *ret);

/* Appends deploy/schemas/probe.schema.json's document. Errors: ret->status. */
void probe_report_print_json(const struct probe_report_view *v, struct buf *ret);

/* Appends metrics for the node exporter's textfile collector. Errors: ret->status.
 * Source: Prometheus, "Exposition formats", text format 0.0.4. */
void probe_report_print_metrics(const struct probe_report_view *v, struct buf *ret);
