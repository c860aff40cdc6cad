/* The life of a request, told in the phases of its connection (connection.h).
 *
 *                                            its route
 *                                   ┌─────► has no secret: ────┐ request_expire, or
 *                                   │           HELD           │ the route is refused
 *                                   │            │ request_    ▼
 *                                   │            ▼ reconsider
 *            request_begin          │ request_complete          request_settle
 *   HEADER ────────────────► BODY ──┴────────────────► PUBLISHING ─────────────► DECIDED
 *     │                       │ ▲│                         │     request_expire     │
 *     │ refused at the header │ └┘ request_gather          │                        │
 *     │                       │                            │ (libmicrohttpd calls   │ request_reply
 *     │                       │ refused, or nothing        │ in every turn: stands  │
 *     ▼                       ▼ to publish                 ▼ by, or is suspended)   ▼
 *   ANSWERING ◄──────────── ANSWERING ◄───────────────────────────────────────── ANSWERING
 *
 * One wrong signature too many goes from BODY to DELAYED, and with request_expire to DECIDED. Who
 * does not send all in time, or is slow while others have no room, goes from HEADER or BODY to CUT,
 * with request_refuse.
 *
 *     │ request_done
 *     ▼
 *   IDLE
 *
 * Invariants (request_check() says the same)
 * 1. A callback is answered 200 only from request_settle() with STATUS_OK, or when it holds no
 *    event, or is a registration probe: never because it was handed to the sink.
 * 2. Whether the sink's report or the deadline decides is settled once, in flight.c. Both come to
 *    the loop's thread, so nothing else here needs a lock.
 * 3. A connection is suspended in HELD and in DELAYED, where nothing is kept of the request but its
 *    answer. In PUBLISHING, where request.flight is in the sink's hands, it stands by for some
 *    turns, and is suspended then. One that stands by may lose its client: it is an orphan, and its
 *    request ends as any other.
 * 4. A request holds a slot of the budget exactly while it is admitted; the bytes of its body are
 *    the flight's, which may live longer.
 * 5. The answer is queued by the handler's own call, never while suspended: libmicrohttpd 1.0
 *    refuses anything else (its ChangeLog, 2023-09-03).
 * 6. The deadline runs from the arrival of the complete request: a sender waits for an answer from
 *    then on. What comes before is bounded by the header's and the body's own timeouts.
 * 7. No limit stands between a right signature and its verification: a limit counts what is wrong
 *    after it was judged, and what is right after it was verified.
 * 8. What is held was signed, and its route comes from the registry, which is to bring the secret.
 */
#include "bridge/ingress/request.h"

#include <assert.h>
#include <microhttpd.h>

#include "bridge/base/clock.h"
#include "bridge/base/hash64.h"
#include "bridge/domain/log_events.h"
#include "bridge/ingress/connection.h"
#include "bridge/ingress/framing.h"
#include "bridge/ingress/loop.h"
#include "bridge/ingress/room.h"

/* So many requests of a loop wait for a secret at once: it comes in a second, and until then each
 * of them keeps its body. Those beyond are told to come again. */
static const size_t held_max = 64;

/* A longer path names no route: route files have them up to 1024 bytes. It is on the stack, and the
 * compiler clears it for each request. */
#define PATH_SIZE 2048

/* How often a callback is taken up before it is refused for want of room. */
static const unsigned tries_max = 4;

static void request_check(const struct connection *c)
{
    const struct request *r = &c->request;
    assert((r->answer == ANSWER_NONE) == (c->phase < PHASE_DELAYED));
    assert(c->phase != PHASE_DELAYED || (r->flight == NULL && !r->admitted && r->counted));
    assert((c->phase != PHASE_BODY && c->phase != PHASE_PUBLISHING && c->phase != PHASE_HELD) ||
           (r->flight != NULL && r->admitted));
    assert(r->flight == NULL || r->route != NULL);
}

static void log_refusal(const struct request *r, const struct answer_row *row)
{
    struct log_field route = log_text("route", r->route == NULL ? NULL : r->route->specification);
    struct log_field reason = log_text("reason", row->reason);
    struct log_field code = log_number("code", row->code);
    struct log_field body_len = log_number("body_bytes", (int64_t)r->body_len);
    switch (row->log) {
    case ANSWER_LOG_NOTHING:
        break;
    case ANSWER_LOG_REJECTED:
        LOG(WEBHOOK_REJECTED, route, reason, code, body_len);
        break;
    case ANSWER_LOG_LIMITED:
        LOG(WEBHOOK_LIMITED, route, reason, code, body_len);
        break;
    case ANSWER_LOG_UNANSWERED:
        LOG(WEBHOOK_UNANSWERED, route, reason, code, body_len);
        break;
    }
}

