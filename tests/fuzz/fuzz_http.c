/* What a client sends, through libmicrohttpd and the real handler, on a socket pair and by a clock
 * that only the input moves.
 *
 * The first line says what the sink does: ok, late, lost, busy, away, refused. In what follows
 * {mac} is the right X-MAESN-SIGNATURE of all that is behind the last empty line, <cut> ends a
 * piece, <wait> is a second, <report> lets a late sink report, <found> is when the secret of
 * /in/waiting arrives, <end> closes the sending side.
 *
 * 1. Nothing reaches the sink that was not verified, and what was has the MAC of its bytes.
 * 2. There are no more 200s than the sink reported durable, but for [] and registration probes.
 * 3. Every answer is one of ours, or of libmicrohttpd's own.
 * 4. However the client behaves, in bounded time its connection is gone and nothing is held.
 */
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bridge/ingress/daemon.h"
#include "bridge/ingress/loop.h"
#include "bridge/providers/maesn/maesn.h"
#include "bridge/providers/moneybird/moneybird.h"
#include "tests/fuzz/callback.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/test_route.h"

/* In seconds, one a turn: longer than all deadlines together. */
static const int turns_max = 90;
#define REPLIES_MAX 65536
#define HELD_MAX 64

enum sink_mode { SINK_OK = 0, SINK_LATE, SINK_LOST, SINK_BUSY, SINK_AWAY, SINK_REFUSED };

static struct {
    int64_t now_ms;
    enum sink_mode mode;
    struct publication *held[HELD_MAX];
    size_t held_len;
    size_t verified;  /* and not yet published */
    size_t durable;   /* that somebody waited for */
    size_t probeable; /* requests for a pending route, and those without an event */
    bool has_arrived; /* the secret of /in/waiting */
} now;

static struct shared shared;
static struct loop loop;
static struct registry registry;
static struct event_sink sink;
static struct activity activity;
static struct provider checked_maesn, checked_moneybird;
static struct route *active, *native, *pending, *waiting, *arrived;

/* --- the clock -------------------------------------------------------------------------------- */

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_us(void);
int64_t __wrap_clock_unix_ms(void);

int64_t __wrap_clock_mono_ms(void)
{
    return now.now_ms;
}

int64_t __wrap_clock_mono_us(void)
{
    return now.now_ms * 1000;
}

int64_t __wrap_clock_unix_ms(void)
{
    return 1795293215356 + now.now_ms;
}

/* --- the ports -------------------------------------------------------------------------------- */

static enum route_lookup find(struct registry *r, const char *path, struct route **ret)
{
    (void)r;
    const struct {
        struct route *route;
        enum route_lookup lookup;
    } rows[] = {
        {active, ROUTE_FOUND},
        {native, ROUTE_FOUND},
        {pending, ROUTE_NOT_YET},
        {now.has_arrived ? arrived : waiting, now.has_arrived ? ROUTE_FOUND : ROUTE_AWAITED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(path, rows[i].route->path) != 0)
            continue;
        now.probeable += rows[i].route == pending;
        *ret = route_ref(rows[i].route);
        return rows[i].lookup;
    }
    return strcmp(path, "/in/young") == 0 ? ROUTE_NOT_YET : ROUTE_UNKNOWN;
}

static enum status verify_maesn(const struct route *r, const struct callback *cb,
                                const struct provider_options *opt, enum verification *ret)
{
    enum status status = maesn.verify(r, cb, opt, ret);
    if (status == STATUS_OK && verification_is_authentic(*ret)) {
        char current[65], previous[65];
        callback_mac(CALLBACK_SECRET, cb->body, BYTES_LITERAL(""), current);
        callback_mac(CALLBACK_PREVIOUS, cb->body, BYTES_LITERAL(""), previous);
        FUZZ_ASSERT(strcasecmp(cb->signature, current) == 0 ||
                    strcasecmp(cb->signature, previous) == 0);
        now.verified++;
    }
    return status;
}

