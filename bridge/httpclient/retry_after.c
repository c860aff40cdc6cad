#include "bridge/httpclient/retry_after.h"

#include <ctype.h>

#include <curl/curl.h>

/* From here on digits are an instant: nobody asks for a pause of 31 years, and every instant since
 * 2001-09-09 is above. */
#define EPOCH_MIN_S 1000000000

/* The longest HTTP-date, "Wednesday, 09-Nov-94 08:49:37 GMT", has 33 characters. */
#define DATE_SIZE 48

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
        text = bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Returns false unless the text is digits only; more than an int64_t holds is its maximum. */
static bool read_digits(struct bytes text, int64_t *ret)
{
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        int digit = text.data[i] - '0';
        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    *ret = value;
    return text.len > 0;
}

static int64_t clamp_ms(int64_t ms)
{
    if (ms < 0)
        return 0;
    return ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms;
}

int64_t retry_after_date(struct bytes text)
{
    char copy[DATE_SIZE];
    text = trim(text);
    /* All three forms begin with the day's name. curl_getdate() takes much more than these, also
     * bare numbers. */
    if (text.len == 0 || text.len >= sizeof(copy) || !isalpha(text.data[0]) ||
        memchr(text.data, '\0', text.len) != NULL)
        return -1;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    time_t seconds = curl_getdate(copy, NULL);
    return seconds < 0 ? -1 : (int64_t)seconds * 1000;
}

int64_t retry_after_parse(struct bytes text, int64_t now_unix_ms)
{
    int64_t seconds;
    text = trim(text);
    if (!read_digits(text, &seconds)) {
        int64_t at = retry_after_date(text);
        return at < 0 ? -1 : clamp_ms(at - now_unix_ms);
    }
    if (seconds >= INT64_MAX / 1000)
        return RETRY_AFTER_MAX_MS;
    return clamp_ms(seconds * 1000 - (seconds >= EPOCH_MIN_S ? now_unix_ms : 0));
}