void request_count(struct connection *c, enum answer answer, const char *path)
{
    struct request *r = &c->request;
    struct shared *s = c->loop->shared;
    const struct provider *provider = r->route == NULL ? NULL : r->route->provider;
    int64_t duration_us = r->started_mono_us == 0 ? 0 : clock_mono_us() - r->started_mono_us;
    r->counted = true;
    tally_answer(s->tally, provider, answer, duration_us);
    const struct answer_row *row = answer_row(answer);
    log_refusal(r, row);
    if (row->log == ANSWER_LOG_NOTHING || row->log == ANSWER_LOG_LIMITED)
        return;
    rejections_add(s->opt.rejections,
                   &(struct rejection){.at_unix_ms = clock_unix_ms(),
                                       .path = r->route == NULL ? path : r->route->path,
                                       .provider = provider == NULL ? NULL : provider->name,
                                       .reason = row->reason,
                                       .status = row->code,
                                       .body_len = r->body_len});
}

static bool queue_answer(struct connection *c, const char *path)
{
    enum answer answer = c->request.answer;
    connection_enter(c, PHASE_ANSWERING);
    request_check(c);
    if (!c->request.counted)
        request_count(c, answer, path);
    bool closes = c->request.is_unframed || atomic_load(&c->loop->shared->draining);
    return answers_queue(c->loop->answers, c->mhd, answer, closes);
}

/* --- limits ---------------------------------------------------------------------------------- */

/* Whom a limit is about: the account, or, where there is no route, everybody. */
static uint64_t limit_key(const struct route *route)
{
    if (route == NULL)
        return HASH64_START;
    uint64_t provider = hash64(HASH64_START, bytes_of_text(route->provider->name));
    return hash64(hash64(provider, BYTES_LITERAL("/")), bytes_of_text(route->account));
}

/* What is answered: that, or beyond the limit the other. */
static enum answer within_limit(struct connection *c, enum limited limited, enum answer within,
                                enum answer beyond)
{
    struct shared *s = c->loop->shared;
    if (limit_take(s->limits[limited], limit_key(c->request.route), clock_mono_us()))
        return within;
    tally_limited(s->tally, limited);
    return beyond;
}

/* --- the header ------------------------------------------------------------------------------ */

static enum MHD_Result see_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    (void)kind;
    framing_see(ctx, bytes_of(name, name_len), bytes_of(value == NULL ? "" : value, value_len));
    return MHD_YES;
}

static enum answer judge_framing(struct connection *c, struct framing *f)
{
    MHD_get_connection_values_n(c->mhd, MHD_HEADER_KIND, see_header, f);
    switch (framing_judge(f)) {
    case FRAMING_REFUSED:
        return ANSWER_FRAMING;
    case FRAMING_UNEXPECTED:
        return ANSWER_EXPECTATION;
    case FRAMING_FINE:
        return ANSWER_NONE;
    }
    return ANSWER_FRAMING;
}

/* Finds the route, in the place of the one that was found before. */
static enum answer find_route(struct connection *c, const char *path)
{
    struct request *r = &c->request;
    struct route *found = NULL;
    r->lookup = registry_find(c->loop->shared->opt.registry, path, &found);
    if (found != NULL) {
        route_unref(r->route);
        r->route = found;
    }
    switch (r->lookup) {
    case ROUTE_FOUND:
    case ROUTE_AWAITED:
        return ANSWER_NONE;
    case ROUTE_NOT_YET:
        return found == NULL ? ANSWER_PATH_NOT_YET : ANSWER_NONE;
    case ROUTE_UNKNOWN:
        return ANSWER_PATH_UNKNOWN;
    }
    return ANSWER_PATH_UNKNOWN;
}

static enum answer judge_path(struct connection *c, const char *target, char path[PATH_SIZE])
{
    static const char prefix[] = "/in/";
    if (!framing_decode_path(target, path, PATH_SIZE)) {
        path[0] = '\0';
        return ANSWER_PATH_UNKNOWN;
    }
    if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
        return ANSWER_PATH_UNKNOWN;
    return find_route(c, path);
}

/* A provider that probes a new webhook does so with any of three methods. */
static enum answer judge_method(const struct route *route, const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
        return ANSWER_NONE;
    bool probes = route->state == ROUTE_PENDING && route->provider->probes_registration;
    if (probes &&
        (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0))
        return ANSWER_PROBED;
    return ANSWER_METHOD;
}