static enum status verify_moneybird(const struct route *r, const struct callback *cb,
                                    const struct provider_options *opt, enum verification *ret)
{
    enum status status = moneybird.verify(r, cb, opt, ret);
    now.verified += status == STATUS_OK && verification_is_authentic(*ret);
    return status;
}

static enum status unify_maesn(const struct route *r, const struct callback *cb,
                               const struct provider_options *opt, struct arena *a,
                               struct event_list *ret)
{
    enum status status = maesn.unify(r, cb, opt, a, ret);
    now.probeable += status == STATUS_OK && ret->len == 0;
    return status;
}

static enum status publish(struct event_sink *s, struct publication *pub)
{
    (void)s;
    FUZZ_ASSERT(now.verified > 0 && pub->records_len > 0);
    now.verified--;
    switch (now.mode) {
    case SINK_OK:
        now.durable += pub->on_done(pub, STATUS_OK);
        return STATUS_OK;
    case SINK_LATE:
        if (now.held_len == HELD_MAX)
            return STATUS_BUSY;
        now.held[now.held_len++] = publication_ref(pub);
        return STATUS_OK;
    case SINK_LOST:
        (void)pub->on_done(pub, STATUS_UNAVAILABLE);
        return STATUS_OK;
    case SINK_BUSY:
        return STATUS_BUSY;
    case SINK_AWAY:
        return STATUS_UNAVAILABLE;
    case SINK_REFUSED:
        return STATUS_REFUSED;
    }
    return STATUS_INTERNAL;
}

static void note(struct activity *a, const struct route *route, int64_t received_at_unix_ms)
{
    FUZZ_ASSERT(a == &activity && route->state == ROUTE_ACTIVE && received_at_unix_ms > 0);
}

static void report(void)
{
    for (size_t i = 0; i < now.held_len; i++) {
        now.durable += now.held[i]->on_done(now.held[i], STATUS_OK);
        publication_unref(now.held[i]);
    }
    now.held_len = 0;
}

/* --- an ingress without a thread -------------------------------------------------------------- */

static struct route *make_route(const char *path, const struct provider *provider,
                                const char *system, enum route_state state)
{
    bool is_pending = state == ROUTE_PENDING;
    struct route_fields fields = {
        .path = path, .provider = provider, .system = system, .state = state};
    struct route *route = test_route(fields, is_pending ? NULL : CALLBACK_SECRET,
                                     is_pending ? NULL : CALLBACK_PREVIOUS, NULL);
    FUZZ_ASSERT(route != NULL);
    return route;
}

static void make_shared(void)
{
    static const struct provider *const providers[] = {&checked_maesn, &checked_moneybird, NULL};
    struct metrics *metrics;
    struct rejections *rejections;
    FUZZ_ASSERT(metrics_new(&metrics) == STATUS_OK && rejections_new(&rejections) == STATUS_OK);
    shared.opt = (struct ingress_options){
        .deadline_ms = 2500,
        .header_timeout_ms = 5000,
        .body_timeout_ms = 5000,
        .idle_timeout_ms = 20000,
        .connections_max = 16,
        .in_flight_max = 16,
        .in_flight_max_bytes = 65536,
        .body_max_bytes = 4096,
        .tls = {"", "", ""},
        .envelope = {.topic_template = "maesn.{resource}",
                     .key_template = "{resource}:{account}",
                     .other_topic = "maesn.other",
                     .token_topic = "maesn.token",
                     .dead_letter_topic = "maesn.dead-letter"},
        .providers = providers,
        .registry = &registry,
        .sink = &sink,
        .activity = &activity,
        .metrics = metrics,
        .rejections = rejections,
    };
    FUZZ_ASSERT(budget_new(16, 65536, &shared.budget) == STATUS_OK);
    FUZZ_ASSERT(tally_new(metrics, providers, &shared.tally) == STATUS_OK);
    FUZZ_ASSERT(replays_new(&shared.replays) == STATUS_OK);
    for (size_t i = 0; i < LIMITS; i++) {
        FUZZ_ASSERT(limit_new(16, &shared.limits[i]) == STATUS_OK);
        limit_set(shared.limits[i], (struct limit_rate){.per_s = 4, .burst = 8});
    }
    replays_set_window(shared.replays, 60);
    shared.delayed_max = 8;
}

