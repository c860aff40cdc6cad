/* Small files, read whole. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"

/* Appends the file's content to ret.
 * Errors: STATUS_INVALID it cannot be opened, is no regular file, or is larger than ret's maximum,
 *         and STATUS_UNAVAILABLE reading failed: diag says why and names the path. STATUS_NOMEM.
 */
enum status file_read(const char *path, struct buf *ret, struct diag *diag) MUST_CHECK;
