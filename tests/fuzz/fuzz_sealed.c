/* A keyring up to an empty line, then a record's value, or a snapshot file's content: nothing opens
 * that was not sealed for this place. */
#include <string.h>
#include <unistd.h>

#include "bridge/base/scoped.h"
#include "bridge/registry/sealed.h"
#include "bridge/registry/snapshot.h"
#include "tests/fuzz/fuzz.h"

static struct keyring *own;

void fuzz_start(void)
{
    static const char keys[] =
        "new:11112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
        "old:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    FUZZ_ASSERT(keyring_parse(bytes_of_text(keys), "keys", &own, NULL) == STATUS_OK);
    FUZZ_ASSERT(chdir(fuzz_directory()) == 0);
}

static void check_keyring(struct bytes text)
{
    struct keyring *k = NULL;
    enum status status = keyring_parse(text, "keys", &k, NULL);
    if (fuzz_is_nomem(status) || status != STATUS_OK)
        return;
    FUZZ_ASSERT(keyring_len(k) >= 1 && keyring_len(k) <= KEYRING_KEYS_MAX);
    for (size_t i = 0; i < keyring_len(k); i++) {
        size_t found = SIZE_MAX;
        FUZZ_ASSERT(keyring_find(k, bytes_of_text(keyring_name(k, i)), &found) && found == i);
        FUZZ_ASSERT(memmem(text.data, text.len, keyring_name(k, i), strlen(keyring_name(k, i))));
    }
    keyring_unref(k);
}

static enum status open_value(const char *topic, struct bytes key, struct bytes value,
                              struct bytes expected)
{
    CLEANUP(buf_wipe_done) struct buf opened;
    buf_init(&opened, SEALED_PLAINTEXT_MAX);
    enum status status = sealed_open(own, topic, key, value, &opened, NULL);
    FUZZ_ASSERT(status == STATUS_OK ? bytes_equal(buf_bytes(&opened), expected) : opened.len == 0);
    return status;
}

static void check_refused(enum status status)
{
    FUZZ_ASSERT(fuzz_is_nomem(status) || status == STATUS_INVALID);
}

/* What is too long for a record, or for the room there is, is refused, and nothing of it is left.
 */
static void check_limits(struct bytes plaintext)
{
    static const uint8_t zeroes[SEALED_PLAINTEXT_MAX + 1];
    CLEANUP(buf_done) struct buf small;
    CLEANUP(buf_done) struct buf sealed;
    struct bytes key = BYTES_LITERAL("/account/a");
    buf_init(&small, plaintext.len);
    buf_init(&sealed, SEALED_MAX + 1);
    check_refused(sealed_seal(own, "topic", key, bytes_of(zeroes, sizeof(zeroes)), &sealed));
    check_refused(sealed_seal(own, "topic", key, plaintext, &small));
    FUZZ_ASSERT(small.len == 0 && sealed.len == 0);
    plaintext = bytes_of(zeroes, plaintext.len + 1);
    if (!fuzz_is_nomem(sealed_seal(own, "topic", key, plaintext, &sealed)))
        check_refused(sealed_open(own, "topic", key, buf_bytes(&sealed), &small, NULL));
    FUZZ_ASSERT(small.len == 0);
}

/* It opens where it was sealed for, and not with any bit changed, moved, cut or lengthened. */
static void check_sealed(struct bytes plaintext)
{
    CLEANUP(buf_done) struct buf sealed;
    buf_init(&sealed, SEALED_MAX + 1);
    struct bytes key = BYTES_LITERAL("/account/a"), other = BYTES_LITERAL("/account/b");
    if (fuzz_is_nomem(sealed_seal(own, "topic", key, plaintext, &sealed)))
        return;
    struct bytes value = buf_bytes(&sealed), name = sealed_key_name(value);
    FUZZ_ASSERT(bytes_equal(name, BYTES_LITERAL("new")));
    FUZZ_ASSERT(plaintext.len < 8 ||
                memmem(value.data, value.len, plaintext.data, plaintext.len) == NULL);
    enum status status = open_value("topic", key, value, plaintext);
    FUZZ_ASSERT(fuzz_is_nomem(status) || status == STATUS_OK);
    FUZZ_ASSERT(open_value("topic", other, value, plaintext) != STATUS_OK);
    FUZZ_ASSERT(open_value("topi", key, value, plaintext) != STATUS_OK);
    value.len -= 1 + fuzz_choose((uint32_t)value.len);
    FUZZ_ASSERT(open_value("topic", key, value, plaintext) != STATUS_OK);
    sealed.data[fuzz_choose((uint32_t)sealed.len)] ^= (uint8_t)(1U << fuzz_choose(8));
    FUZZ_ASSERT(open_value("topic", key, buf_bytes(&sealed), plaintext) != STATUS_OK);
}

struct told {
    struct bytes key;
    struct bytes value;
    size_t records;
};

static enum status on_record(void *ctx, const struct snapshot_record *record)
{
    struct told *told = ctx;
    told->records++;
    FUZZ_ASSERT(record->partition >= 0 && record->partition < record->partitions);
    if (told->key.data != NULL)
        FUZZ_ASSERT(bytes_equal(record->key, told->key) && bytes_equal(record->value, told->value));
    return STATUS_OK;
}

/* A file that says it is a snapshot is none; one that is tells what it was told, and one byte of it
 * changed is noticed. */
static void check_snapshot(struct bytes input)
{
    struct snapshot_writer *w = NULL;
    struct told told = {0};
    int64_t written_at = 0;
    fuzz_write("snapshot", input);
    FUZZ_ASSERT(snapshot_read("snapshot", "topic", on_record, &told, &written_at, NULL) !=
                STATUS_OK);
    if (fuzz_choose(16) != 0 ||
        fuzz_is_nomem(snapshot_writer_new("snapshot", "topic", 3, 5, &w, NULL)))
        return; /* to write one durably takes long */
    told = (struct told){.key = bytes_of(input.data, input.len % 64), .value = input};
    enum status status = snapshot_writer_add(w, 2, told.key, told.value, NULL);
    if (!fuzz_is_nomem(status) && status == STATUS_OK)
        status = snapshot_writer_commit(w, NULL);
    snapshot_writer_free(w);
    if (status != STATUS_OK)
        return;
    status = snapshot_read("snapshot", "topic", on_record, &told, &written_at, NULL);
    if (!fuzz_is_nomem(status))
        FUZZ_ASSERT(status == STATUS_OK && told.records == 1 && written_at == 5);
    status = snapshot_read("snapshot", "other", on_record, &told, &written_at, NULL);
    FUZZ_ASSERT(fuzz_is_nomem(status) || status == STATUS_INVALID);
}

void fuzz_one(struct bytes input)
{
    const uint8_t *end = input.len == 0 ? NULL : memmem(input.data, input.len, "\n\n", 2);
    size_t len = end == NULL ? input.len : (size_t)(end - input.data) + 1;
    check_keyring(bytes_of(input.data, len));
    struct bytes value = bytes_of(input.data + len, input.len - len);
    CLEANUP(buf_wipe_done) struct buf opened;
    buf_init(&opened, SEALED_PLAINTEXT_MAX);
    FUZZ_ASSERT(sealed_open(own, "topic", BYTES_LITERAL("k"), value, &opened, NULL) != STATUS_OK);
    FUZZ_ASSERT(opened.len == 0);
    (void)sealed_key_name(value);
    check_limits(value);
    check_sealed(value);
    check_snapshot(value);
}
