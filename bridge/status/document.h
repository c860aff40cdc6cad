/* The status view for programs: deploy/schemas/status.schema.json describes it. */
#pragma once

#include "bridge/status/view.h"

/* Grows when something changes or goes; what is new beside the rest leaves it. */
#define DOCUMENT_VERSION 1

/* Appends one JSON object and a line feed. */
void document_print(const struct view *v, struct buf *ret);
