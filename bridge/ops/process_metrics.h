/* The process's own metrics: process_*, with the names every Prometheus client library uses. */
#pragma once

#include "bridge/ops/metrics.h"

/* Adds process_cpu_seconds_total, _resident_memory_bytes, _virtual_memory_bytes, _open_fds,
 * _max_fds, _threads and _start_time_seconds; what the kernel does not tell is 0.
 *
 * Thread: at start only.
 * Source: Prometheus "Writing client libraries", process metrics; proc(5).
 */
void process_metrics_add(struct metrics *m);
