/* From an event to a Kafka record: topic, key, CloudEvents headers, trace context. */
#pragma once

#include "bridge/domain/provider.h"
#include "bridge/domain/record.h"

enum envelope_format {
    ENVELOPE_BINARY = 0, /* attributes in headers, the value is the data */
    ENVELOPE_STRUCTURED, /* the value is the whole CloudEvent as JSON, the headers stay beside it */
};

enum envelope_trace {
    ENVELOPE_TRACE_RESTART = 0, /* a new trace for each callback, the inbound one beside it */
    ENVELOPE_TRACE_CONTINUE,    /* a valid inbound trace goes on */
};

/* Borrowed; must outlive the calls. */
struct envelope_options {
    const char *topic_template; /* "maesn.{resource}" */
    const char *key_template;   /* "{resource}:{account}" */
    const char *other_topic;
    const char *token_topic;
    const char *dead_letter_topic;
    enum envelope_format format;
    enum envelope_trace trace;
};

/* Whether a template holds only known placeholders: {provider} {system} {account} {resource}
 * {event}, and in a key {resource_id}; and whether a topic made of it is a legal name. Errors:
 * STATUS_INVALID, diag says which part and what was expected.
 */
enum status envelope_check_topic_template(const char *text, struct diag *diag) MUST_CHECK;
enum status envelope_check_key_template(const char *text, struct diag *diag) MUST_CHECK;

/* The bound an arena needs for unify() and envelope_seal() of a body of this length, in bytes: with
 * less, an unusual body could be refused for want of memory for ever. Almost all callbacks use less
 * than 4 KiB of it.
 */
size_t envelope_arena_max(size_t body_len);

/* Builds a record for each event, dead letters too (always binary, their key is the account).
 * Owns:   *ret is an array of events->len records in the arena; values and texts may point into
 * cb->body, which must live as long as the records. Errors: STATUS_NOMEM. STATUS_INTERNAL no random
 * bytes for a trace id. Thread: any number at once.
 */
enum status envelope_seal(const struct envelope_options *opt, const struct route *r,
                          const struct callback *cb, const struct event_list *events,
                          struct arena *a, struct record **ret) MUST_CHECK;

/* As envelope_seal(), for events of a dead letter that was judged anew: ids, recorded time and
 * trace are those the delivery got when it came. cb is the delivery as far as the letter tells.
 */
struct dead_letter;
enum status envelope_seal_again(const struct envelope_options *opt, const struct route *r,
                                const struct callback *cb, const struct dead_letter *letter,
                                const struct event_list *events, struct arena *a,
                                struct record **ret) MUST_CHECK;

/* Turns a record the broker refuses for good into its dead letter: same ce_id, key = account,
 * reason refused-by-broker, dead-letter-topic = where it was meant to go, and all else that
 * dead_letter_read() makes the record of again. Owns:   *ret points into
 * the arena and into refused. Errors: STATUS_NOMEM.
 */
enum status envelope_dead_letter(const struct envelope_options *opt, const struct record *refused,
                                 const char *detail, struct arena *a, struct record *ret)
    MUST_CHECK;

/* The topic of the test event that `maesn-bridge probe` sends to this route. NULL when memory is
 * short. */
const char *envelope_probe_topic(const struct envelope_options *opt, const struct route *r,
                                 struct arena *a);

/* The topics a route's events can go to, for `topics plan` and the metadata prefetch; expands the
 * template over the resources the bridge knows, and over one account and system. Owns:   the list
 * and its texts live in the arena. Errors: STATUS_NOMEM.
 */
struct topic_list {
    const char **names;
    size_t len;
};
enum status envelope_topics(const struct envelope_options *opt, const char *provider,
                            const char *system, const char *account, struct arena *a,
                            struct topic_list *ret) MUST_CHECK;
