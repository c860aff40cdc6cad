/* A call's way: MHD calls handle() with the head, for which a struct request is made; with pieces
 * of the body, which it collects; and with the end, which act() answers. MHD then says that the
 * request is completed, and it is freed.
 *
 * A fault strikes before the service acts, changes what the service writes, or strikes after.
 */
#include "bridge/dev/provider_server.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "bridge/base/address.h"
#include "bridge/base/clock.h"
#include "bridge/base/scoped.h"
#include "bridge/dev/service.h"

/* A reconciler's calls under way, and a few people. */
static const unsigned connections_max = 256;
static const size_t connection_memory_bytes = 32768;
static const unsigned idle_timeout_s = 60;

/* A Moneybird webhook with all events takes some 12 KB. */
static const size_t request_body_max = 128 * 1024;

static const unsigned delay_default_ms = 1000;

struct provider_server {
    struct provider_server_options opt;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t changed;
    bool stopping;
};

struct request {
    struct buf body;
};

/* What is queued in the end. */
struct reply {
    struct service_answer answer;
    const char *content_type;
    bool resets;    /* instead of any answer */
    bool truncates; /* the answer, in its middle */
    bool done;      /* the service was asked */
};

/* --- replies ---------------------------------------------------------------------------------- */

static void response_destroy(struct MHD_Response *response)
{
    if (response != NULL)
        MHD_destroy_response(response);
}

DEFINE_CLEANUP(struct MHD_Response *, response_destroy)

static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_number(struct MHD_Response *response, const char *name, int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return add_header(response, name, text);
}

/* Source: github.com/moneybird/openapi at ff5b679 (2026-08-21), the answer 429. */
static bool add_allowance(struct MHD_Response *response, const struct world_allowance *allowance)
{
    return allowance->limit == 0 ||
           (add_number(response, "RateLimit-Limit", allowance->limit) &&
            add_number(response, "RateLimit-Remaining", allowance->remaining) &&
            add_number(response, "RateLimit-Reset", allowance->reset_unix_s));
}

/* Gives half of the text, and then an error: MHD closes the connection. */
static ssize_t read_half(void *cls, uint64_t position, char *ret, size_t max)
{
    const struct buf *body = cls;
    size_t half = body->len / 2;
    if (position >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t len = half - (size_t)position < max ? half - (size_t)position : max;
    memcpy(ret, body->data + position, len);
    return (ssize_t)len;
}

static void free_half(void *cls)
{
    struct buf *body = cls;
    buf_done(body);
    free(body);
}

static struct MHD_Response *make_truncated(struct buf *body)
{
    struct buf *kept = malloc(sizeof(*kept));
    if (kept == NULL)
        return NULL;
    *kept = *body;
    *body = (struct buf){0};
    struct MHD_Response *response =
        MHD_create_response_from_callback(kept->len, 4096, read_half, kept, free_half);
    if (response == NULL)
        free_half(kept);
    return response;
}

static struct MHD_Response *make_response(struct reply *r)
{
    struct buf *body = &r->answer.body;
    if (r->truncates && body->len > 1)
        return make_truncated(body);
    return MHD_create_response_from_buffer(body->len, (void *)buf_text(body),
                                           MHD_RESPMEM_MUST_COPY);
}

/* With a reset the client sees that the connection broke, not that it was closed. */
static enum MHD_Result reset(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const struct linger at_once = {.l_onoff = 1};
    if (info != NULL)
        (void)setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    return MHD_NO;
}

static enum MHD_Result queue(struct MHD_Connection *connection, struct reply *r)
{
    if (r->resets || r->answer.body.status != STATUS_OK)
        return reset(connection);
    CLEANUP(response_destroy_scoped) struct MHD_Response *response = make_response(r);
    if (response == NULL || !add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type) ||
        !add_allowance(response, &r->answer.allowance))
        return MHD_NO;
    if (r->answer.retry_after > 0 &&
        !add_number(response, MHD_HTTP_HEADER_RETRY_AFTER, r->answer.retry_after))
        return MHD_NO;
    return MHD_queue_response(connection, r->answer.code, response);
}

/* --- faults ----------------------------------------------------------------------------------- */

/* Returns false when the server stops instead. */
static bool wait_ms(struct provider_server *s, unsigned ms)
{
    int64_t until_mono_us = clock_mono_us() + (int64_t)ms * 1000;
    const struct timespec due = {.tv_sec = until_mono_us / 1000000,
                                 .tv_nsec = until_mono_us % 1000000 * 1000};
    pthread_mutex_lock(&s->lock);
    for (int waited = 0; !s->stopping && waited == 0;)
        waited = pthread_cond_timedwait(&s->changed, &s->lock, &due);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return !stopping;
}

static void write_page(struct reply *r)
{
    service_answer_clear(&r->answer, 200);
    r->content_type = "text/html";
    buf_append_text(&r->answer.body, "<!DOCTYPE html><title>Back soon</title>\n");
}

/* Returns true when it has struck: the service is not asked. */
static bool strike_before(struct provider_server *s, const struct service *service,
                          struct fault fault, struct reply *r)
{
    struct provider_world *w = s->opt.world;
    if (fault.kind == FAULT_ERROR)
        service->refuse(w, fault.number == 0 ? 500 : fault.number, 0, &r->answer);
    else if (fault.kind == FAULT_TOO_MANY)
        service->refuse(w, 429, fault.number, &r->answer);
    else if (fault.kind == FAULT_UNAUTHORIZED)
        service->refuse(w, 401, 0, &r->answer);
    else if (fault.kind == FAULT_FORBIDDEN)
        service->refuse(w, 403, 0, &r->answer);
    else if (fault.kind == FAULT_HTML)
        write_page(r);
    else if (fault.kind == FAULT_RESET)
        r->resets = true;
    else if (fault.kind == FAULT_DELAY)
        return r->resets = !wait_ms(s, fault.number == 0 ? delay_default_ms : fault.number);
    else
        return false;
    return true;
}

