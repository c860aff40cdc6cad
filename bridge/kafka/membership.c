/*
 * Life of an assignment, all in the membership's thread:
 *
 *     none ──on_rebalance──► given ──take_proof, the first──► ours ──on_rebalance──► none
 *                              └────────────on_rebalance────────────────────────────►┘
 *
 * The caller hears of `ours` (on_assigned) and of its end (on_revoked). While given or ours, a
 * proof is asked for every quarter of the session: an offset commit, which the coordinator accepts
 * from a member of the current generation only, and which starts its session anew. Source: Kafka,
 * GroupCoordinator.validateOffsetCommit and the classic group's session timer.
 *
 * Invariants (membership_check):
 *  1. The deadline is 0 unless the assignment is ours.
 *  2. An assignment without partitions needs no proof and has no deadline.
 */
#include "bridge/kafka/membership.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/kafka/client.h"
#include "bridge/kafka/successor.h"

#define POLL_MS 50

/* How long leaving may take before the session's timeout is left to do it. */
#define LEAVE_TIMEOUT_MS 2000

/* More partitions than any table of ours has. */
#define PARTITIONS_MAX 4096

enum assignment {
    ASSIGNMENT_NONE = 0,
    ASSIGNMENT_GIVEN, /* by the coordinator, not yet proven */
    ASSIGNMENT_OURS,
};

struct membership {
    struct membership_callbacks callbacks;
    char *topic;
    char *group_id;
    int64_t session_timeout_ms;
    const char *session_setting;
    struct successor successor;
    rd_kafka_t *rk;           /* of the thread, once it runs */
    rd_kafka_queue_t *proofs; /* likewise: answers to commits */
    pthread_t thread;
    bool has_thread;

    /* The thread's own. */
    enum assignment assignment;
    int32_t *partitions;
    size_t partitions_len;
    uintptr_t question; /* counts; the answer to an earlier one proves nothing */
    bool is_asking;
    int64_t asked_at_mono_ms;
    bool is_leaving; /* to join again */

    atomic_bool is_stopping;
    atomic_bool wants_rejoin;
    atomic_bool is_joined;
    atomic_llong renewed_until_mono_ms; /* until then a new client may take to join */
    atomic_llong deadline_mono_ms;

    pthread_mutex_t lock; /* guards what follows */
    struct diag refusal;  /* "": none */
};

DEFINE_CLEANUP(struct membership *, membership_free)

static void list_release(rd_kafka_topic_partition_list_t **list)
{
    if (*list != NULL)
        rd_kafka_topic_partition_list_destroy(*list);
}

static void membership_check(const struct membership *m)
{
    long long deadline = atomic_load(&m->deadline_mono_ms);
    assert(deadline == 0 || m->assignment == ASSIGNMENT_OURS);
    assert(deadline == 0 || m->partitions_len > 0);
}

/* --- proofs ------------------------------------------------------------------------------------
 */

static void ask_for_proof(struct membership *m, int64_t now)
{
    CLEANUP(list_release)
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    /* The offset says nothing: no member reads. */
    rd_kafka_topic_partition_list_add(offsets, m->topic, m->partitions[0])->offset = 0;
    m->asked_at_mono_ms = now;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a number is what comes back with the answer */
    m->is_asking = rd_kafka_commit_queue(m->rk, offsets, m->proofs, NULL, (void *)++m->question) ==
                   RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void ask_if_due(struct membership *m)
{
    if (m->assignment == ASSIGNMENT_NONE || m->partitions_len == 0)
        return;
    int64_t now = clock_mono_ms(), pause_ms = m->session_timeout_ms / 4;
    if (m->is_asking)
        pause_ms =
            m->session_timeout_ms / 2; /* librdkafka may keep the question back for a minute */
    else if (m->assignment == ASSIGNMENT_GIVEN)
        pause_ms = POLL_MS;
    if (now - m->asked_at_mono_ms >= pause_ms)
        ask_for_proof(m, now);
}

/* The assignment is proven, or needs no proof. */
static void become_ours(struct membership *m, int64_t deadline_mono_ms)
{
    bool is_first = m->assignment == ASSIGNMENT_GIVEN;
    m->assignment = ASSIGNMENT_OURS;
    atomic_store(&m->deadline_mono_ms, deadline_mono_ms);
    membership_check(m);
    if (is_first && m->callbacks.on_assigned != NULL)
        m->callbacks.on_assigned(m->callbacks.ctx, m->partitions, m->partitions_len);
}

static void take_proof(struct membership *m, rd_kafka_event_t *event)
{
    if ((uintptr_t)rd_kafka_event_opaque(event) != m->question || !m->is_asking)
        return;
    m->is_asking = false;
    /* A commit that was kept back while the coordinator was away may be sent by a member that was
     * put out meanwhile, and an empty group accepts it.
     * Source: rd_kafka_cgrp_defer_offset_commit, rdkafka_cgrp.c 2.0.2. */
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        !rd_kafka_assignment_lost(m->rk))
        become_ours(m, m->asked_at_mono_ms + m->session_timeout_ms - MEMBERSHIP_MARGIN_MS);
}