static enum status admit_once(struct connection *c, size_t content_length)
{
    struct request *r = &c->request;
    struct shared *s = c->loop->shared;
    if (!budget_take_request(s->budget))
        return STATUS_BUSY;
    enum status status =
        flight_new(c->loop->mailbox, s->budget, s->opt.body_max_bytes, content_length, &r->flight);
    if (status != STATUS_OK) {
        budget_give_request(s->budget);
        return status;
    }
    r->flight->waiter = c;
    r->admitted = true;
    tally_in_flight(s->tally, 1);
    return STATUS_OK;
}

/* Whether so much more of the budget may be there now. What the slow gave back another loop may be
 * faster to take, which is not so every time. */
static bool may_try_again(const struct connection *c, unsigned tries, size_t requests, size_t bytes)
{
    return tries < tries_max && room_for_body(c, requests, bytes);
}

static enum answer admit(struct connection *c, uint64_t content_length)
{
    c->request.body_len = content_length;
    if (content_length > c->loop->shared->opt.body_max_bytes)
        return ANSWER_BODY_TOO_LARGE;
    enum status status;
    unsigned tries = 0;
    do
        status = admit_once(c, (size_t)content_length);
    while (status == STATUS_BUSY && may_try_again(c, ++tries, 1, (size_t)content_length));
    return status == STATUS_BUSY ? ANSWER_OVERLOADED : answer_of_status(status);
}

/* The order is a promise: what is judged first is answered first. */
static enum answer judge_header(struct connection *c, const char *target, const char *method,
                                char path[PATH_SIZE])
{
    struct framing f = {.providers = c->loop->shared->opt.providers};
    enum answer answer = judge_framing(c, &f);
    if (answer == ANSWER_NONE)
        answer = judge_path(c, target, path);
    if (answer == ANSWER_PATH_UNKNOWN)
        answer = within_limit(c, LIMITED_UNKNOWN_PATHS, answer, ANSWER_PATHS_LIMITED);
    if (answer == ANSWER_NONE)
        answer = judge_method(c->request.route, method);
    c->request.is_unframed = f.content_lengths + f.transfer_encodings == 0;
    if (answer == ANSWER_NONE)
        answer = admit(c, f.content_length);
    return answer;
}

bool request_begin(struct connection *c, const char *target, const char *method)
{
    char path[PATH_SIZE] = "";
    c->request.started_mono_us = clock_mono_us();
    enum answer answer = judge_header(c, target, method, path);
    if (answer == ANSWER_NONE) {
        connection_enter(c, PHASE_BODY);
        request_check(c);
        return true;
    }
    /* libmicrohttpd closes after an answer that comes before the body. */
    c->leaves_unread = true;
    c->request.answer = answer;
    return queue_answer(c, path);
}

/* --- the body -------------------------------------------------------------------------------- */

static enum answer answer_of_append(enum status status)
{
    if (status == STATUS_INVALID)
        return ANSWER_BODY_TOO_LARGE;
    return status == STATUS_BUSY ? ANSWER_OVERLOADED : answer_of_status(status);
}

/* libmicrohttpd takes no answer in the middle of a body (connection.c, MHD_queue_response(), 0.9.75
 * and 1.0.1), and a chunked one may never end. */
bool request_gather(struct connection *c, struct bytes piece)
{
    struct request *r = &c->request;
    enum status status;
    unsigned tries = 0;
    do
        status = flight_append(r->flight, piece);
    while (status == STATUS_BUSY && may_try_again(c, ++tries, 0, piece.len));
    c->loop->has_gathered = true;
    if (status == STATUS_OK) {
        if (c->half_closed)
            connection_enter(c, PHASE_BODY); /* there may be more to read out */
        return true;
    }
    r->body_len = r->flight->body.len + piece.len;
    r->answer = answer_of_append(status);
    request_count(c, r->answer, NULL);
    connection_refuse(c, r->answer);
    return false;
}

/* --- the complete request -------------------------------------------------------------------- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The white space around a value is none of it, but libmicrohttpd 0.9.75 leaves what is behind it
 * (measured; 1.0.1 does not): a good signature would be refused for it. What frames the request is
 * judged as it stands. Source: RFC 9110 section 5.5. */
static struct bytes trim(struct bytes value)
{
    while (value.len > 0 && is_blank(value.data[value.len - 1]))
        value.len--;
    while (value.len > 0 && is_blank(value.data[0]))
        value = bytes_of(value.data + 1, value.len - 1);
    return value;
}

