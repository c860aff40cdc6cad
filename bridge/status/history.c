#include "bridge/status/history.h"

#include <assert.h>
#include <math.h>

void history_add(struct history *h, const struct history_sample *sample)
{
    h->samples[h->next] = *sample;
    h->next = (h->next + 1) % HISTORY_SAMPLES;
    if (h->len < HISTORY_SAMPLES)
        h->len++;
}

const struct history_sample *history_at(const struct history *h, size_t i)
{
    assert(i < h->len);
    return &h->samples[(h->next + HISTORY_SAMPLES - h->len + i) % HISTORY_SAMPLES];
}

double history_mean(const struct history *h, size_t column, int64_t not_before_mono_ms)
{
    assert(column < HISTORY_COLUMNS);
    double sum = 0, len = 0;
    for (size_t i = 0; i < h->len; i++) {
        const struct history_sample *sample = history_at(h, i);
        if (sample->at_mono_ms < not_before_mono_ms || isnan(sample->values[column]))
            continue;
        sum += sample->values[column];
        len++;
    }
    return len > 0 ? sum / len : (double)NAN;
}

double history_latest(const struct history *h, size_t column, int64_t not_before_mono_ms)
{
    assert(column < HISTORY_COLUMNS);
    for (size_t i = h->len; i-- > 0;) {
        const struct history_sample *sample = history_at(h, i);
        if (sample->at_mono_ms < not_before_mono_ms)
            break;
        if (!isnan(sample->values[column]))
            return sample->values[column];
    }
    return (double)NAN;
}
