#include "bridge/app/probe_run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/app/version.h"
#include "bridge/base/buf.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/httpclient/http_client.h"
#include "bridge/kafka/topic_tail.h"

/* How often a run that waits looks whether the answer came, or it is to end. */
static const int64_t turn_ms = 20;

/* Likewise while the brokers are asked; an answer from afar takes longer than a turn. */
static const int64_t question_ms = 1000;

/* How long the HTTP client is waited for, whose own limit is the end of the run. */
static const int64_t grace_ms = 200;

/* The ingress answers a line; a proxy before it may answer a page. */
static const size_t response_max_bytes = 1 << 20;

/* The event's record, sealed twice. */
static const size_t arena_bytes_max = 1 << 20;

const char *probe_hop_name(enum probe_hop hop)
{
    static const char *const names[PROBE_HOPS] = {
        [PROBE_KAFKA] = "kafka", [PROBE_DNS] = "dns",       [PROBE_CONNECT] = "connect",
        [PROBE_TLS] = "tls",     [PROBE_ANSWER] = "answer", [PROBE_RECORD] = "record",
    };
    return hop < PROBE_HOPS ? names[hop] : "none";
}

struct run {
    const struct probe_run_options *opt;
    struct probe_report *report;
    struct diag *diag; /* of what ends the run without a report */
    struct arena *arena;
    struct probe_event event;
    struct topic_tail *tail;
    struct http_client *client;
    int64_t until_mono_ms;
    int64_t sent_at_mono_us;
    int64_t met_at_mono_us; /* 0: the record was not met */
    struct diag wrong;      /* what is wrong with it */

    pthread_mutex_t lock; /* guards what follows: the client's thread writes it */
    bool is_over;         /* the call is done */
    int64_t over_at_mono_us;
    struct http_answer answer; /* without body and error */
    char error[256];
};

static enum status run_new(const struct probe_run_options *opt, struct probe_report *report,
                           struct diag *diag, struct run **ret)
{
    struct run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return STATUS_NOMEM;
    r->opt = opt;
    r->report = report;
    r->diag = diag;
    r->until_mono_ms = clock_mono_ms() + opt->timeout_ms;
    pthread_mutex_init(&r->lock, NULL);
    *ret = r;
    r->arena = arena_new(arena_bytes_max);
    return r->arena == NULL ? STATUS_NOMEM : STATUS_OK;
}