/* A copy of a header's value that lives as long as the records; NULL without one, or without
 * memory. */
static const char *header_text(struct connection *c, const char *name, bool *ret_failed)
{
    const char *value =
        name == NULL ? NULL : MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
    if (value == NULL)
        return NULL;
    const char *copy = arena_dup(c->request.flight->pub.arena, trim(bytes_of_text(value)));
    *ret_failed |= copy == NULL;
    return copy;
}

static enum status read_callback(struct connection *c, struct callback *ret)
{
    const struct provider *p = c->request.route->provider;
    bool failed = false;
    *ret = (struct callback){
        .body = buf_bytes(&c->request.flight->body),
        .signature = header_text(c, p->signature_header, &failed),
        .delivery_id = header_text(c, p->delivery_id_header, &failed),
        .content_type = header_text(c, "Content-Type", &failed),
        .traceparent = header_text(c, "traceparent", &failed),
        .tracestate = header_text(c, "tracestate", &failed),
        .received_at_unix_ms = clock_unix_ms(),
    };
    return failed ? STATUS_NOMEM : STATUS_OK;
}

/* Nothing can be verified before there is a secret: an unsigned request is the provider's probe
 * where it makes one, a signed one is to come again. */
static enum answer answer_pending(const struct request *r)
{
    if (r->callback.signature != NULL)
        return r->lookup == ROUTE_NOT_YET ? ANSWER_PATH_NOT_YET : ANSWER_ROUTE_PENDING;
    return r->route->provider->probes_registration ? ANSWER_PROBED : ANSWER_SIGNATURE_MISSING;
}

static enum answer judge_signature(struct connection *c)
{
    const struct route *route = c->request.route;
    const struct callback *cb = &c->request.callback;
    struct shared *s = c->loop->shared;
    if (route->state == ROUTE_PENDING)
        return answer_pending(&c->request);
    enum verification verification = VERIFICATION_BAD;
    enum status status = route->provider->verify(route, cb, &s->opt.provider, &verification);
    if (status != STATUS_OK)
        return answer_of_status(status);
    tally_verification(s->tally, route->provider, verification);
    return answer_of_verification(verification);
}

/* What was held has waited a part of its time. */
static int64_t due_mono_ms(const struct connection *c)
{
    int64_t since = c->phase == PHASE_HELD ? c->deadline.since_mono_ms : clock_mono_ms();
    return since + c->loop->shared->opt.deadline_ms;
}

/* ANSWER_NONE: the sink has it, and its report decides. */
static enum answer publish(struct connection *c)
{
    const struct route *route = c->request.route;
    const struct callback *cb = &c->request.callback;
    struct shared *s = c->loop->shared;
    struct publication *pub = &c->request.flight->pub;
    struct event_list events = {0};
    enum status status = route->provider->unify(route, cb, &s->opt.provider, pub->arena, &events);
    if (status == STATUS_OK && events.len == 0)
        return ANSWER_ACCEPTED;
    if (status == STATUS_OK)
        status = envelope_seal(&s->opt.envelope, route, cb, &events, pub->arena, &pub->records);
    if (status != STATUS_OK)
        return answer_of_status(status);
    pub->records_len = events.len;
    pub->due_mono_ms = due_mono_ms(c);
    return answer_of_status(event_sink_publish(s->opt.sink, pub));
}

/* ANSWER_NONE: as publish(). */
static enum answer verify_and_publish(struct connection *c)
{
    enum answer answer = judge_signature(c);
    if (answer_row(answer)->code == MHD_HTTP_UNAUTHORIZED)
        return within_limit(c, LIMITED_FAILED_SIGNATURES, answer, ANSWER_SIGNATURES_LIMITED);
    if (answer == ANSWER_NONE)
        answer = within_limit(c, LIMITED_CALLBACKS, answer, ANSWER_CALLBACKS_LIMITED);
    return answer == ANSWER_NONE ? publish(c) : answer;
}

static bool may_be_held(const struct connection *c)
{
    const struct request *r = &c->request;
    return r->lookup == ROUTE_AWAITED && r->callback.signature != NULL && c->loop->held < held_max;
}

/* Half of all connections may wait for a refusal at most: the others are there for those who are
 * right. */
static bool may_be_delayed(const struct connection *c, enum answer answer)
{
    const struct loop *l = c->loop;
    return answer == ANSWER_SIGNATURES_LIMITED &&
           l->fifos[PHASE_DELAYED].len < l->shared->delayed_max &&
           !atomic_load(&l->shared->draining);
}

