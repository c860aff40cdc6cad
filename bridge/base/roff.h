/* The text of manual pages: roff with the man(7) macros, as groff and mandoc take it. */
#pragma once

#include "bridge/base/buf.h"

struct roff_title {
    const char *name; /* "MAESN-BRIDGE" */
    const char *section;
    const char *date;   /* "2026-12-31" */
    const char *source; /* "maesn-bridge 0.1.0" */
    const char *manual; /* "User commands" */
};

/* Appends the page's first line, and how to typeset it. */
void roff_title(struct buf *ret, const struct roff_title *title);

/* Appends a macro and one argument, which may hold anything: roff_macro(ret, "SH", "EXIT STATUS").
 */
void roff_macro(struct buf *ret, const char *macro, const char *argument);

/* Appends running text. `Code` becomes bold. A newline is a space, unless another one follows,
 * which makes a paragraph, or a space, which makes lines that are kept as they are.
 */
void roff_text(struct buf *ret, const char *text);

/* Appends lines that are kept as they are. */
void roff_lines(struct buf *ret, const char *text, size_t len);

/* Appends a list's entry: what it is about, in bold, and its argument, in italics; "" for none.
 * Text follows. */
void roff_entry(struct buf *ret, const char *tag, const char *argument);
