#include "bridge/app/ingress_status.h"

#include <math.h>

/* What is told of the present is of the last minute. */
static const int64_t present_ms = 60000;

#define REQUESTS "maesn_bridge_http_requests_total"
#define ANSWER_SECONDS "maesn_bridge_http_request_duration_seconds"
#define DELIVERY_SECONDS "maesn_bridge_kafka_delivery_duration_seconds"

enum column {
    COLUMN_TAKEN = 0,
    COLUMN_REFUSED,
    COLUMN_PUT_OFF,
    COLUMN_ANSWER_MEDIAN,
    COLUMN_ANSWER_P99,
    COLUMN_DELIVERY_MEDIAN,
    COLUMN_DELIVERY_P99,
    COLUMN_IN_FLIGHT,
    COLUMN_SPOOLED,
};

static const struct sampler_column columns[] = {
    [COLUMN_TAKEN] = {SAMPLER_RATE, REQUESTS, {"code", "2", false}, 1},
    [COLUMN_REFUSED] = {SAMPLER_RATE, REQUESTS, {"code", "4", false}, 1},
    [COLUMN_PUT_OFF] = {SAMPLER_RATE, REQUESTS, {"code", "5", false}, 1},
    [COLUMN_ANSWER_MEDIAN] = {SAMPLER_QUANTILE, ANSWER_SECONDS, {0}, 0.5},
    [COLUMN_ANSWER_P99] = {SAMPLER_QUANTILE, ANSWER_SECONDS, {0}, 0.99},
    [COLUMN_DELIVERY_MEDIAN] = {SAMPLER_QUANTILE, DELIVERY_SECONDS, {0}, 0.5},
    [COLUMN_DELIVERY_P99] = {SAMPLER_QUANTILE, DELIVERY_SECONDS, {0}, 0.99},
    [COLUMN_IN_FLIGHT] = {SAMPLER_VALUE, "maesn_bridge_in_flight_requests", {0}, 0},
    [COLUMN_SPOOLED] = {SAMPLER_VALUE, "maesn_bridge_spool_records", {0}, 0},
};

static const struct chart charts[] = {
    {"callbacks",
     "Callbacks",
     QUANTITY_PER_SECOND,
     {{"taken", COLUMN_TAKEN, false},
      {"refused", COLUMN_REFUSED, false},
      {"put off", COLUMN_PUT_OFF, false}}},
    {"answer-duration",
     "How long an answer takes",
     QUANTITY_SECONDS,
     {{"median", COLUMN_ANSWER_MEDIAN, false}, {"99th percentile", COLUMN_ANSWER_P99, false}}},
    {"delivery-duration",
     "How long Kafka takes",
     QUANTITY_SECONDS,
     {{"median", COLUMN_DELIVERY_MEDIAN, false}, {"99th percentile", COLUMN_DELIVERY_P99, false}}},
    {"waiting",
     "Waiting",
     QUANTITY_COUNT,
     {{"callbacks in flight", COLUMN_IN_FLIGHT, false},
      {"records in the spool", COLUMN_SPOOLED, true}}},
};

static const struct metric_table tables[] = {
    {"answers", "Answers", REQUESTS, {"provider", "code"}, {"Provider", "HTTP code", "Requests"}},
    {"verifications",
     "Signatures",
     "maesn_bridge_signature_verifications_total",
     {"provider", "result"},
     {"Provider", "Result", "Callbacks"}},
    {"records",
     "Records",
     "maesn_bridge_kafka_messages_total",
     {"topic", "result"},
     {"Topic", "Result", "Records"}},
    {"dead-letters",
     "Dead letters",
     "maesn_bridge_dead_letters_total",
     {"reason"},
     {"Reason", "Records"}},
};

/* --- the figures ------------------------------------------------------------------------------ */

static double mean(const struct view *v, enum column column)
{
    return history_mean(v->history, column, v->now_mono_ms - present_ms);
}

static double latest(const struct view *v, enum column column)
{
    return history_latest(v->history, column, v->now_mono_ms - present_ms);
}

static struct view_figure callbacks_figure(struct arena *arena, const struct view *v)
{
    double put_off = mean(v, COLUMN_PUT_OFF), refused = mean(v, COLUMN_REFUSED);
    char text[QUANTITY_TEXT_SIZE];
    quantity_text(put_off > 0 ? put_off : refused, QUANTITY_PER_SECOND, text);
    return (struct view_figure){
        .name = "callbacks",
        .title = "Callbacks taken",
        .value = mean(v, COLUMN_TAKEN),
        .quantity = QUANTITY_PER_SECOND,
        .tone = put_off > 0 ? TONE_BAD : TONE_PLAIN,
        .note = arena_printf(arena, "%s %s", text, put_off > 0 ? "put off" : "refused"),
    };
}

