#include "bridge/httpclient/base_url.h"

#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "bridge/base/scoped.h"

DEFINE_CLEANUP(CURLU *, curl_url_cleanup)

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text > '~' || *text == '#' || *text == '\\')
            return false;
    return true;
}

/* "." or "..", also with percent-encoded dots. */
static bool is_dot_segment(const char *segment, size_t len)
{
    size_t dots = 0;
    for (size_t i = 0; i < len; dots++) {
        if (segment[i] == '.')
            i++;
        else if (len - i >= 3 && strncasecmp(segment + i, "%2e", 3) == 0)
            i += 3;
        else
            return false;
    }
    return dots == 1 || dots == 2;
}

static bool has_dot_segment(const char *path)
{
    while (*path == '/') {
        size_t len = strcspn(path + 1, "/?");
        if (is_dot_segment(path + 1, len))
            return true;
        path += 1 + len;
    }
    return false;
}

/* What follows "http://" or "https://"; NULL: the URL begins with neither. */
static const char *after_scheme(const char *url)
{
    if (strncmp(url, "http://", 7) == 0)
        return url + 7;
    return strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

bool base_url_is_plain(const char *base)
{
    const char *host = after_scheme(base);
    if (host == NULL || !is_visible(host) || strpbrk(host, "?@") != NULL)
        return false;
    /* No host at all is one that libcurl would find in the path. */
    if (host[0] == '\0' || host[0] == '/' || host[strlen(host) - 1] == '/' ||
        has_dot_segment(host + strcspn(host, "/")))
        return false;
    CLEANUP(curl_url_cleanup_scoped) CURLU *parsed = curl_url();
    return parsed != NULL && curl_url_set(parsed, CURLUPART_URL, base, 0) == CURLUE_OK;
}

bool base_url_covers(const char *base, const char *url)
{
    size_t len = strlen(base);
    if (strncmp(url, base, len) != 0)
        return false;
    const char *rest = url + len;
    return (*rest == '\0' || *rest == '/' || *rest == '?') && is_visible(rest) &&
           !has_dot_segment(rest);
}
