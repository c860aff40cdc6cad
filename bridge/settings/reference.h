/* What the tables say, for people (Markdown) and for editors (JSON Schema, draft 2020-12). */
#pragma once

#include "bridge/base/buf.h"

/* Each appends a whole document. Errors: ret->status. */
void reference_print_markdown(struct buf *ret);
void reference_print_schema(struct buf *ret);
void reference_print_routes_schema(struct buf *ret);
void reference_print_accounts_schema(struct buf *ret);
