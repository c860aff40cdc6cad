/* What the tables say as a manual page: maesn-bridge.yaml(5). */
#pragma once

#include "bridge/base/roff.h"

/* Appends the whole page; of `title` the date and the source count. Errors: ret->status. */
void manual_print(const struct roff_title *title, struct buf *ret);
