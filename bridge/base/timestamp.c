#include "bridge/base/timestamp.h"

#include <ctype.h>

static const int64_t ms_per_day = 86400000;

/* Days since 1970-01-01 in the proleptic Gregorian calendar.
 * Source: the era arithmetic of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms",
 * days_from_civil.
 */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The inverse; same source, civil_from_days. */
static void civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = (int)(shifted_month + (shifted_month < 10 ? 3 : -9));
    *ret_year = (int)(year_of_era + era * 400 + (*ret_month <= 2));
}

static bool has_four_digit_year(int64_t unix_ms)
{
    return unix_ms >= days_from_civil(0, 1, 1) * ms_per_day &&
           unix_ms < days_from_civil(10000, 1, 1) * ms_per_day;
}

/* Writes exactly `count` digits; returns what is behind them. */
static char *put_digits(char *at, int value, size_t count)
{
    for (size_t i = count; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    return at + count;
}

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

void timestamp_format(int64_t unix_ms, char ret[TIMESTAMP_SIZE])
{
    ret[0] = '\0';
    if (!has_four_digit_year(unix_ms))
        return;
    int64_t days = unix_ms / ms_per_day;
    int64_t ms = unix_ms % ms_per_day;
    if (ms < 0) {
        ms += ms_per_day;
        days--;
    }

    int year, month, day;
    civil_from_days(days, &year, &month, &day);
    int second = (int)(ms / 1000), fraction = (int)(ms % 1000);
    char *at = put_char(put_digits(ret, year, 4), '-');
    at = put_char(put_digits(at, month, 2), '-');
    at = put_char(put_digits(at, day, 2), 'T');
    at = put_char(put_digits(at, second / 3600, 2), ':');
    at = put_char(put_digits(at, second / 60 % 60, 2), ':');
    at = put_digits(at, second % 60, 2);
    if (fraction != 0)
        at = put_digits(put_char(at, '.'), fraction, 3);
    *put_char(at, 'Z') = '\0';
}

/* Reads exactly `count` digits at *at and moves behind them; -1 when there are none. */
static int take_digits(struct bytes text, size_t *at, size_t count)
{
    if (text.len - *at < count)
        return -1;
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = text.data[(*at)++];
        if (c < '0' || c > '9')
            return -1;
        value = value * 10 + (c - '0');
    }
    return value;
}

static bool take_char(struct bytes text, size_t *at, char lower)
{
    if (*at >= text.len || tolower(text.data[*at]) != lower)
        return false;
    (*at)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date(struct bytes text, size_t *at, int64_t *ret_days)
{
    int year = take_digits(text, at, 4);
    if (year < 0 || !take_char(text, at, '-'))
        return false;
    int month = take_digits(text, at, 2);
    if (month < 1 || month > 12 || !take_char(text, at, '-'))
        return false;
    int day = take_digits(text, at, 2);
    if (day < 1 || day > days_in_month(year, month))
        return false;
    *ret_days = days_from_civil(year, month, day);
    return true;
}

/* The optional ".123456": milliseconds, the rest cut off. */
static bool take_fraction(struct bytes text, size_t *at, int *ret_ms)
{
    *ret_ms = 0;
    if (*at >= text.len || text.data[*at] != '.')
        return true;
    (*at)++;
    int weight = 100;
    size_t start = *at;
    for (; *at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++) {
        *ret_ms += (text.data[*at] - '0') * weight;
        weight /= 10;
    }
    return *at > start;
}

static bool take_zone(struct bytes text, size_t *at, int *ret_minutes)
{
    *ret_minutes = 0;
    if (take_char(text, at, 'z'))
        return true;
    if (*at >= text.len || (text.data[*at] != '+' && text.data[*at] != '-'))
        return false;
    int sign = text.data[(*at)++] == '+' ? 1 : -1;
    int hours = take_digits(text, at, 2);
    if (hours < 0 || hours > 23 || !take_char(text, at, ':'))
        return false;
    int minutes = take_digits(text, at, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool timestamp_parse(struct bytes text, int64_t *ret_unix_ms)
{
    size_t at = 0;
    int64_t days;
    int fraction, zone_minutes;
    if (!take_date(text, &at, &days) || !take_char(text, &at, 't'))
        return false;
    int hour = take_digits(text, &at, 2);
    if (hour < 0 || hour > 23 || !take_char(text, &at, ':'))
        return false;
    int minute = take_digits(text, &at, 2);
    if (minute < 0 || minute > 59 || !take_char(text, &at, ':'))
        return false;
    int second = take_digits(text, &at, 2);
    if (second < 0 || second > 60)
        return false;
    if (!take_fraction(text, &at, &fraction) || !take_zone(text, &at, &zone_minutes))
        return false;
    if (at != text.len)
        return false;
    int64_t minutes = (int64_t)hour * 60 + minute - zone_minutes;
    int64_t unix_ms = days * ms_per_day + minutes * 60000 + (int64_t)second * 1000 + fraction;
    if (!has_four_digit_year(unix_ms))
        return false;
    *ret_unix_ms = unix_ms;
    return true;
}
