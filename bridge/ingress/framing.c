#include "bridge/ingress/framing.h"

#include <ctype.h>
#include <strings.h>

#include "bridge/base/crypto.h"

static bool is_named(struct bytes name, const char *wanted)
{
    return strlen(wanted) == name.len &&
           strncasecmp((const char *)name.data, wanted, name.len) == 0;
}

/* Source: RFC 9110 section 5.6.2, tchar. */
static bool is_token(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum(name.data[i]) &&
            (name.data[i] == '\0' || strchr("!#$%&'*+-.^_`|~", name.data[i]) == NULL))
            return false;
    return name.len > 0;
}

static bool parse_length(struct bytes text, uint64_t *ret)
{
    uint64_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit(text.data[i]) || length > (UINT64_MAX - 9) / 10)
            return false;
        length = length * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret = length;
    return text.len > 0;
}

/* Two signatures: a reader in front may have checked the other one. */
static void see_signature(struct framing *f, struct bytes name)
{
    for (unsigned i = 0; f->providers != NULL && f->providers[i] != NULL; i++) {
        if (!is_named(name, f->providers[i]->signature_header))
            continue;
        f->malformed |= (f->signatures & 1U << i) != 0;
        f->signatures |= 1U << i;
    }
}

void framing_see(struct framing *f, struct bytes name, struct bytes value)
{
    if (!is_token(name))
        f->malformed = true;
    else if (is_named(name, "Host"))
        f->hosts++;
    else if (is_named(name, "Expect"))
        f->unknown_expectation |= !is_named(value, "100-continue");
    else if (is_named(name, "Content-Length")) {
        f->content_lengths++;
        f->malformed |= !parse_length(value, &f->content_length);
    } else if (is_named(name, "Transfer-Encoding")) {
        f->transfer_encodings++;
        f->unknown_coding |= !is_named(value, "chunked");
    } else
        see_signature(f, name);
}

enum framing_verdict framing_judge(const struct framing *f)
{
    if (f->malformed || f->hosts > 1 || f->unknown_coding ||
        f->content_lengths + f->transfer_encodings > 1)
        return FRAMING_REFUSED;
    return f->unknown_expectation ? FRAMING_UNEXPECTED : FRAMING_FINE;
}

bool framing_decode_path(const char *target, char *ret, size_t ret_size)
{
    size_t len = 0;
    for (; *target != '\0'; target++) {
        uint8_t byte = (uint8_t)*target;
        if (byte == '%') {
            if (!hex_decode(bytes_of(target + 1, strnlen(target + 1, 2)), &byte, 1) || byte == 0)
                return false;
            target += 2;
        }
        if (len + 1 >= ret_size)
            return false;
        ret[len++] = (char)byte;
    }
    ret[len] = '\0';
    return true;
}
