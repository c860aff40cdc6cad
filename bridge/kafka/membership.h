/* Membership in a consumer group whose members share a topic's partitions, not its records: who
 * owns a partition works for it. Nothing is read.
 *
 * How long the ownership surely lasts is known from answers of the group's coordinator: the member
 * commits an offset in its generation every now and then, and from the instant at which a commit
 * was sent that was accepted, the coordinator gives the partitions to nobody else within the
 * session timeout. The time of the last poll proves less: a process that was stopped and goes on
 * may poll once more before it hears that it was put out of the group.
 */
#pragma once

#include "bridge/base/diag.h"
#include "bridge/kafka/producer.h"

struct membership;

/* What is left of a session when nothing may be begun any more: time for what was begun to end, and
 * for clocks that do not run alike. */
#define MEMBERSHIP_MARGIN_MS 2000

/* Called by the membership's one thread, one at a time. */
struct membership_callbacks {
    void *ctx;
    /* These partitions are ours, none of them was before, and the coordinator has confirmed it.
     * None (len 0): there are more members than partitions. Borrowed for the call. */
    void (*on_assigned)(void *ctx, const int32_t partitions[], size_t len);
    /* All that was assigned is no longer ours; when this returns another member may own it, so it
     * returns when the work for it has ended, within a second. is_lost: another one may own it
     * already. */
    void (*on_revoked)(void *ctx, bool is_lost);
};

/* Copied as far as it is kept. */
struct membership_options {
    const struct cluster *cluster;
    const char *topic;
    const char *group_id;
    int64_t session_timeout_ms;  /* at least 3000; a member that is silent as long is put out */
    const char *session_setting; /* what a person calls that; static */
    struct membership_callbacks callbacks;
};

/* Joins, and joins again whenever it must; the brokers need not be there.
 * Owns:   on STATUS_OK the caller ends it with membership_free().
 * Errors: STATUS_INVALID librdkafka refuses an option, or a secret file cannot be read.
 * STATUS_NOMEM.
 */
enum status membership_new(const struct membership_options *opt, struct membership **ret,
                           struct diag *diag) MUST_CHECK;

/* Revokes what is assigned, leaves the group so that others take over at once, and ends. A
 * coordinator that does not answer is waited for some six seconds, with nothing assigned any more.
 * Source: librdkafka gives a LeaveGroup five seconds (rd_kafka_LeaveGroupRequest, 2.0.2).
 * Thread: not from a callback. */
void membership_free(struct membership *m);

/* Leaves and joins again: what is assigned is revoked, and assigned anew to whom it may be. For an
 * owner who has lost a partition's writer. Thread: any, callbacks too. */
void membership_rejoin(struct membership *m);

/* Looks at the secret and certificate files again: when one has changed and the brokers take what
 * it holds now, leaves and joins again through a new client, as membership_rejoin(). Thread: any.
 */
void membership_reload(struct membership *m);

/* Until when what is assigned is surely nobody else's: the instant of the last proof + session
 * timeout - MEMBERSHIP_MARGIN_MS. 0 when nothing is. Ask right before each call to the outside: it
 * is past in a process that was stopped, until the coordinator has confirmed the ownership anew.
 * Thread: any.
 */
int64_t membership_deadline_mono_ms(const struct membership *m);

/* Whether the group has told us what is ours, be it nothing, or is about to tell it to the new
 * client of a membership_reload(). Thread: any. */
bool membership_is_joined(const struct membership *m);

/* Why the group takes nobody like us in, since it last said so; false: it has not, or has taken us
 * since. Joining is tried on and on. Thread: any. */
bool membership_is_refused(struct membership *m, struct diag *diag);

/* How many members the group has now, this process's included.
 * Errors: STATUS_UNAVAILABLE nobody can tell within the time; diag says why. STATUS_INVALID,
 * STATUS_NOMEM as membership_new().
 */
enum status membership_count(const struct cluster *cluster, const char *group_id,
                             int64_t until_mono_ms, size_t *ret, struct diag *diag) MUST_CHECK;
