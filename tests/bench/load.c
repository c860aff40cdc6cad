/* load FILE PORT: sends prepared requests to 127.0.0.1:PORT and prints what came back as one JSON
 * object.
 *
 * FILE is a sequence of requests, each its length (4 bytes, of this machine) and its bytes; they
 * are sent in turn, and from the beginning again, unless --once is given.
 *
 *   --connections N   so many at once (default 64); with 0 nothing is sent, and
 * what is measured is the lag alone
 *   --in-advance N    so many of them are opened before the clock runs (default: all)
 *   --rate N          open loop: N requests a second, whether or not answers come. Without it each
 * connection sends its next request when the last one is answered
 *   --seconds N       how long requests are sent (default 5)
 *   --patience N      how many seconds are waited for the answers after that (default 1)
 *   --once            each request of FILE is sent once at most
 *   --tls             certificates are not verified
 *   --ledger FILE     a line for each request of FILE in its order: the answer's status, or 0 and
 * why none came; microseconds
 *
 * In the open loop the latency of a request is counted from when it should have been sent, so that
 * a server that makes the sender wait does not make its figures better (Gil Tene's "coordinated
 * omission"); what was not answered in time counts with the time that it has waited so far. The lag
 * is how late this program itself noticed that a request was due: what the machine's scheduler, and
 * this program, add to each latency.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 4096,
    EVENTS_MAX = 256,
    ANSWER_MAX = 16 << 10,
    SAMPLES_MAX = 16 << 20, /* their pages are only taken when they are written to */
    STATUS_MAX = 600,
};

struct request {
    const char *data;
    size_t len;
};

enum phase { CLOSED, OPENING, CONNECTING, SENDING, RECEIVING, IDLE };

/* Why a request has no answer. */
enum failure { NOT_SENT, REFUSED, RESET, UNANSWERED, FAILURES };

static const char *const failure_names[FAILURES] = {"not_sent", "refused", "reset", "unanswered"};

struct connection {
    int fd;
    SSL *ssl;
    enum phase phase;
    uint32_t events;  /* that epoll waits for */
    size_t number;    /* of the request under way, counted from the first one that was sent */
    int64_t began_us; /* when it was sent, or should have been */
    size_t sent;
    size_t answer_len;
    char answer[ANSWER_MAX];
};

struct entry {
    uint16_t status; /* 0: none, and .failure says why */
    uint16_t failure;
    uint32_t latency_us;
};

static struct {
    unsigned port, connections, in_advance, rate, seconds, patience;
    bool once, tls;
    const char *ledger_file;

    struct request *requests;
    size_t request_count;

    int epoll;
    SSL_CTX *tls_context;
    struct connection *all;
    struct connection **resting; /* closed or idle ones */
    size_t resting_count;
    size_t under_way;

    int64_t start_us, end_us;
    size_t due;  /* how many should have been sent by now */
    size_t next; /* the number of the next one to be sent */

    uint32_t *latencies, *lags;
    size_t latency_count, lag_count;
    size_t answered_in_time; /* before the sending ended */
    size_t statuses[STATUS_MAX];
    size_t failures[FAILURES];
    struct entry *ledger;
} l = {.connections = 64, .in_advance = CONNECTIONS_MAX, .seconds = 5, .patience = 1};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(70);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        give_up("memory");
    return memory;
}

/* Requests. */

static void read_requests(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat stat;
    if (file == NULL || fstat(fileno(file), &stat) < 0)
        give_up(path);
    size_t size = (size_t)stat.st_size;
    const char *at = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fileno(file), 0);
    if (at == MAP_FAILED)
        give_up(path);
    fclose(file);
    const char *end = at + size;
    size_t capacity = 0;
    while (at < end) {
        uint32_t len;
        assert((size_t)(end - at) > sizeof len);
        memcpy(&len, at, sizeof len);
        at += sizeof len;
        assert(len > 0 && len <= (size_t)(end - at));
        if (l.request_count == capacity) {
            capacity = capacity * 2 + 1024;
            l.requests = realloc(l.requests, capacity * sizeof *l.requests);
            if (l.requests == NULL)
                give_up("memory");
        }
        l.requests[l.request_count++] = (struct request){at, len};
        at += len;
    }
    assert(l.request_count > 0);
}

/* When the request of this number should be sent. */
static int64_t intended_us(size_t number)
{
    return l.start_us + (int64_t)(number * UINT64_C(1000000) / l.rate);
}

/* What became of them. */

