#include "bridge/status/quantity.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What is larger is no figure of ours. */
static const double largest = 1e15;

/* "1234567" becomes "1,234,567". */
static void group_digits(const char *digits, char ret[QUANTITY_TEXT_SIZE])
{
    size_t len = strlen(digits), at = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            ret[at++] = ',';
        ret[at++] = digits[i];
    }
    ret[at] = '\0';
}

/* With one decimal below ten, where there is one. */
static void number_text(double value, char ret[QUANTITY_TEXT_SIZE])
{
    char digits[24];
    if (value < 9.95 && fabs(value - round(value)) >= 0.05) {
        snprintf(ret, QUANTITY_TEXT_SIZE, "%.1f", value);
        return;
    }
    snprintf(digits, sizeof(digits), "%.0f", value);
    group_digits(digits, ret);
}

static void print(double value, const char *unit, char ret[QUANTITY_TEXT_SIZE])
{
    char number[QUANTITY_TEXT_SIZE];
    bool is_tiny = value > 0 && value < 0.05;
    number_text(value, number);
    snprintf(ret, QUANTITY_TEXT_SIZE, "%.20s%s", is_tiny ? "<0.1" : number, unit);
}

static void print_seconds(double value, char ret[QUANTITY_TEXT_SIZE])
{
    if (value < 0.9995)
        print(value * 1000, " ms", ret);
    else
        print(value, " s", ret);
}

static void print_bytes(double value, char ret[QUANTITY_TEXT_SIZE])
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    size_t unit = 0;
    for (; value >= 1024 && unit < sizeof(units) / sizeof(units[0]) - 1; unit++)
        value /= 1024;
    print(value, units[unit], ret);
}

void quantity_text(double value, enum quantity quantity, char ret[QUANTITY_TEXT_SIZE])
{
    if (isnan(value) || value < 0 || (value > largest && quantity != QUANTITY_DAYS)) {
        snprintf(ret, QUANTITY_TEXT_SIZE, "\xe2\x80\x93");
        return;
    }
    switch (quantity) {
    case QUANTITY_COUNT:
        print(value, "", ret);
        return;
    case QUANTITY_PER_SECOND:
        print(value, "/s", ret);
        return;
    case QUANTITY_PER_MINUTE:
        print(value, "/min", ret);
        return;
    case QUANTITY_SECONDS:
        print_seconds(value, ret);
        return;
    case QUANTITY_BYTES:
        print_bytes(value, ret);
        return;
    case QUANTITY_DAYS:
        /* Days that are left are full ones. */
        if (value > largest)
            snprintf(ret, QUANTITY_TEXT_SIZE, "never");
        else
            print(value < 10 ? value : floor(value), " d", ret);
        return;
    }
}

const char *quantity_name(enum quantity quantity)
{
    static const char *const names[] = {
        [QUANTITY_COUNT] = "count",           [QUANTITY_PER_SECOND] = "per-second",
        [QUANTITY_PER_MINUTE] = "per-minute", [QUANTITY_SECONDS] = "seconds",
        [QUANTITY_BYTES] = "bytes",           [QUANTITY_DAYS] = "days",
    };
    return names[quantity];
}
