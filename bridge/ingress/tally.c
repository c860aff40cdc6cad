#include "bridge/ingress/tally.h"

#include <stdio.h>
#include <stdlib.h>

struct provider_tally {
    const struct provider *provider;   /* NULL: of requests without a route */
    struct counter *requests[ANSWERS]; /* answers of one code share a series */
    struct counter *verifications[VERIFICATIONS];
    struct counter *replays; /* NULL without a provider */
};

struct tally {
    struct counter *limited[LIMITS];
    struct gauge *in_flight;
    struct histogram *duration;
    size_t len;
    struct provider_tally items[]; /* the last one is that of no provider */
};

static const char *const limited_names[LIMITS] = {
    [LIMITED_CALLBACKS] = "callbacks",
    [LIMITED_FAILED_SIGNATURES] = "failed-signatures",
    [LIMITED_UNKNOWN_PATHS] = "unknown-paths",
};

static void make_series(struct provider_tally *item, struct metrics *metrics)
{
    const char *name = item->provider == NULL ? "none" : item->provider->name;
    for (enum answer answer = ANSWER_NONE; answer < ANSWERS; answer++) {
        char code[8];
        snprintf(code, sizeof(code), "%u", answer_row(answer)->code);
        item->requests[answer] = metrics_counter(
            metrics, "maesn_bridge_http_requests_total", "Requests answered, by HTTP code.",
            (const struct metric_label[]){{"provider", name}, {"code", code}}, 2);
    }
    for (unsigned i = 0; item->provider != NULL && i < VERIFICATIONS; i++)
        item->verifications[i] = metrics_counter(
            metrics, "maesn_bridge_signature_verifications_total",
            "Callbacks whose authenticity was judged, by result.",
            (const struct metric_label[]){{"provider", name},
                                          {"result", verification_name((enum verification)i)}},
            2);
    if (item->provider != NULL)
        item->replays =
            metrics_counter(metrics, "maesn_bridge_suspected_replays_total",
                            "Accepted callbacks whose ce_id was accepted within the window before.",
                            &(const struct metric_label){"provider", name}, 1);
}

enum status tally_new(struct metrics *metrics, const struct provider *const *providers,
                      struct tally **ret)
{
    size_t len = 0;
    while (providers != NULL && providers[len] != NULL)
        len++;
    struct tally *t = calloc(1, sizeof(*t) + (len + 1) * sizeof(t->items[0]));
    if (t == NULL)
        return STATUS_NOMEM;
    t->len = len + 1;
    for (size_t i = 0; i < t->len; i++) {
        t->items[i].provider = i < len ? providers[i] : NULL;
        make_series(&t->items[i], metrics);
    }
    for (size_t i = 0; i < LIMITS; i++)
        t->limited[i] = metrics_counter(metrics, "maesn_bridge_requests_limited_total",
                                        "Requests answered 429, by limit.",
                                        &(const struct metric_label){"limit", limited_names[i]}, 1);
    t->in_flight = metrics_gauge(metrics, "maesn_bridge_in_flight_requests",
                                 "Callbacks taken up and not yet answered.", NULL, 0);
    t->duration = metrics_histogram(metrics, "maesn_bridge_http_request_duration_seconds",
                                    "From the end of a request's header to its answer.", NULL, 0);
    *ret = t;
    return STATUS_OK;
}

void tally_free(struct tally *t)
{
    free(t);
}

static struct provider_tally *find(struct tally *t, const struct provider *provider)
{
    size_t i = 0;
    while (i + 1 < t->len && t->items[i].provider != provider)
        i++;
    return &t->items[i];
}

void tally_answer(struct tally *t, const struct provider *provider, enum answer answer,
                  int64_t duration_us)
{
    counter_add(find(t, provider)->requests[answer], 1);
    histogram_observe(t->duration, (double)duration_us / 1e6);
}

void tally_verification(struct tally *t, const struct provider *provider,
                        enum verification verification)
{
    struct counter *c = find(t, provider)->verifications[verification];
    if (c != NULL)
        counter_add(c, 1);
}

void tally_limited(struct tally *t, enum limited limited)
{
    counter_add(t->limited[limited], 1);
}

void tally_replay(struct tally *t, const struct provider *provider)
{
    counter_add(find(t, provider)->replays, 1);
}

void tally_in_flight(struct tally *t, int change)
{
    gauge_add(t->in_flight, change);
}