static void add_sample(uint32_t *samples, size_t *count, int64_t us)
{
    if (*count < SAMPLES_MAX)
        samples[(*count)++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void settle(size_t number, unsigned status, enum failure failure, int64_t began_us)
{
    int64_t now = now_us();
    add_sample(l.latencies, &l.latency_count, now - began_us);
    if (status > 0) {
        l.statuses[status]++;
        l.answered_in_time += now <= l.end_us;
    } else {
        l.failures[failure]++;
    }
    if (l.ledger != NULL && number < l.request_count)
        l.ledger[number] =
            (struct entry){(uint16_t)status, (uint16_t)failure, (uint32_t)(now - began_us)};
}

static int compare_samples(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(const uint32_t *sorted, size_t count, double percent)
{
    if (count == 0)
        return 0;
    size_t at = (size_t)((double)count * percent / 100);
    return sorted[at < count ? at : count - 1] / 1000.0;
}

/* Connections. */

static void wait_for(struct connection *c, uint32_t events)
{
    if (c->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(l.epoll, c->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event) < 0)
        give_up("epoll_ctl");
    c->events = events;
}

static void rest(struct connection *c)
{
    l.resting[l.resting_count++] = c;
    l.under_way--;
}

static void close_connection(struct connection *c)
{
    if (c->ssl != NULL)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->events = 0;
    c->phase = CLOSED;
}

static void fail(struct connection *c, enum failure failure)
{
    settle(c->number, 0, failure, c->began_us);
    close_connection(c);
    rest(c);
}

/* As read() and write(), but over TLS where there is; -1 and EAGAIN when it has to wait for
 * *ret_events. */
static ssize_t transfer(struct connection *c, bool writes, void *data, size_t len,
                        uint32_t *ret_events)
{
    *ret_events = writes ? EPOLLOUT : EPOLLIN;
    if (c->ssl == NULL)
        return writes ? send(c->fd, data, len, MSG_NOSIGNAL) : recv(c->fd, data, len, 0);
    ERR_clear_error();
    int done = writes ? SSL_write(c->ssl, data, (int)len) : SSL_read(c->ssl, data, (int)len);
    if (done > 0)
        return done;
    switch (SSL_get_error(c->ssl, done)) {
    case SSL_ERROR_WANT_READ:
        *ret_events = EPOLLIN;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_WANT_WRITE:
        *ret_events = EPOLLOUT;
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        errno = ECONNRESET;
        return -1;
    }
}

/* Begins to connect; false when the server refuses at once. */
static bool connection_begin(struct connection *c)
{
    c->fd =
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (c->phase == OPENING ? 0 : SOCK_NONBLOCK), 0);
    if (c->fd < 0)
        give_up("socket");
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (l.tls) {
        c->ssl = SSL_new(l.tls_context);
        if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
            give_up("TLS");
        SSL_set_connect_state(c->ssl);
    }
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)l.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS;
}

static void open_connection(struct connection *c)
{
    bool has_begun = connection_begin(c);
    c->phase = CONNECTING;
    if (has_begun)
        wait_for(c, EPOLLOUT);
    else
        fail(c, REFUSED);
}

/* Before the clock runs, one after the other: a burst of them would measure the server's backlog.
 * What does not succeed is tried again when there is something to send. */
static void open_in_advance(struct connection *c)
{
    c->phase = OPENING;
    if (connection_begin(c) && (c->ssl == NULL || SSL_connect(c->ssl) == 1) &&
        fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0) {
        c->phase = IDLE;
        wait_for(c, EPOLLIN);
    } else {
        close_connection(c);
    }
}

static void send_rest(struct connection *c)
{
    const struct request *request = &l.requests[c->number % l.request_count];
    uint32_t events = EPOLLIN;
    while (c->sent < request->len) {
        ssize_t n =
            transfer(c, true, (char *)request->data + c->sent, request->len - c->sent, &events);
        if (n < 0 && errno == EAGAIN) {
            /* Whoever answers before it has read everything, and closes, is heard. */
            wait_for(c, events | EPOLLIN);
            return;
        }
        if (n <= 0) {
            fail(c, RESET);
            return;
        }
        c->sent += (size_t)n;
    }
    c->phase = RECEIVING;
    wait_for(c, EPOLLIN);
}

/* Sends the next request on a resting connection. */
static void send_next(void)
{
    struct connection *c = l.resting[--l.resting_count];
    l.under_way++;
    c->number = l.next++;
    c->began_us = l.rate > 0 ? intended_us(c->number) : now_us();
    c->sent = c->answer_len = 0;
    if (c->phase == CLOSED) {
        open_connection(c);
    } else {
        c->phase = SENDING;
        send_rest(c);
    }
}

/* Answers. */

/* The value of a header in an answer's head, which ends with a NUL; NULL when it has none. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(head, "\r\n"); at != NULL; at = strstr(at, "\r\n")) {
        at += 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':')
            return at + len + 1 + strspn(at + len + 1, " ");
    }
    return NULL;
}

static size_t number_at(const char *digits)
{
    size_t value = 0;
    for (; *digits >= '0' && *digits <= '9' && value < SIZE_MAX / 100; digits++)
        value = value * 10 + (size_t)(*digits - '0');
    return value;
}

/* Whether the answer is there, whole; then its status and whether the server closes the connection.
 */
static bool answer_is_whole(struct connection *c, unsigned *ret_status, bool *ret_closes)
{
    c->answer[c->answer_len] = '\0';
    char *body = strstr(c->answer, "\r\n\r\n");
    if (body == NULL)
        return false;
    body += 4;
    size_t body_len = c->answer_len - (size_t)(body - c->answer);
    char first = *body;
    *body = '\0';
    const char *length = header(c->answer, "content-length"),
               *coding = header(c->answer, "transfer-encoding"),
               *connection = header(c->answer, "connection");
    size_t status = c->answer_len > 12 ? number_at(c->answer + 9) : 0;
    *ret_status = status >= 100 && status < STATUS_MAX ? (unsigned)status : STATUS_MAX - 1;
    *ret_closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    size_t wanted = length != NULL ? number_at(length) : 0;
    *body = first;
    if (coding != NULL)
        return body_len >= 5 && memcmp(body + body_len - 5, "0\r\n\r\n", 5) == 0;
    return body_len >= wanted;
}

static void receive(struct connection *c)
{
    for (;;) {
        uint32_t events;
        ssize_t n = transfer(c, false, c->answer + c->answer_len,
                             sizeof c->answer - 1 - c->answer_len, &events);
        if (n < 0 && errno == EAGAIN) {
            wait_for(c, c->phase == SENDING ? EPOLLOUT | EPOLLIN : events);
            return;
        }
        if (n <= 0) {
            fail(c, RESET);
            return;
        }
        c->answer_len += (size_t)n;
        assert(c->answer_len < sizeof c->answer - 1);
        unsigned status;
        bool closes;
        if (answer_is_whole(c, &status, &closes)) {
            settle(c->number, status, 0, c->began_us);
            if (closes || c->phase == SENDING)
                close_connection(c);
            else
                c->phase = IDLE;
            rest(c);
            return;
        }
    }
}

static void on_connected(struct connection *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
        fail(c, REFUSED);
        return;
    }
    c->phase = SENDING;
    send_rest(c);
}

