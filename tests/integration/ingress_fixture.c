#include "tests/integration/ingress_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/base/log.h"

static const int64_t patience_ms = 10000;

/* --- the fakes ------------------------------------------------------------------------------- */

static bool knows_any_system(const char *system)
{
    (void)system;
    return true;
}

/* "good", "old" and "stale" are judged as their names say. */
static enum status fake_verify(const struct route *r, const struct callback *cb,
                               const struct provider_options *opt, enum verification *ret)
{
    (void)r, (void)opt;
    if (cb->signature == NULL)
        *ret = VERIFICATION_MISSING;
    else if (strcmp(cb->signature, "good") == 0)
        *ret = VERIFICATION_CURRENT;
    else if (strcmp(cb->signature, "stale") == 0)
        *ret = VERIFICATION_STALE;
    else
        *ret = VERIFICATION_BAD;
    return STATUS_OK;
}

/* The body as it came is one event; "[]" holds none; "nomem" is too much. */
static enum status fake_unify(const struct route *r, const struct callback *cb,
                              const struct provider_options *opt, struct arena *a,
                              struct event_list *ret)
{
    (void)r, (void)opt;
    if (bytes_equal(cb->body, BYTES_LITERAL("[]"))) {
        *ret = (struct event_list){0};
        return STATUS_OK;
    }
    if (bytes_equal(cb->body, BYTES_LITERAL("nomem")))
        return STATUS_NOMEM;
    struct event *ev = arena_alloc(a, sizeof(*ev));
    if (ev == NULL)
        return STATUS_NOMEM;
    *ev = (struct event){.value = cb->body,
                         .resource = "INVOICE",
                         .event_type = "CREATED",
                         .resource_id = "1",
                         .occurred_at_unix_ms = EVENT_TIME_UNKNOWN};
    *ret = (struct event_list){ev, 1};
    return STATUS_OK;
}

static const struct provider fake_provider = {.name = "fake",
                                              .type_prefix = "com.fake",
                                              .signature_header = "X-Fake-Signature",
                                              .knows_system = knows_any_system,
                                              .verify = fake_verify,
                                              .unify = fake_unify};
static const struct provider probing_provider = {.name = "probing",
                                                 .type_prefix = "com.probing",
                                                 .signature_header = "Probing-Signature",
                                                 .probes_registration = true,
                                                 .knows_system = knows_any_system,
                                                 .verify = fake_verify,
                                                 .unify = fake_unify};
static const struct provider *const providers[] = {&fake_provider, &probing_provider, NULL};

static enum route_lookup fake_find(struct registry *registry, const char *path, struct route **ret)
{
    struct ingress_fixture *f =
        (struct ingress_fixture *)((char *)registry - offsetof(struct ingress_fixture, registry));
    enum route_lookup awaited = f->awaited_lookup;
    const struct {
        struct route *route;
        enum route_lookup lookup;
    } rows[] = {
        {f->active, ROUTE_FOUND},   {f->pending, ROUTE_FOUND},
        {f->waiting, ROUTE_FOUND},  {f->young, ROUTE_NOT_YET},
        {f->probed, ROUTE_NOT_YET}, {awaited == ROUTE_FOUND ? f->arrived : f->awaited, awaited},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(path, rows[i].route->path) == 0) {
            if (rows[i].lookup != ROUTE_UNKNOWN)
                *ret = route_ref(rows[i].route);
            return rows[i].lookup;
        }
    }
    return strcmp(path, NOT_YET_PATH) == 0 ? ROUTE_NOT_YET : ROUTE_UNKNOWN;
}

void ingress_fixture_turn(struct ingress_fixture *f, enum route_lookup lookup)
{
    f->awaited_lookup = lookup;
    registry_changed(&f->registry);
}

static void fake_note(struct activity *activity, const struct route *route,
                      int64_t received_at_unix_ms)
{
    struct ingress_fixture *f =
        (struct ingress_fixture *)((char *)activity - offsetof(struct ingress_fixture, activity));
    assert_string_equal(route->account, "acme-42");
    assert_true(received_at_unix_ms > 0);
    atomic_fetch_add(&f->noted, 1);
}