static void take_proofs(struct membership *m)
{
    while (true) {
        CLEANUP(client_event_release) rd_kafka_event_t *event = rd_kafka_queue_poll(m->proofs, 0);
        if (event == NULL)
            return;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
            take_proof(m, event);
    }
}

/* --- rebalances --------------------------------------------------------------------------------
 */

static void set_refusal(struct membership *m, const struct diag *refusal)
{
    pthread_mutex_lock(&m->lock);
    m->refusal = *refusal;
    pthread_mutex_unlock(&m->lock);
}

static void take_assignment(struct membership *m, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    rd_kafka_resp_err_t err = rd_kafka_assign(m->rk, list);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR && list->cnt > 0)
        err = rd_kafka_pause_partitions(m->rk, list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        LOG(KAFKA_LOGGED, log_text("error", rd_kafka_err2name(err)), log_text("topic", m->topic));
    set_refusal(m, &(struct diag){0});
    m->partitions_len = 0;
    for (int i = 0; i < list->cnt && m->partitions_len < PARTITIONS_MAX; i++)
        m->partitions[m->partitions_len++] = list->elems[i].partition;
    m->assignment = ASSIGNMENT_GIVEN;
    m->asked_at_mono_ms = 0;
    atomic_store(&m->is_joined, true);
    if (m->partitions_len == 0)
        become_ours(m, 0);
}

static void give_back(struct membership *m, bool is_lost)
{
    bool was_ours = m->assignment == ASSIGNMENT_OURS;
    atomic_store(&m->deadline_mono_ms, 0);
    atomic_store(&m->is_joined, false);
    m->assignment = ASSIGNMENT_NONE;
    m->is_asking = false;
    if (was_ours && m->callbacks.on_revoked != NULL)
        m->callbacks.on_revoked(m->callbacks.ctx, is_lost);
    m->partitions_len = 0;
    membership_check(m);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct membership *m = opaque;
    if (m->assignment != ASSIGNMENT_NONE)
        give_back(m, rd_kafka_assignment_lost(rk));
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        take_assignment(m, list);
    else
        rd_kafka_assign(rk, NULL);
}

/* What stays an error until a person changes something. */
static bool is_lasting(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT ||
           err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           err == RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL ||
           err == RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED;
}

static void take_refusal(struct membership *m, rd_kafka_resp_err_t err)
{
    struct diag refusal = {0};
    if (err == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT)
        diag_set(&refusal, STATUS_INVALID,
                 "%s: %" PRId64 ", expected one between the brokers' group.min.session.timeout.ms "
                 "and group.max.session.timeout.ms",
                 m->session_setting, m->session_timeout_ms);
    else
        diag_set(&refusal, STATUS_UNAVAILABLE, "group %s: %s", m->group_id, rd_kafka_err2str(err));
    LOG(GROUP_REFUSED, log_text("group", m->group_id), log_text("error", refusal.text));
    set_refusal(m, &refusal);
}

