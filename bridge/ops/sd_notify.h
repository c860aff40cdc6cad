/* What systemd is told of the process: nothing at all where no $NOTIFY_SOCKET is set.
 *
 * Best effort: a manager that cannot be reached has nobody to be told of it. Thread: any.
 * Source: sd_notify(3), sd_watchdog_enabled(3) of systemd 252; RELOADING with MONOTONIC_USEC is
 * Type=notify-reload of 253.
 */
#pragma once

#include <stdint.h>

/* Traffic is served: at start, and again after a reload. */
void sd_notify_ready(void);

/* One line for `systemctl status`. */
void sd_notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A reload has begun; sd_notify_ready() ends it, whether or not it succeeded. */
void sd_notify_reloading(void);

/* The process stops, and wants this long for it. */
void sd_notify_stopping(int64_t within_ms);

/* The process works. Send it at half the interval. */
void sd_notify_watchdog(void);

/* After how long without sd_notify_watchdog() the process is killed; 0: no watchdog is set. */
int64_t sd_notify_watchdog_ms(void);