static void note_records(struct fake_sink *s, const struct publication *pub)
{
    s->taken++;
    s->records += pub->records_len;
    s->last_due_mono_ms = pub->due_mono_ms;
    struct bytes value = pub->records[pub->records_len - 1].value;
    s->last_value_len = value.len;
    size_t len = value.len < sizeof(s->last_value) ? value.len : sizeof(s->last_value) - 1;
    memcpy(s->last_value, value.data, len);
    s->last_value[len] = '\0';
}

static enum status fake_publish(struct event_sink *port, struct publication *pub)
{
    struct fake_sink *s = (struct fake_sink *)port;
    pthread_mutex_lock(&s->lock);
    enum status refuses = s->refuses, reports = s->reports;
    bool holds = s->holds;
    if (refuses == STATUS_OK)
        note_records(s, pub);
    if (refuses == STATUS_OK && holds) {
        assert_true(s->held_len < HELD_MAX);
        s->held[s->held_len++] = publication_ref(pub);
    }
    pthread_mutex_unlock(&s->lock);
    if (refuses == STATUS_OK && !holds)
        pub->on_done(pub, reports);
    return refuses;
}

size_t fake_sink_report(struct fake_sink *s, enum status status)
{
    pthread_mutex_lock(&s->lock);
    size_t len = s->held_len;
    struct publication **held = calloc(len + 1, sizeof(*held));
    assert_non_null(held);
    memcpy(held, s->held, len * sizeof(*held));
    s->held_len = 0;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < len; i++) {
        if (publication_is_abandoned(held[i]))
            s->abandoned++;
        held[i]->on_done(held[i], status);
        publication_unref(held[i]);
    }
    free(held);
    return len;
}

void fake_sink_await(struct fake_sink *s, size_t taken)
{
    int64_t until = clock_mono_ms() + patience_ms;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        size_t have = s->taken;
        pthread_mutex_unlock(&s->lock);
        if (have >= taken)
            return;
        assert_true(clock_mono_ms() < until);
        poll(NULL, 0, 1);
    }
}

/* --- the fixture ----------------------------------------------------------------------------- */

static struct route *make_route(const char *path, const struct provider *provider,
                                enum route_state state)
{
    struct route *route = NULL;
    struct route_fields fields = {
        .path = path, .provider = provider, .account = "acme-42", .system = "xero", .state = state};
    assert_int_equal(route_new(&fields, &route), STATUS_OK);
    return route;
}

void ingress_fixture_init(struct ingress_fixture *f)
{
    memset(f, 0, sizeof(*f));
    log_set_level(LOG_ERROR);
    assert_int_equal(crypto_start(), STATUS_OK);
    pthread_mutex_init(&f->sink.lock, NULL);
    f->sink.port.publish = fake_publish;
    f->registry.find = fake_find;
    f->active = make_route(ACTIVE_PATH, &fake_provider, ROUTE_ACTIVE);
    f->pending = make_route(PENDING_PATH, &probing_provider, ROUTE_PENDING);
    f->waiting = make_route(WAITING_PATH, &fake_provider, ROUTE_PENDING);
    f->young = make_route(YOUNG_PATH, &fake_provider, ROUTE_PENDING);
    f->probed = make_route(PROBED_PATH, &probing_provider, ROUTE_PENDING);
    f->awaited = make_route(AWAITED_PATH, &fake_provider, ROUTE_PENDING);
    f->arrived = make_route(AWAITED_PATH, &fake_provider, ROUTE_ACTIVE);
    f->awaited_lookup = ROUTE_AWAITED;
    f->activity.note = fake_note;
    assert_int_equal(metrics_new(&f->metrics), STATUS_OK);
    assert_int_equal(rejections_new(&f->rejections), STATUS_OK);
    f->opt = (struct ingress_options){
        .listen = {.host = "127.0.0.1"},
        .threads = 2,
        .deadline_ms = 5000,
        .header_timeout_ms = 5000,
        .body_timeout_ms = 5000,
        .idle_timeout_ms = 20000,
        .connections_max = 4096,
        .in_flight_max = 10000,
        .in_flight_max_bytes = 64 << 20,
        .body_max_bytes = 65536,
        .tls = {"", "", ""},
        .envelope = {.topic_template = "maesn.{resource}",
                     .key_template = "{resource}:{account}",
                     .other_topic = "maesn.other",
                     .token_topic = "maesn.token",
                     .dead_letter_topic = "maesn.dead-letter"},
        .providers = providers,
        .registry = &f->registry,
        .sink = &f->sink.port,
        .activity = &f->activity,
        .metrics = f->metrics,
        .rejections = f->rejections,
    };
}

