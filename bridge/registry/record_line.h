/* A record of the registry or accounts topic as a line of JSON: what `registry export` writes and
 * `registry import` reads.
 *
 *     {"key":"/account/acme-42","record":{"version":1,...}}
 *     {"key":"/account/acme-42","record":{"version":1,...},"redacted":["account_key"]}
 *     {"key":"/account/acme-42","unreadable":"why","sealed_under":"2025-11-01"}
 */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/base/diag.h"
#include "bridge/registry/registry_key.h"

struct provider;

/* Longest line, in bytes: each character of a record may take six. */
#define RECORD_LINE_MAX (6 * 65536 + 4096)

/* Whether the opened JSON is the record that its key says: of a route, an account or a declaration.
 * Errors: STATUS_INVALID it is not; diag says why, without its values. STATUS_NOMEM. */
enum status record_line_check(const struct registry_key *key, struct bytes json,
                              const struct provider *const providers[], struct diag *diag)
    MUST_CHECK;

/* Appends the line of an opened record, with its end of line. Without with_secrets no secret of it
 * is there, and the line says which were left out. What it holds is secret otherwise: ret has
 * RECORD_LINE_MAX reserved.
 * Errors: STATUS_INVALID it is no JSON. STATUS_NOMEM.
 */
enum status record_line_write(struct bytes key, struct bytes json, bool with_secrets,
                              struct buf *ret) MUST_CHECK;

/* Appends the line of a record that cannot be opened. sealed_under.data may be NULL. Errors:
 * ret->status. */
enum status record_line_write_unreadable(struct bytes key, const char *why,
                                         struct bytes sealed_under, struct buf *ret) MUST_CHECK;

/* Reads a line: appends the record's JSON, which is secret, and its key.
 * Errors: STATUS_INVALID it is no such line, or one without its secrets; diag says why.
 *         STATUS_NOMEM.
 */
enum status record_line_read(struct bytes line, struct buf *ret_key, struct buf *ret_json,
                             struct diag *diag) MUST_CHECK;

/* Whether two opened records say the same. Errors: STATUS_INVALID one is no JSON. STATUS_NOMEM. */
enum status record_line_compare(struct bytes a, struct bytes b, bool *ret_same) MUST_CHECK;