/* Nothing is to be read: whatever comes is an error, or slipped through before the pause. */
static void take_message(struct membership *m, rd_kafka_message_t *message)
{
    if (is_lasting(message->err))
        take_refusal(m, message->err);
    else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
             message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        LOG(KAFKA_LOGGED, log_text("error", rd_kafka_err2name(message->err)),
            log_text("topic", m->topic), log_text("message", rd_kafka_message_errstr(message)));
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void join(struct membership *m)
{
    CLEANUP(list_release)
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, m->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = rd_kafka_subscribe(m->rk, topics);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        LOG(KAFKA_LOGGED, log_text("error", rd_kafka_err2name(err)), log_text("topic", m->topic));
}

/* Leaves when that is wanted, and joins again once what was assigned is given back. */
static void rejoin_if_wanted(struct membership *m)
{
    if (atomic_exchange(&m->wants_rejoin, false) && !m->is_leaving) {
        m->is_leaving = true;
        rd_kafka_unsubscribe(m->rk);
    }
    if (m->is_leaving && m->assignment == ASSIGNMENT_NONE) {
        m->is_leaving = false;
        join(m);
    }
}

/* Leaves the group; what is assigned is given back on the way. */
static void leave(struct membership *m)
{
    int64_t until = clock_mono_ms() + LEAVE_TIMEOUT_MS;
    CLEANUP(client_queue_release) rd_kafka_queue_t *queue = rd_kafka_queue_new(m->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(m->rk, queue);
    if (error != NULL)
        rd_kafka_error_destroy(error);
    else
        while (!rd_kafka_consumer_closed(m->rk) && clock_mono_ms() < until) {
            rd_kafka_message_t *message = rd_kafka_consume_queue(queue, POLL_MS);
            if (message != NULL)
                rd_kafka_message_destroy(message);
        }
    if (m->assignment != ASSIGNMENT_NONE)
        give_back(m, false);
}

static enum status make_client(void *ctx, const struct cluster *cluster, rd_kafka_t **ret,
                               struct diag *diag)
{
    struct membership *m = ctx;
    char session[32], heartbeat[32], poll_interval[32];
    snprintf(session, sizeof session, "%" PRId64, m->session_timeout_ms);
    snprintf(heartbeat, sizeof heartbeat, "%" PRId64, m->session_timeout_ms / 4);
    /* A member whose thread hangs is put out too; librdkafka wants at least the session. */
    snprintf(poll_interval, sizeof poll_interval, "%" PRId64, m->session_timeout_ms * 3);
    const struct cluster_property properties[] = {
        {"group.id", m->group_id},
        {"session.timeout.ms", session},
        {"heartbeat.interval.ms", heartbeat},
        {"max.poll.interval.ms", poll_interval},
        /* Not cooperative-sticky: it has faults up to 2.4.0. Source: librdkafka CHANGELOG.md. */
        {"partition.assignment.strategy", "range"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "latest"},
    };
    rd_kafka_conf_t *conf = NULL;
    enum status status =
        client_conf(cluster, properties, sizeof properties / sizeof properties[0], &conf, diag);
    if (status != STATUS_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, m);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    status = client_new_take(RD_KAFKA_CONSUMER, conf, ret, diag);
    if (status == STATUS_OK)
        rd_kafka_poll_set_consumer(*ret);
    return status;
}

static void close_client(struct membership *m)
{
    if (m->proofs != NULL)
        rd_kafka_queue_destroy(m->proofs);
    if (m->rk != NULL) /* it was closed, or would not close in time */
        rd_kafka_destroy_flags(m->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    m->proofs = NULL;
    m->rk = NULL;
}

/* Goes on through another client if there is one: two of them would be two members. */
static void take_successor(struct membership *m)
{
    const struct successor_maker maker = {m, make_client};
    rd_kafka_t *rk = successor_take(&m->successor, &maker);
    if (rk == NULL)
        return;
    if (atomic_load(&m->is_joined))
        atomic_store(&m->renewed_until_mono_ms,
                     clock_mono_ms() + LEAVE_TIMEOUT_MS + m->session_timeout_ms);
    leave(m);
    close_client(m);
    m->rk = rk;
    m->proofs = rd_kafka_queue_new(rk);
    m->is_leaving = false;
    join(m);
    LOG(KAFKA_CLIENT_REPLACED, log_text("topic", m->topic), log_text("client", "group member"));
}

static void *member_main(void *ctx)
{
    struct membership *m = ctx;
    join(m);
    while (!atomic_load(&m->is_stopping)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(m->rk, POLL_MS);
        if (message != NULL) {
            take_message(m, message);
            rd_kafka_message_destroy(message);
        }
        take_proofs(m);
        ask_if_due(m);
        rejoin_if_wanted(m);
        take_successor(m);
    }
    leave(m);
    return NULL;
}

/* --- from outside ------------------------------------------------------------------------------
 */

enum status membership_new(const struct membership_options *opt, struct membership **ret,
                           struct diag *diag)
{
    CLEANUP(membership_free_scoped) struct membership *m = calloc(1, sizeof *m);
    if (m == NULL)
        return STATUS_NOMEM;
    m->callbacks = opt->callbacks;
    m->session_timeout_ms = opt->session_timeout_ms;
    m->session_setting = opt->session_setting;
    pthread_mutex_init(&m->lock, NULL);
    m->topic = strdup(opt->topic);
    m->group_id = strdup(opt->group_id);
    m->partitions = calloc(PARTITIONS_MAX, sizeof *m->partitions);
    if (m->topic == NULL || m->group_id == NULL || m->partitions == NULL)
        return STATUS_NOMEM;
    enum status status = successor_init(&m->successor, opt->cluster);
    if (status == STATUS_OK)
        status = make_client(m, opt->cluster, &m->rk, diag);
    if (status != STATUS_OK)
        return status;
    m->proofs = rd_kafka_queue_new(m->rk);
    if (pthread_create(&m->thread, NULL, member_main, m) != 0)
        return STATUS_NOMEM;
    m->has_thread = true;
    *ret = TAKE(m);
    return STATUS_OK;
}

void membership_free(struct membership *m)
{
    if (m == NULL)
        return;
    atomic_store(&m->is_stopping, true);
    if (m->has_thread)
        pthread_join(m->thread, NULL);
    close_client(m);
    successor_done(&m->successor);
    pthread_mutex_destroy(&m->lock);
    free(m->partitions);
    free(m->group_id);
    free(m->topic);
    free(m);
}

void membership_rejoin(struct membership *m)
{
    atomic_store(&m->wants_rejoin, true);
}

void membership_reload(struct membership *m)
{
    successor_want(&m->successor);
}

int64_t membership_deadline_mono_ms(const struct membership *m)
{
    return atomic_load(&m->deadline_mono_ms);
}

bool membership_is_joined(const struct membership *m)
{
    return atomic_load(&m->is_joined) || clock_mono_ms() < atomic_load(&m->renewed_until_mono_ms);
}

bool membership_is_refused(struct membership *m, struct diag *diag)
{
    pthread_mutex_lock(&m->lock);
    const struct diag refusal = m->refusal;
    pthread_mutex_unlock(&m->lock);
    if (refusal.text[0] == '\0')
        return false;
    diag_set(diag, STATUS_UNAVAILABLE, "%s", refusal.text);
    return true;
}

/* --- counting members --------------------------------------------------------------------------
 */

/* One question. Returns whether there is nothing to gain from another one. */
static bool describe(rd_kafka_t *rk, const char *group_id, int64_t until_mono_ms, size_t *ret,
                     char ret_why[], size_t why_len)
{
    CLEANUP(client_queue_release) rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    int timeout_ms = client_remaining_ms(until_mono_ms, 60000);
    char ignored[128];
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ignored, sizeof ignored);
    rd_kafka_DescribeConsumerGroups(rk, &group_id, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);
    CLEANUP(client_event_release)
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms + POLL_MS);
    snprintf(ret_why, why_len, "%s",
             event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    size_t len;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(
            rd_kafka_event_DescribeConsumerGroups_result(event), &len);
    const rd_kafka_error_t *error =
        len == 1 ? rd_kafka_ConsumerGroupDescription_error(groups[0]) : NULL;
    if (error != NULL) {
        snprintf(ret_why, why_len, "%s", rd_kafka_error_string(error));
        rd_kafka_resp_err_t err = rd_kafka_error_code(error);
        /* The coordinator is on its way: the first of a new cluster, or after a broker's end. */
        return err != RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS &&
               err != RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE &&
               err != RD_KAFKA_RESP_ERR_NOT_COORDINATOR;
    }
    if (len == 1) {
        ret_why[0] = '\0';
        *ret = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
    }
    return true;
}

enum status membership_count(const struct cluster *cluster, const char *group_id,
                             int64_t until_mono_ms, size_t *ret, struct diag *diag)
{
    rd_kafka_conf_t *conf = NULL;
    rd_kafka_t *rk = NULL;
    enum status status = client_conf(cluster, NULL, 0, &conf, diag);
    if (status == STATUS_OK)
        status = client_new_take(RD_KAFKA_PRODUCER, conf, &rk, diag);
    if (status != STATUS_OK)
        return status;
    char why[256] = "";
    while (!describe(rk, group_id, until_mono_ms, ret, why, sizeof why) &&
           clock_mono_ms() < until_mono_ms)
        (void)poll(NULL, 0, POLL_MS);
    rd_kafka_destroy(rk);
    return why[0] == '\0' ? STATUS_OK
                          : diag_set(diag, STATUS_UNAVAILABLE, "group %s: %s", group_id, why);
}
