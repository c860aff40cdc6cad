#include "bridge/ingress/ingress.h"

#include <stdlib.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/domain/log_events.h"
#include "bridge/ingress/loop.h"

/* More threads than this do not answer more: Kafka and the network are the limit then. */
static const unsigned threads_default_max = 4;

/* Accounts whose limits are followed at once: those with a bucket that is not full. */
static const size_t limited_accounts = 8192;

struct ingress {
    struct shared shared;
    uint16_t port;
    atomic_bool stopped;
    unsigned loops_len;
    struct loop *loops[];
};

static unsigned count_threads(unsigned wanted)
{
    if (wanted > 0)
        return wanted;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1)
        return 1;
    return cores < threads_default_max ? (unsigned)cores : threads_default_max;
}

static enum status make_limits(struct shared *s)
{
    enum status status = replays_new(&s->replays);
    for (size_t i = 0; i < LIMITS && status == STATUS_OK; i++)
        status = limit_new(i == LIMITED_UNKNOWN_PATHS ? 1 : limited_accounts, &s->limits[i]);
    return status;
}

static enum status make_shared(struct ingress *in, unsigned threads, struct diag *diag)
{
    struct shared *s = &in->shared;
    enum status status = budget_new(s->opt.in_flight_max, s->opt.in_flight_max_bytes, &s->budget);
    if (status == STATUS_OK)
        status = tally_new(s->opt.metrics, s->opt.providers, &s->tally);
    if (status == STATUS_OK)
        status = make_limits(s);
    if (status == STATUS_OK)
        ingress_set_limits(in, &s->opt.limits);
    s->delayed_max = s->opt.connections_max / 2 / threads;
    if (status == STATUS_OK && s->opt.tls.certificate_file[0] != '\0')
        status = tls_new(&s->opt.tls, &s->tls, diag);
    return status;
}

/* Each loop has its own socket on the same port: the kernel spreads connections over them. */
static enum status start_loops(struct ingress *in, unsigned threads, struct diag *diag)
{
    struct address address = in->shared.opt.listen;
    for (unsigned i = 0; i < threads; i++) {
        int fd;
        enum status status = address_listen(&address, true, &fd, &in->port, diag);
        if (status == STATUS_OK)
            status = loop_new(&in->shared, fd, &in->loops[i], diag);
        if (status != STATUS_OK)
            return status;
        address.port = in->port;
        in->loops_len++;
    }
    return STATUS_OK;
}

enum status ingress_new(const struct ingress_options *opt, struct ingress **ret, struct diag *diag)
{
    unsigned threads = count_threads(opt->threads);
    struct ingress *in = calloc(1, sizeof(*in) + threads * sizeof(in->loops[0]));
    if (in == NULL)
        return STATUS_NOMEM;
    in->shared.opt = *opt;
    enum status status = make_shared(in, threads, diag);
    if (status == STATUS_OK)
        status = start_loops(in, threads, diag);
    if (status != STATUS_OK) {
        ingress_stop(in, clock_mono_ms());
        ingress_free(in);
        return status;
    }
    *ret = in;
    return STATUS_OK;
}

uint16_t ingress_port(const struct ingress *in)
{
    return in->port;
}

enum status ingress_reload_tls(struct ingress *in, struct diag *diag)
{
    bool changed = false;
    if (in->shared.tls == NULL)
        return STATUS_OK;
    enum status status = tls_reload(in->shared.tls, &changed, diag);
    if (status == STATUS_OK && changed)
        LOG(TLS_RELOADED, log_text("certificate_file", in->shared.opt.tls.certificate_file));
    return status;
}

void ingress_set_limits(struct ingress *in, const struct ingress_limits *limits)
{
    struct shared *s = &in->shared;
    limit_set(s->limits[LIMITED_CALLBACKS], limits->callbacks);
    limit_set(s->limits[LIMITED_FAILED_SIGNATURES], limits->failed_signatures);
    limit_set(s->limits[LIMITED_UNKNOWN_PATHS], limits->unknown_paths);
    replays_set_window(s->replays, limits->replay_window_s);
}

bool ingress_is_alive(const struct ingress *in, int64_t max_age_ms)
{
    if (atomic_load(&in->stopped))
        return true;
    int64_t now = clock_mono_ms();
    for (unsigned i = 0; i < in->loops_len; i++)
        if (now - atomic_load(&in->loops[i]->turned_at_mono_ms) > max_age_ms)
            return false;
    return true;
}

void ingress_drain(struct ingress *in)
{
    atomic_store(&in->shared.draining, true);
}

size_t ingress_stop(struct ingress *in, int64_t until_mono_ms)
{
    size_t cut = 0;
    ingress_drain(in);
    for (unsigned i = 0; i < in->loops_len; i++)
        loop_stop(in->loops[i], until_mono_ms);
    for (unsigned i = 0; i < in->loops_len; i++)
        cut += loop_join(in->loops[i]);
    atomic_store(&in->stopped, true);
    return cut;
}

void ingress_free(struct ingress *in)
{
    if (in == NULL)
        return;
    for (unsigned i = 0; i < in->loops_len; i++)
        loop_free(in->loops[i]);
    tls_free(in->shared.tls);
    for (size_t i = 0; i < LIMITS; i++)
        limit_free(in->shared.limits[i]);
    replays_free(in->shared.replays);
    tally_free(in->shared.tally);
    budget_unref(in->shared.budget);
    free(in);
}