static struct view_figure duration_figure(const struct view *v, const char *name, const char *title,
                                          enum column column)
{
    return (struct view_figure){
        .name = name,
        .title = title,
        .value = latest(v, column),
        .quantity = QUANTITY_SECONDS,
        .note = "99th percentile",
    };
}

static struct view_figure in_flight_figure(struct metrics *m)
{
    return (struct view_figure){
        .name = "in-flight",
        .title = "In flight",
        .value = metrics_sum(m, "maesn_bridge_in_flight_requests", NULL),
        .note = "not yet answered",
    };
}

static struct view_figure files_figure(struct static_routes *declared)
{
    return (struct view_figure){
        .name = "routes-of-files",
        .title = "Routes of files",
        .value = (double)static_routes_len(declared),
    };
}

static struct view_figure registry_figure(struct metrics *m, struct arena *arena)
{
    bool is_loaded = metrics_sum(m, "maesn_bridge_registry_loaded", NULL) > 0;
    double unreadable = metrics_sum(m, "maesn_bridge_registry_entries_unreadable", NULL);
    return (struct view_figure){
        .name = "routes-of-registry",
        .title = "Routes of the registry",
        .value = metrics_sum(m, "maesn_bridge_registry_entries", NULL),
        .tone = !is_loaded       ? TONE_BAD
                : unreadable > 0 ? TONE_WARN
                                 : TONE_PLAIN,
        .note = !is_loaded       ? "not read to its end yet"
                : unreadable > 0 ? arena_printf(arena, "%.0f cannot be read", unreadable)
                                 : "read to its end",
    };
}

static struct view_figure spool_figure(struct metrics *m, struct arena *arena)
{
    char used[QUANTITY_TEXT_SIZE], max[QUANTITY_TEXT_SIZE];
    double records = metrics_sum(m, "maesn_bridge_spool_records", NULL);
    quantity_text(metrics_sum(m, "maesn_bridge_spool_bytes", NULL), QUANTITY_BYTES, used);
    quantity_text(metrics_sum(m, "maesn_bridge_spool_max_bytes", NULL), QUANTITY_BYTES, max);
    bool is_healthy = metrics_sum(m, "maesn_bridge_spool_healthy", NULL) > 0;
    return (struct view_figure){
        .name = "spool-records",
        .title = "In the spool",
        .value = records,
        .tone = !is_healthy   ? TONE_BAD
                : records > 0 ? TONE_WARN
                              : TONE_GOOD,
        .note = is_healthy ? arena_printf(arena, "%s of %s", used, max) : "takes no records",
    };
}

#define FIGURES_MAX 7

static enum status tell(void *ctx, struct metrics *m, struct arena *arena, struct view *v)
{
    struct view_figure *figures = arena_alloc(arena, FIGURES_MAX * sizeof(*figures));
    if (figures == NULL)
        return STATUS_NOMEM;
    size_t len = 0;
    figures[len++] = callbacks_figure(arena, v);
    figures[len++] = duration_figure(v, "answer-duration", "Answered within", COLUMN_ANSWER_P99);
    figures[len++] =
        duration_figure(v, "delivery-duration", "Acknowledged within", COLUMN_DELIVERY_P99);
    figures[len++] = in_flight_figure(m);
    figures[len++] = files_figure(ctx);
    if (!isnan(metrics_sum(m, "maesn_bridge_registry_loaded", NULL)))
        figures[len++] = registry_figure(m, arena);
    if (!isnan(metrics_sum(m, "maesn_bridge_spool_records", NULL)))
        figures[len++] = spool_figure(m, arena);
    v->figures = figures;
    v->figures_len = len;
    return STATUS_OK;
}

void ingress_status_source(struct static_routes *routes, struct process_status_source *ret)
{
    *ret = (struct process_status_source){
        .process = "ingress",
        .columns = columns,
        .columns_len = sizeof(columns) / sizeof(columns[0]),
        .charts = charts,
        .charts_len = sizeof(charts) / sizeof(charts[0]),
        .tables = tables,
        .tables_len = sizeof(tables) / sizeof(tables[0]),
        .tell = tell,
        .ctx = routes,
    };
}