static void run_free(struct run *r)
{
    if (r == NULL)
        return;
    http_client_free(r->client); /* its thread writes into the run */
    topic_tail_free(r->tail);
    arena_free(r->arena);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
DEFINE_CLEANUP(struct run *, run_free)

static bool is_interrupted(struct run *r)
{
    if (!r->report->is_interrupted && r->opt->is_interrupted != NULL)
        r->report->is_interrupted = r->opt->is_interrupted(r->opt->ctx);
    return r->report->is_interrupted;
}

/* The run ends at this hop; the report says why. */
static void fail(struct run *r, enum probe_hop hop)
{
    r->report->failed = hop;
    if (r->report->is_interrupted)
        snprintf(r->report->problem.text, sizeof(r->report->problem.text), "interrupted");
}

/* --- kafka --------------------------------------------------------------------------------------
 */

/* Its ce_id is looked for, so it is made before it is sent; the rest of it is made again when the
 * ingress has said when it received the event. */
static enum status know_record(struct run *r, struct bytes *ret_key)
{
    struct record record;
    enum status status =
        probe_event_record(&r->event, &r->opt->rules, r->event.made_at_unix_ms, r->arena, &record);
    if (status != STATUS_OK)
        return status;
    struct bytes id = record_header(&record, "ce_id");
    snprintf(r->report->topic, sizeof(r->report->topic), "%s", record.topic);
    snprintf(r->report->id, sizeof(r->report->id), "%.*s", (int)id.len, (const char *)id.data);
    *ret_key = record.key;
    return STATUS_OK;
}

static void tell_kafka_away(struct run *r)
{
    const char *trouble = topic_tail_trouble(r->tail);
    diag_set(&r->report->problem, STATUS_UNAVAILABLE, "%s: the brokers do not answer%s%.200s",
             r->report->topic, trouble[0] == '\0' ? "" : ": ", trouble);
}

static enum status begin_reading(struct run *r)
{
    struct bytes key;
    int64_t began_mono_us = clock_mono_us();
    enum status status = know_record(r, &key);
    if (status == STATUS_OK)
        status = topic_tail_new(r->opt->cluster, r->report->topic, key, &r->tail, r->diag);
    if (status != STATUS_OK)
        return status;
    do
        status = topic_tail_begin(r->tail, clock_mono_ms() + question_ms, &r->report->problem);
    while (status == STATUS_BUSY && !is_interrupted(r) && clock_mono_ms() < r->until_mono_ms);
    r->report->partition = topic_tail_partition(r->tail);
    if (status == STATUS_OK)
        r->report->hops_us[PROBE_KAFKA] = clock_mono_us() - began_mono_us;
    if (status == STATUS_BUSY)
        tell_kafka_away(r);
    if (status != STATUS_OK)
        fail(r, PROBE_KAFKA);
    return STATUS_OK;
}

/* --- sending ------------------------------------------------------------------------------------
 */

/* Thread: the client's. */
static void on_done(void *ctx, const struct http_answer *answer)
{
    struct run *r = ctx;
    pthread_mutex_lock(&r->lock);
    r->answer = *answer;
    r->answer.body = bytes_of(NULL, 0);
    snprintf(r->error, sizeof(r->error), "%s", answer->error);
    r->answer.error = r->error;
    r->over_at_mono_us = clock_mono_us();
    r->is_over = true;
    pthread_mutex_unlock(&r->lock);
}

/* The path stands decoded in its file; what a URL cannot hold is percent-encoded. */
static void write_url(const struct run *r, struct buf *ret)
{
    buf_append_text(ret, r->opt->base_url);
    for (const char *at = r->opt->route->path; *at != '\0'; at++) {
        if (*at > ' ' && *at <= '~')
            buf_append(ret, at, 1);
        else
            buf_printf(ret, "%%%02X", (unsigned char)*at);
    }
}

static enum status start_client(struct run *r)
{
    const struct probe_run_options *opt = r->opt;
    const struct http_base base = {.url = opt->base_url};
    int64_t left_ms = r->until_mono_ms - clock_mono_ms();
    char user_agent[64];
    if (left_ms < 1)
        left_ms = 1;
    snprintf(user_agent, sizeof(user_agent), "maesn-bridge/%s (probe)", version_text());
    const struct http_client_options client = {
        .bases = &base,
        .bases_len = 1,
        .concurrency = 1,
        .calls_max = 1,
        .connect_timeout_ms = opt->connect_timeout_ms < left_ms ? opt->connect_timeout_ms : left_ms,
        .timeout_ms = left_ms,
        .response_max_bytes = response_max_bytes,
        .ca_file = opt->ca_file,
        .user_agent = user_agent,
    };
    return http_client_new(&client, &r->client, r->diag);
}

static enum status send_event(struct run *r)
{
    CLEANUP(buf_done) struct buf url;
    buf_init(&url, 8192);
    write_url(r, &url);
    const struct http_header headers[] = {
        {"Content-Type", BYTES_LITERAL("application/json")},
        {r->opt->route->provider->signature_header, bytes_of_text(r->event.signature)},
        {"traceparent", bytes_of_text(r->event.traceparent)},
    };
    const struct http_request request = {
        .method = HTTP_POST,
        .url = buf_text(&url),
        .headers = headers,
        .headers_len = sizeof(headers) / sizeof(headers[0]),
        .body = bytes_of(r->event.body, r->event.body_len),
        .key = r->opt->route->account,
        .start_within_ms = r->opt->timeout_ms,
    };
    enum status status = url.status == STATUS_OK ? start_client(r) : url.status;
    if (status != STATUS_OK)
        return status;
    r->report->sent_at_unix_ms = clock_unix_ms();
    r->sent_at_mono_us = clock_mono_us();
    return http_client_submit(r->client, &request, on_done, r, r->diag);
}

/* --- what became of it --------------------------------------------------------------------------
 */

/* What an answer other than 200 says to who probes. */
static const char *hint(unsigned code)
{
    switch (code) {
    case 401:
        return ": the ingress knows another secret for this route, or the body was changed on the "
               "way";
    case 404:
        return ": the ingress does not have this route (yet), or the URL leads elsewhere";
    case 429:
        return ": a limit of the ingress, or of a proxy before it";
    case 502:
    case 504:
        return ": a proxy before the ingress does not reach it";
    case 503:
        return ": Kafka does not acknowledge, a topic is missing, the ingress is at its limits, or "
               "is not there";
    default:
        return code >= 300 && code < 400 ? ": a redirect is not followed" : "";
    }
}

static bool is_lasting(unsigned code)
{
    return code < 500 && code != 408 && code != 429;
}

/* The first step that an attempt did not come through. */
static enum probe_hop failed_hop(const struct http_times *times)
{
    return times->resolved_us == 0    ? PROBE_DNS
           : times->connected_us == 0 ? PROBE_CONNECT
           : times->secured_us == 0   ? PROBE_TLS
                                      : PROBE_ANSWER;
}

static int64_t step(int64_t from_us, int64_t to_us)
{
    return to_us == 0 ? PROBE_NOT_REACHED : to_us > from_us ? to_us - from_us : 0;
}

/* Puts the call's times into the report. Under the lock. */
static void measure(struct run *r)
{
    const struct http_times *times = &r->answer.times;
    int64_t *hops_us = r->report->hops_us;
    hops_us[PROBE_DNS] = step(0, times->resolved_us);
    hops_us[PROBE_CONNECT] = step(times->resolved_us, times->connected_us);
    if (r->report->is_secured)
        hops_us[PROBE_TLS] = step(times->connected_us, times->secured_us);
    hops_us[PROBE_ANSWER] = step(times->secured_us, times->answered_us);
    r->report->total_us = r->over_at_mono_us - r->sent_at_mono_us;
}

/* Under the lock. */
static void judge_answer(struct run *r)
{
    struct probe_report *report = r->report;
    bool is_answered = r->answer.outcome == HTTP_ANSWERED;
    measure(r);
    report->code = r->answer.code;
    if (report->code == 200)
        return;
    if (is_answered)
        diag_set(&report->problem, STATUS_UNAVAILABLE, "answered %u%s", report->code,
                 hint(report->code));
    else
        diag_set(&report->problem, STATUS_UNAVAILABLE, "%s", r->error);
    report->is_refused = is_answered && is_lasting(report->code);
    fail(r, failed_hop(&r->answer.times));
}

/* Returns whether the call is over; it is judged once. */
static bool look_at_answer(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    bool is_over = r->is_over;
    if (is_over && r->report->code == 0 && r->report->failed == PROBE_HOPS)
        judge_answer(r);
    pthread_mutex_unlock(&r->lock);
    return is_over;
}

static enum status take_record(struct run *r, const struct topic_tail_record *found)
{
    struct probe_report *report = r->report;
    bool is_ours = bytes_equal(record_header(&found->record, "ce_id"), bytes_of_text(report->id));
    if (!is_ours || r->met_at_mono_us != 0) /* sent twice by an ingress that had to */
        return STATUS_OK;
    r->met_at_mono_us = clock_mono_us();
    report->met_at_unix_ms = clock_unix_ms();
    report->offset = found->offset;
    report->timestamp_unix_ms = found->timestamp_unix_ms;
    enum status status = probe_event_check(&r->event, &r->opt->rules, &found->record, r->arena,
                                           &report->received_at_unix_ms, &r->wrong);
    return status == STATUS_INVALID ? STATUS_OK : status; /* the answer still counts first */
}

static enum status read_on(struct run *r)
{
    const struct topic_tail_record *found;
    enum status status =
        topic_tail_next(r->tail, clock_mono_ms() + turn_ms, &found, &r->report->problem);
    if (status == STATUS_OK)
        return take_record(r, found);
    if (status == STATUS_UNAVAILABLE)
        fail(r, PROBE_RECORD);
    return status == STATUS_NOMEM ? status : STATUS_OK;
}

/* Nothing more came until the end of the run. */
static void give_up(struct run *r)
{
    if (!look_at_answer(r)) {
        http_client_free(TAKE(r->client)); /* ends the call */
        (void)look_at_answer(r);
        return;
    }
    const char *trouble = topic_tail_trouble(r->tail);
    diag_set(
        &r->report->problem, STATUS_UNAVAILABLE,
        "answered 200, but not in %s, partition %d, after %lld s: it may wait in the spool, or "
        "be a dead letter%s%.150s",
        r->report->topic, r->report->partition, (long long)(r->opt->timeout_ms / 1000),
        trouble[0] == '\0' ? "" : "; ", trouble);
    r->report->total_us = clock_mono_us() - r->sent_at_mono_us;
    fail(r, PROBE_RECORD);
}

static bool has_failed(const struct run *r)
{
    return r->report->failed != PROBE_HOPS;
}

/* The record may come before the answer: the ingress waits for the brokers' word, too. */
static enum status wait(struct run *r)
{
    enum status status = STATUS_OK;
    bool is_over = false;
    while (status == STATUS_OK && !has_failed(r) && !(is_over && r->met_at_mono_us != 0) &&
           !is_interrupted(r) && clock_mono_ms() < r->until_mono_ms + (is_over ? 0 : grace_ms)) {
        status = read_on(r);
        is_over = look_at_answer(r);
    }
    if (status == STATUS_OK && !has_failed(r) && !(is_over && r->met_at_mono_us != 0))
        give_up(r);
    return status;
}

/* Both came. */
static void finish(struct run *r)
{
    struct probe_report *report = r->report;
    int64_t after_us = r->met_at_mono_us - r->over_at_mono_us;
    report->hops_us[PROBE_RECORD] = after_us > 0 ? after_us : 0;
    report->total_us += report->hops_us[PROBE_RECORD];
    if (r->wrong.text[0] == '\0')
        return;
    report->problem = r->wrong;
    report->is_refused = true;
    fail(r, PROBE_RECORD);
}

static void report_init(struct probe_report *report, const struct probe_run_options *opt)
{
    *report = (struct probe_report){.failed = PROBE_HOPS, .partition = -1, .offset = -1};
    report->is_secured = strncmp(opt->base_url, "https:", 6) == 0;
    for (int i = 0; i < PROBE_HOPS; i++)
        report->hops_us[i] = PROBE_NOT_REACHED;
}

enum status probe_run(const struct probe_run_options *opt, struct probe_report *ret,
                      struct diag *diag)
{
    CLEANUP(run_free_scoped) struct run *r = NULL;
    report_init(ret, opt);
    enum status status = run_new(opt, ret, diag, &r);
    if (status == STATUS_OK)
        status = http_client_prepare();
    if (status == STATUS_OK)
        status = probe_event_make(opt->route, clock_unix_ms(), &r->event);
    if (status == STATUS_OK)
        status = begin_reading(r);
    if (status != STATUS_OK || has_failed(r))
        return status;
    status = send_event(r);
    if (status == STATUS_OK)
        status = wait(r);
    if (status == STATUS_OK && !has_failed(r))
        finish(r);
    return status;
}
