/* How much may be in flight at once, over all loops: callbacks, and bytes of their bodies. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bridge/base/status.h"

struct budget;

/* Owns: on STATUS_OK the caller holds one reference of *ret. Errors: STATUS_NOMEM. */
enum status budget_new(size_t requests_max, size_t bytes_max, struct budget **ret) MUST_CHECK;

/* Thread: any. budget_unref(NULL) is fine. */
struct budget *budget_ref(struct budget *b);
void budget_unref(struct budget *b);

/* Takes one request, or these bytes, if there is room; what was taken is to be given back.
 * Thread: any, no lock.
 */
bool budget_take_request(struct budget *b);
bool budget_take_bytes(struct budget *b, size_t bytes);
void budget_give_request(struct budget *b);
void budget_give_bytes(struct budget *b, size_t bytes);

/* Whether so much could be taken now. Thread: any, no lock. */
bool budget_has_room(const struct budget *b, size_t requests, size_t bytes);

/* Taken and not yet given back. */
size_t budget_requests(const struct budget *b);
size_t budget_bytes(const struct budget *b);
