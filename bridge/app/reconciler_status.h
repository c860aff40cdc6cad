/* What a reconciler tells on its status page: its accounts and their subscriptions, and how it gets
 * on with the providers. */
#pragma once

#include "bridge/app/process_status.h"
#include "bridge/app/reconciler_modules.h"

struct reconciler_status;

/* The modules are borrowed, and their loop runs on until the listener's stop.
 * Owns: on STATUS_OK the caller frees *ret with reconciler_status_free(), after the loop's stop.
 * Errors: STATUS_NOMEM. */
enum status reconciler_status_new(const struct reconciler_modules *modules,
                                  struct reconciler_status **ret) MUST_CHECK;
void reconciler_status_free(struct reconciler_status *s);

/* Borrowed until reconciler_status_free(). */
const struct process_status_source *reconciler_status_source(const struct reconciler_status *s);