/* The server has closed it, or TLS has something of its own to say. */
static void on_idle_event(struct connection *c)
{
    char nothing;
    uint32_t events;
    if (transfer(c, false, &nothing, sizeof nothing, &events) >= 0 || errno != EAGAIN)
        close_connection(c);
}

static void on_event(struct connection *c, uint32_t events)
{
    if (c->phase == CONNECTING) {
        on_connected(c);
    } else if (c->phase == IDLE) {
        on_idle_event(c);
    } else if (c->phase == SENDING) {
        if (c->ssl == NULL && (events & EPOLLIN))
            receive(c);
        else
            send_rest(c);
    } else if (c->phase == RECEIVING) {
        receive(c);
    }
}

/* The loop. */

static bool may_send(void)
{
    return l.resting_count > 0 && (!l.once || l.next < l.request_count);
}

/* Sends what is due now; returns for how long nothing more will be. */
static int64_t send_due(int64_t now)
{
    if (l.rate == 0) {
        while (now < l.end_us && may_send())
            send_next();
        return 100000;
    }
    int64_t until = now < l.end_us ? now : l.end_us - 1;
    for (; intended_us(l.due) <= until; l.due++)
        add_sample(l.lags, &l.lag_count, now - intended_us(l.due));
    while (l.next < l.due && may_send())
        send_next();
    int64_t wait = intended_us(l.due) - now_us();
    return now >= l.end_us ? 100000 : wait > 0 ? wait : 0;
}

static bool is_over(int64_t now)
{
    bool has_backlog = l.rate > 0 && l.connections > 0 && l.next < l.due && may_send();
    return now >= l.end_us + l.patience * INT64_C(1000000) ||
           (now >= l.end_us && l.under_way == 0 && !has_backlog);
}

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];
    for (size_t i = 0; i < l.connections && i < l.in_advance; i++)
        open_in_advance(l.resting[l.connections - 1 - i]); /* those that are used first */
    l.start_us = now_us();
    l.end_us = l.start_us + l.seconds * INT64_C(1000000);
    for (int64_t now = l.start_us; !is_over(now); now = now_us()) {
        int64_t wait_us = send_due(now);
        struct timespec timeout = {wait_us / 1000000, wait_us % 1000000 * 1000};
        int count = epoll_pwait2(l.epoll, events, EVENTS_MAX, &timeout, NULL);
        if (count < 0 && errno != EINTR)
            give_up("epoll_pwait2");
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    for (size_t i = 0; i < l.connections; i++)
        if (l.all[i].phase != IDLE && l.all[i].phase != CLOSED)
            settle(l.all[i].number, 0, UNANSWERED, l.all[i].began_us);
    for (; l.connections > 0 && l.next < l.due; l.next++)
        settle(l.next, 0, NOT_SENT, intended_us(l.next));
}

