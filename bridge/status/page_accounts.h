/* The status page's part about accounts: a line each, which opens to the table of its
 * subscriptions.
 */
#pragma once

#include "bridge/status/view.h"

/* Appends the section; v->accounts is there. */
void page_accounts_print(const struct view *v, struct buf *ret);