static void start_loop(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    loop.shared = &shared;
    loop.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    FUZZ_ASSERT(bind(loop.listen_fd, (struct sockaddr *)&any, sizeof(any)) == 0);
    FUZZ_ASSERT(listen(loop.listen_fd, 1) == 0);
    loop.hangups_fd = epoll_create1(EPOLL_CLOEXEC);
    FUZZ_ASSERT(lingering_init(&loop.lingering) == STATUS_OK);
    FUZZ_ASSERT(mailbox_new(&loop.mailbox) == STATUS_OK);
    FUZZ_ASSERT(answers_new(&loop.answers) == STATUS_OK);
    for (unsigned i = 0; i < FIFOS; i++)
        loop.fifos[i].duration_ms = 2500;
    loop.fifos[PHASE_IDLE].duration_ms = 20000;
    loop.fifos[PHASE_DELAYED].duration_ms = 500;
    loop.daemon = daemon_start(&loop);
    FUZZ_ASSERT(loop.daemon != NULL);
    loop.epoll_fd = MHD_get_daemon_info(loop.daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void fuzz_start(void)
{
    now.now_ms = 1000;
    checked_maesn = maesn;
    checked_maesn.verify = verify_maesn;
    checked_maesn.unify = unify_maesn;
    checked_moneybird = moneybird;
    checked_moneybird.verify = verify_moneybird;
    active = make_route("/in/active", &checked_maesn, "xero", ROUTE_ACTIVE);
    native = make_route("/in/native", &checked_moneybird, "moneybird", ROUTE_ACTIVE);
    pending = make_route("/in/pending", &checked_moneybird, "moneybird", ROUTE_PENDING);
    waiting = make_route("/in/waiting", &checked_maesn, "xero", ROUTE_PENDING);
    arrived = make_route("/in/waiting", &checked_maesn, "xero", ROUTE_ACTIVE);
    char mac[65];
    callback_mac(CALLBACK_SECRET, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
    callback_mac(CALLBACK_PREVIOUS, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
    registry.find = find;
    sink.publish = publish;
    activity.note = note;
    make_shared();
    start_loop();
}

/* --- a client --------------------------------------------------------------------------------- */

struct client {
    int fd;
    char *replies;
    size_t len;
};

static void take_replies(struct client *c)
{
    ssize_t n;
    while ((n = recv(c->fd, c->replies + c->len, REPLIES_MAX - c->len, MSG_DONTWAIT)) > 0)
        c->len += (size_t)n;
}

static void turn(struct client *c)
{
    for (int i = 0; i < 3; i++)
        loop_turn(&loop, 0);
    take_replies(c);
}

static void deliver(struct client *c, struct bytes piece)
{
    while (piece.len > 0) {
        ssize_t n = send(c->fd, piece.data, piece.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        n = n < 0 ? 0 : n;
        piece = bytes_of(piece.data + n, piece.len - (size_t)n);
        turn(c);
        if (n == 0)
            break; /* it is not read any more */
    }
    turn(c);
}

static bool takes_word(struct bytes *text, const char *word)
{
    size_t len = strlen(word);
    if (text->len < len || memcmp(text->data, word, len) != 0)
        return false;
    *text = bytes_of(text->data + len, text->len - len);
    return true;
}

/* What stands at a "<". */
static void obey(struct client *c, struct bytes *rest)
{
    if (takes_word(rest, "<cut>"))
        turn(c);
    else if (takes_word(rest, "<wait>")) {
        now.now_ms += 1000;
        turn(c);
    } else if (takes_word(rest, "<report>")) {
        report();
        turn(c);
    } else if (takes_word(rest, "<found>")) {
        now.has_arrived = true;
        registry_changed(&registry);
        turn(c);
    } else if (takes_word(rest, "<end>")) {
        shutdown(c->fd, SHUT_WR);
        turn(c);
    } else {
        deliver(c, bytes_of(rest->data, 1));
        *rest = bytes_of(rest->data + 1, rest->len - 1);
    }
}

static void play(struct client *c, struct bytes script)
{
    while (script.len > 0) {
        const uint8_t *mark = memchr(script.data, '<', script.len);
        size_t len = mark == NULL ? script.len : (size_t)(mark - script.data);
        deliver(c, bytes_of(script.data, len));
        script = bytes_of(script.data + len, script.len - len);
        if (script.len > 0)
            obey(c, &script);
    }
}

/* The script with {mac} filled in. */
static struct bytes sign(struct bytes script)
{
    static const char word[] = "{mac}";
    const uint8_t *body = script.data + script.len, *at = script.data;
    for (size_t i = 4; i <= script.len; i++)
        if (memcmp(script.data + i - 4, "\r\n\r\n", 4) == 0)
            body = script.data + i;
    char mac[65];
    callback_mac(CALLBACK_SECRET, bytes_of(body, (size_t)(script.data + script.len - body)),
                 BYTES_LITERAL(""), mac);
    uint8_t *text = fuzz_alloc(script.len * 13 + 1), *to = text;
    while (at < script.data + script.len) {
        size_t left = (size_t)(script.data + script.len - at);
        if (left >= 5 && memcmp(at, word, 5) == 0) {
            memcpy(to, mac, 64);
            to += 64;
            at += 5;
        } else {
            *to++ = *at++;
        }
    }
    return bytes_of(text, (size_t)(to - text));
}

/* --- what came back --------------------------------------------------------------------------- */

static bool is_own(unsigned code)
{
    static const unsigned of_libmicrohttpd[] = {400, 413, 414, 431, 500, 501, 503, 505};
    for (int i = ANSWER_NONE + 1; i < ANSWERS; i++)
        if (answer_row((enum answer)i)->code == code)
            return true;
    for (size_t i = 0; i < sizeof(of_libmicrohttpd) / sizeof(of_libmicrohttpd[0]); i++)
        if (of_libmicrohttpd[i] == code)
            return true;
    return code == 100;
}

/* No body of ours has a status line in it. */
static void check_replies(const struct client *c)
{
    size_t accepted = 0;
    const char *end = c->replies + c->len;
    for (const char *at = c->replies; (at = memmem(at, (size_t)(end - at), "HTTP/1.", 7)) != NULL;
         at++) {
        unsigned code = 0;
        if (end - at < 12 || sscanf(at + 8, " %3u", &code) != 1)
            break;
        FUZZ_ASSERT(is_own(code));
        accepted += code == 200;
    }
    FUZZ_ASSERT(accepted <= now.durable + now.probeable);
}

void fuzz_one(struct bytes input)
{
    static const char *const modes[] = {"ok", "late", "lost", "busy", "away", "refused"};
    struct bytes line = fuzz_line(&input);
    int64_t now_ms = now.now_ms + 3600000; /* what earlier inputs did no longer counts */
    memset(&now, 0, sizeof(now));
    now.now_ms = now_ms;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (bytes_equal(line, bytes_of_text(modes[i])))
            now.mode = (enum sink_mode)i;

    int fds[2];
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    FUZZ_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    FUZZ_ASSERT(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    struct client c = {fds[1], fuzz_alloc(REPLIES_MAX + 1), 0};
    if (MHD_add_connection(loop.daemon, fds[0], (struct sockaddr *)&peer, sizeof(sa_family_t)) ==
        MHD_YES)
        play(&c, sign(input));
    report();
    turn(&c);
    shutdown(c.fd, SHUT_WR);
    for (int i = 0; i < turns_max && atomic_load(&shared.connections) > 0; i++) {
        now.now_ms += 1000;
        report();
        turn(&c);
    }
    check_replies(&c);
    close(c.fd);
    turn(&c);
    FUZZ_ASSERT(atomic_load(&shared.connections) == 0 && now.held_len == 0);
    FUZZ_ASSERT(budget_requests(shared.budget) == 0 && budget_bytes(shared.budget) == 0);
}