/* What is printed. */

static void print_percentiles(const char *name, uint32_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare_samples);
    printf(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}", name,
           percentile_ms(samples, count, 50), percentile_ms(samples, count, 99),
           percentile_ms(samples, count, 99.9), percentile_ms(samples, count, 100));
}

static void print_result(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    size_t answers = 0;
    for (size_t status = 0; status < STATUS_MAX; status++)
        answers += l.statuses[status];
    printf("{\"answers\": %zu, \"per_second\": %.1f, \"cpu_s\": %.3f, \"statuses\": {", answers,
           (double)l.answered_in_time / l.seconds, cpu_s);
    const char *separator = "";
    for (size_t status = 0; status < STATUS_MAX; status++)
        if (l.statuses[status] > 0) {
            printf("%s\"%zu\": %zu", separator, status, l.statuses[status]);
            separator = ", ";
        }
    printf("}, \"failures\": {");
    for (size_t i = 0; i < FAILURES; i++)
        printf("%s\"%s\": %zu", i > 0 ? ", " : "", failure_names[i], l.failures[i]);
    printf("}");
    print_percentiles("latency_ms", l.latencies, l.latency_count);
    print_percentiles("lag_ms", l.lags, l.lag_count);
    printf("}\n");
}

static void write_ledger(void)
{
    FILE *file = fopen(l.ledger_file, "w");
    if (file == NULL)
        give_up(l.ledger_file);
    size_t count = l.next < l.request_count ? l.next : l.request_count;
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &l.ledger[i];
        fprintf(file, "%u %s %" PRIu32 "\n", entry->status,
                entry->status ? "answered" : failure_names[entry->failure], entry->latency_us);
    }
    if (fclose(file) != 0)
        give_up(l.ledger_file);
}

static void prepare(void)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0,
          0); /* ns; else the kernel may wake this program 50 us late */
    l.latencies = allocate(SAMPLES_MAX, sizeof *l.latencies);
    l.lags = allocate(SAMPLES_MAX, sizeof *l.lags);
    l.all = allocate(CONNECTIONS_MAX, sizeof *l.all);
    l.resting = allocate(CONNECTIONS_MAX, sizeof(struct connection *));
    if (l.ledger_file != NULL)
        l.ledger = allocate(l.request_count, sizeof *l.ledger);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l.epoll < 0)
        give_up("epoll_create1");
    for (size_t i = 0; i < l.connections; i++) {
        l.all[i].fd = -1;
        l.resting[l.resting_count++] = &l.all[i];
    }
    l.tls_context = SSL_CTX_new(TLS_client_method());
    if (l.tls_context == NULL)
        give_up("TLS");
    SSL_CTX_set_mode(l.tls_context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static unsigned option(const char *text, unsigned max)
{
    size_t value = number_at(text);
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || value > max) {
        fprintf(stderr, "load: %s: a number of 0..%u is expected\n", text, max);
        exit(64);
    }
    return (unsigned)value;
}

static void read_options(int argc, char **argv)
{
    static const struct option options[] = {{"connections", required_argument, NULL, 'c'},
                                            {"in-advance", required_argument, NULL, 'a'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"patience", required_argument, NULL, 'p'},
                                            {"once", no_argument, NULL, 'o'},
                                            {"tls", no_argument, NULL, 't'},
                                            {"ledger", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (letter) {
        case 'c':
            l.connections = option(optarg, CONNECTIONS_MAX);
            break;
        case 'a':
            l.in_advance = option(optarg, CONNECTIONS_MAX);
            break;
        case 'r':
            l.rate = option(optarg, 1000000);
            break;
        case 's':
            l.seconds = option(optarg, 3600);
            break;
        case 'p':
            l.patience = option(optarg, 3600);
            break;
        case 'o':
            l.once = true;
            break;
        case 't':
            l.tls = true;
            break;
        case 'l':
            l.ledger_file = optarg;
            break;
        default:
            exit(64);
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: load [OPTION...] FILE PORT\n");
        exit(64);
    }
    read_requests(argv[optind]);
    l.port = option(argv[optind + 1], 65535);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    prepare();
    run();
    print_result();
    if (l.ledger_file != NULL)
        write_ledger();
    return 0;
}