void ingress_fixture_start(struct ingress_fixture *f)
{
    struct diag diag = {0};
    if (ingress_new(&f->opt, &f->ingress, &diag) != STATUS_OK)
        fail_msg("%s", diag.text);
    f->port = ingress_port(f->ingress);
}

void ingress_fixture_done(struct ingress_fixture *f)
{
    if (f->ingress != NULL) {
        ingress_stop(f->ingress, clock_mono_ms() + patience_ms);
        ingress_free(f->ingress);
    }
    fake_sink_report(&f->sink, STATUS_OK); /* reports that come after everything is gone */
    route_unref(f->active);
    route_unref(f->pending);
    route_unref(f->waiting);
    route_unref(f->young);
    route_unref(f->probed);
    route_unref(f->awaited);
    route_unref(f->arrived);
    metrics_free(f->metrics);
    rejections_free(f->rejections);
    pthread_mutex_destroy(&f->sink.lock);
}

void ingress_metrics(struct ingress_fixture *f, char *ret, size_t ret_size)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(f->metrics, &text);
    snprintf(ret, ret_size, "%s", buf_text(&text));
    buf_done(&text);
}

/* --- the client ------------------------------------------------------------------------------ */

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = patience_ms / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool client_send(int fd, const char *data, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        sent += (size_t)n;
    }
    return true;
}

bool client_send_text(int fd, const char *text)
{
    return client_send(fd, text, strlen(text));
}

/* One byte at a time: nothing of a following answer is swallowed. */
static bool read_byte(int fd, char *ret, bool *ret_reset)
{
    ssize_t n = recv(fd, ret, 1, 0);
    *ret_reset |= n < 0 && errno == ECONNRESET;
    return n == 1;
}

static size_t content_length(const char *head)
{
    const char *line = strcasestr(head, "\r\nContent-Length:");
    size_t len;
    return line != NULL && sscanf(line + 17, "%zu", &len) == 1 ? len : 0;
}

struct reply client_read(int fd)
{
    struct reply reply = {0};
    size_t len = 0;
    while (len < sizeof(reply.head) - 1 && strstr(reply.head, "\r\n\r\n") == NULL &&
           read_byte(fd, &reply.head[len], &reply.reset))
        len++;
    if (sscanf(reply.head, "HTTP/1.%*1[01] %u", &reply.code) != 1)
        return reply;
    size_t body_len = content_length(reply.head);
    for (size_t i = 0; i < body_len && i < sizeof(reply.body) - 1; i++)
        if (!read_byte(fd, &reply.body[i], &reply.reset))
            break;
    return reply;
}

bool client_sees_end(int fd)
{
    char byte;
    ssize_t n;
    while ((n = recv(fd, &byte, 1, 0)) > 0)
        continue;
    return n == 0 || errno == ECONNRESET;
}

size_t client_format(char *ret, size_t ret_size, const char *path, const char *body)
{
    int len = snprintf(ret, ret_size,
                       "POST %s HTTP/1.1\r\nHost: bridge\r\nX-FAKE-signature: good\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       path, strlen(body), body);
    assert_in_range(len, 1, ret_size - 1);
    return (size_t)len;
}

struct reply client_exchange(uint16_t port, const char *request, size_t len)
{
    int fd = client_connect(port);
    assert_true(fd >= 0);
    (void)client_send(fd, request, len);
    struct reply reply = client_read(fd);
    close(fd);
    return reply;
}

struct reply client_post(uint16_t port, const char *path, const char *body)
{
    char request[4096];
    return client_exchange(port, request, client_format(request, sizeof(request), path, body));
}
