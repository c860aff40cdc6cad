#include "bridge/domain/header_text.h"

#include "bridge/base/utf8.h"

/* No control character and no noncharacter. */
static bool is_allowed(uint32_t code_point)
{
    if (code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f))
        return false;
    return (code_point < 0xfdd0 || code_point > 0xfdef) && (code_point & 0xfffe) != 0xfffe;
}

/* The length of the allowed character at data, 0 if there is none. */
static size_t allowed_sequence(const uint8_t *data, size_t len)
{
    size_t sequence = utf8_sequence(data, len);
    return sequence > 0 && is_allowed(utf8_decode(data, sequence)) ? sequence : 0;
}

static bool is_fit(struct bytes text)
{
    for (size_t at = 0, len; at < text.len; at += len) {
        bool is_printable_ascii = text.data[at] >= 0x20 && text.data[at] < 0x7f;
        len = is_printable_ascii ? 1 : allowed_sequence(text.data + at, text.len - at);
        if (len == 0)
            return false;
    }
    return text.len <= HEADER_TEXT_MAX;
}

bool header_text_is_fit(const char *text)
{
    return is_fit(bytes_of_text(text));
}

const char *header_text(const char *text, struct arena *a)
{
    struct bytes from = bytes_of_text(text);
    if (is_fit(from))
        return arena_dup(a, from);

    char *made = arena_alloc(a, HEADER_TEXT_MAX + 1);
    if (made == NULL)
        return NULL;
    size_t made_len = 0;
    for (size_t at = 0; at < from.len;) {
        size_t sequence = utf8_sequence(from.data + at, from.len - at);
        bool is_kept = allowed_sequence(from.data + at, from.len - at) > 0;
        const void *piece = is_kept ? (const void *)(from.data + at) : UTF8_REPLACEMENT;
        size_t piece_len = is_kept ? sequence : strlen(UTF8_REPLACEMENT);
        if (made_len + piece_len > HEADER_TEXT_MAX)
            break;
        memcpy(made + made_len, piece, piece_len);
        made_len += piece_len;
        at += sequence == 0 ? 1 : sequence;
    }
    made[made_len] = '\0';
    return made;
}