static void strike_after(struct provider_server *s, const struct service *service,
                         struct fault fault, struct reply *r)
{
    if (fault.kind == FAULT_ERROR_AFTER)
        service->refuse(s->opt.world, fault.number == 0 ? 500 : fault.number, 0, &r->answer);
    else if (fault.kind == FAULT_HTML_AFTER)
        write_page(r);
    r->resets = fault.kind == FAULT_RESET_AFTER;
    r->truncates = fault.kind == FAULT_TRUNCATED;
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *header_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static const char *argument_of(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static struct service_call read_call(struct MHD_Connection *connection, const char *method,
                                     const char *path, const struct request *request)
{
    return (struct service_call){.method = method,
                                 .path = path,
                                 .api_key = header_of(connection, "X-API-KEY"),
                                 .account_key = header_of(connection, "X-ACCOUNT-KEY"),
                                 .authorization = header_of(connection, "Authorization"),
                                 .company_id = argument_of(connection, "companyId"),
                                 .environment_name = argument_of(connection, "environmentName"),
                                 .body = buf_bytes(&request->body)};
}

static void serve_call(struct provider_server *s, const struct service *service,
                       const struct service_call *call, struct reply *r)
{
    const struct service_target target = service->find_target(call);
    if (target.operation == FAULT_ANY) {
        service->refuse(s->opt.world, 404, 0, &r->answer);
    } else {
        struct fault fault = faults_next(s->opt.faults, target.operation);
        r->done = !strike_before(s, service, fault, r);
        if (r->done) {
            service->act(s->opt.world, call, &target, fault, &r->answer);
            strike_after(s, service, fault, r);
        }
    }
    const struct provider_server_call told = {.method = call->method,
                                              .path = call->path,
                                              .code = r->resets ? 0 : r->answer.code,
                                              .done = r->done};
    if (s->opt.on_call != NULL)
        s->opt.on_call(s->opt.owner, &told);
}

static void serve_faults(struct provider_server *s, const char *method, struct bytes body,
                         struct reply *r)
{
    struct diag diag = {{0}};
    r->content_type = "text/plain; charset=utf-8";
    service_answer_clear(&r->answer, 200);
    if (strcmp(method, "DELETE") == 0)
        faults_clear(s->opt.faults);
    else if (strcmp(method, "POST") == 0 && faults_add(s->opt.faults, body, &diag) != STATUS_OK) {
        service_answer_clear(&r->answer, 400);
        buf_printf(&r->answer.body, "%s\n", diag.text);
        return;
    }
    faults_print(s->opt.faults, &r->answer.body);
}

static void serve(struct provider_server *s, const struct service_call *call, struct reply *r)
{
    if (strcmp(call->path, "/simulator/faults") == 0)
        serve_faults(s, call->method, call->body, r);
    else if (strncmp(call->path, "/api/v2/", 8) == 0)
        serve_call(s, &moneybird_service, call, r);
    else
        serve_call(s, &maesn_service, call, r);
}

static void reply_done(struct reply *r)
{
    service_answer_done(&r->answer);
}

static enum MHD_Result act(struct provider_server *s, struct MHD_Connection *connection,
                           const char *method, const char *path, const struct request *request)
{
    CLEANUP(reply_done) struct reply r = {.content_type = "application/json"};
    service_answer_init(&r.answer);
    if (request->body.status != STATUS_OK) {
        service_answer_clear(&r.answer, 413);
        return queue(connection, &r);
    }
    const struct service_call call = read_call(connection, method, path, request);
    serve(s, &call, &r);
    return queue(connection, &r);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request)
{
    (void)version;
    struct request *r = *request;
    if (r == NULL) {
        r = calloc(1, sizeof(*r));
        if (r == NULL)
            return MHD_NO;
        buf_init(&r->body, request_body_max);
        *request = r;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        buf_append(&r->body, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    return act(cls, connection, method, url, r);
}

static void complete(void *cls, struct MHD_Connection *connection, void **request,
                     enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)connection, (void)why;
    struct request *r = *request;
    if (r == NULL)
        return;
    buf_done(&r->body);
    free(r);
    *request = NULL;
}

/* --- life-cycle ------------------------------------------------------------------------------- */

static struct provider_server *make_server(const struct provider_server_options *opt)
{
    struct provider_server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->opt = *opt;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

DEFINE_CLEANUP(struct provider_server *, provider_server_free)

enum status provider_server_new(const struct provider_server_options *opt,
                                struct provider_server **ret, struct diag *diag)
{
    const struct address loopback = {.host = "127.0.0.1", .port = opt->port};
    CLEANUP(provider_server_free_scoped) struct provider_server *s = make_server(opt);
    int fd;
    if (s == NULL)
        return STATUS_NOMEM;
    enum status status = address_listen(&loopback, false, &fd, &s->port, diag);
    if (status != STATUS_OK)
        return status;
    /* poll, not epoll: as in ops/admin.c. */
    s->daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, handle, s,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory_bytes, MHD_OPTION_CONNECTION_TIMEOUT,
        idle_timeout_s, MHD_OPTION_NOTIFY_COMPLETED, complete, NULL, MHD_OPTION_END);
    if (s->daemon == NULL) /* whether the socket is still open is not known: as in ops/admin.c */
        return diag_set(diag, STATUS_UNAVAILABLE, "the providers' server cannot start its thread");
    *ret = TAKE(s);
    return STATUS_OK;
}

uint16_t provider_server_port(const struct provider_server *s)
{
    return s->port;
}

void provider_server_free(struct provider_server *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
