#include "bridge/replay/selection.h"

#include "bridge/base/timestamp.h"

static bool takes_instant(const struct selection *s, int64_t unix_ms)
{
    return unix_ms >= s->since_unix_ms && unix_ms < s->until_unix_ms;
}

static bool takes_account(const struct selection *s, const char *account)
{
    for (size_t i = 0; i < s->accounts_len; i++)
        if (strcmp(s->accounts[i], account) == 0)
            return true;
    return s->accounts_len == 0;
}

bool selection_takes(const struct selection *s, const struct dead_letter *letter)
{
    return (!s->by_reason || s->reasons[letter->reason]) && takes_account(s, letter->account) &&
           takes_instant(s, letter->recorded_at_unix_ms);
}

bool selection_takes_unreadable(const struct selection *s, int64_t written_at_unix_ms)
{
    return !s->by_reason && s->accounts_len == 0 && takes_instant(s, written_at_unix_ms);
}

enum dead_letter_reason selection_reason(const char *name)
{
    for (int i = DEAD_LETTER_NONE + 1; i < DEAD_LETTER_REASONS; i++)
        if (strcmp(name, dead_letter_reason_name((enum dead_letter_reason)i)) == 0)
            return (enum dead_letter_reason)i;
    return DEAD_LETTER_NONE;
}

static int64_t unit_ms(char unit)
{
    const int64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
    switch (unit) {
    case 's':
        return second;
    case 'm':
        return minute;
    case 'h':
        return hour;
    case 'd':
        return day;
    case 'w':
        return 7 * day;
    default:
        return 0;
    }
}

/* At most nine digits: longer ago than any topic's letters, and no product overflows. */
static bool read_ago(const char *text, int64_t *ret_ms)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] == '\0' || text[digits + 1] != '\0')
        return false;
    int64_t count = 0;
    for (size_t i = 0; i < digits; i++)
        count = count * 10 + (text[i] - '0');
    *ret_ms = count * unit_ms(text[digits]);
    return unit_ms(text[digits]) != 0;
}

bool selection_instant(const char *text, int64_t now_unix_ms, int64_t *ret_unix_ms)
{
    int64_t ago_ms;
    if (timestamp_parse(bytes_of_text(text), ret_unix_ms))
        return true;
    if (!read_ago(text, &ago_ms))
        return false;
    *ret_unix_ms = now_unix_ms - ago_ms;
    return true;
}