/* What it took of the budget is free again while it waits. */
static void let_go_of_callback(struct connection *c)
{
    struct request *r = &c->request;
    if (r->admitted) {
        budget_give_request(c->loop->shared->budget);
        tally_in_flight(c->loop->shared->tally, -1);
    }
    r->admitted = false;
    flight_unref(r->flight);
    r->flight = NULL;
    r->callback = (struct callback){0};
}

static void delay(struct connection *c)
{
    request_count(c, c->request.answer, NULL);
    let_go_of_callback(c);
    connection_enter(c, PHASE_DELAYED);
    request_check(c);
    connection_suspend(c);
}

bool request_complete(struct connection *c)
{
    struct request *r = &c->request;
    r->body_len = r->flight->body.len;
    enum answer answer = answer_of_status(read_callback(c, &r->callback));
    if (answer == ANSWER_NONE && r->lookup == ROUTE_AWAITED)
        answer = find_route(c, r->route->path); /* the body may have taken its time */
    bool is_held = answer == ANSWER_NONE && may_be_held(c);
    if (answer == ANSWER_NONE && !is_held)
        answer = verify_and_publish(c);
    r->answer = answer;
    if (may_be_delayed(c, answer)) {
        delay(c);
        return true;
    }
    if (answer != ANSWER_NONE)
        return queue_answer(c, NULL);
    /* The report may be there already: it waits in the mailbox, which only this thread empties. */
    connection_enter(c, is_held ? PHASE_HELD : PHASE_PUBLISHING);
    request_check(c);
    c->idle_calls = 0;
    if (is_held)
        connection_suspend(c);
    return true;
}

/* --- the answer ------------------------------------------------------------------------------ */

/* The client of an orphan is gone: its answer is counted, and that is all. */
static void resume(struct connection *c)
{
    connection_enter(c, PHASE_DECIDED);
    if (c->mhd != NULL) {
        connection_resume(c);
        return;
    }
    request_count(c, c->request.answer, NULL);
    connection_free(c);
}

static void decide(struct connection *c, enum answer answer)
{
    request_check(c);
    c->request.answer = answer;
    resume(c);
}

void request_reconsider(struct connection *c)
{
    request_check(c);
    assert(c->phase == PHASE_HELD && c->request.lookup == ROUTE_AWAITED);
    enum answer answer = find_route(c, c->request.route->path);
    if (answer == ANSWER_NONE && c->request.lookup == ROUTE_AWAITED)
        return;
    if (answer == ANSWER_NONE)
        answer = verify_and_publish(c);
    if (answer == ANSWER_NONE)
        connection_enter(c, PHASE_PUBLISHING);
    else
        decide(c, answer);
}

static void note_accepted(const struct connection *c, const struct publication *pub)
{
    const struct request *r = &c->request;
    const struct shared *s = c->loop->shared;
    if (s->opt.activity != NULL)
        activity_note(s->opt.activity, r->route, r->callback.received_at_unix_ms);
    if (replays_note(s->replays, record_header(&pub->records[0], "ce_id"), clock_mono_ms()))
        tally_replay(s->tally, r->route->provider);
}

void request_settle(struct flight *f)
{
    struct connection *c = f->waiter;
    if (f->report == STATUS_OK)
        note_accepted(c, &f->pub);
    decide(c, answer_of_report(f->report));
}

bool request_expire(struct connection *c)
{
    if (c->phase == PHASE_DELAYED) {
        resume(c);
        return true;
    }
    bool is_held = c->phase == PHASE_HELD;
    if (!is_held && !flight_expire(c->request.flight))
        return false;
    decide(c, is_held ? ANSWER_ROUTE_PENDING : ANSWER_DEADLINE);
    return true;
}

bool request_reply(struct connection *c)
{
    return queue_answer(c, NULL);
}

/* What waits for a report, or for a secret, is not refused: it is decided. */
void request_refuse(struct connection *c, enum answer answer)
{
    assert(c->phase <= PHASE_BODY);
    request_count(c, answer, "");
    connection_refuse(c, answer);
    connection_cut(c);
    let_go_of_callback(c);
}

void request_done(struct connection *c)
{
    struct request *r = &c->request;
    assert(c->phase != PHASE_PUBLISHING && c->phase != PHASE_HELD && c->phase != PHASE_DELAYED);
    let_go_of_callback(c);
    route_unref(r->route);
    *r = (struct request){0};
}
