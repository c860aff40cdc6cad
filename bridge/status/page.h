/* The status page as one HTML document: no other file, no script needed to read it. */
#pragma once

#include "bridge/status/view.h"

/* Of the Content-Security-Policy header, with its NUL. */
#define PAGE_POLICY_SIZE 400

/* Allows the page's own style and script, by their hashes, and nothing else. Errors: STATUS_NOMEM.
 * Source: CSP Level 3, sections 6.7.3.4 (hashes of inline elements) and 7 (frame-ancestors,
 * base-uri and form-action do not fall back to default-src). */
enum status page_policy(char ret[PAGE_POLICY_SIZE]) MUST_CHECK;

/* Appends it. Every text of the view is escaped. */
void page_print(const struct view *v, struct buf *ret);
