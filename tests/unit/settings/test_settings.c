#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "config_files.h"

#define MINIMUM "kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\"}\n"

DEFINE_CLEANUP(struct settings *, settings_free)

static void free_text(char **text)
{
    free(*text);
}

/* --- broken configurations ----------------------------------------------------------------- */

struct broken {
    const char *yaml; /* bridge.yaml */
    const char *problems;
};

/* clang-format off */
static const struct broken broken_settings[] = {
    /* nothing at all */
    {"", "bridge.yaml:1:1: (yaml): nothing, expected a map\n"},
    /* a list instead of a map */
    {"- kafka\n", "bridge.yaml:1:1: (file): a list, expected a map\n"},
    /* the one key without a default */
    {"topics: {registry: \"\"}\n",
     "bridge.yaml:1:1: kafka.brokers: missing, expected host:port[,host:port...]\n"},
    /* with a registry, its files and the public URL too */
    {"kafka: {brokers: \"a:1\"}\nmaesn: {api_key_file: k}\n",
     "bridge.yaml:1:1: route_key_file: missing, expected a path: topics.registry is not \"\"\n"
     "bridge.yaml:1:1: keyring_file: missing, expected a path: topics.registry is not \"\"\n"
     "bridge.yaml:1:1: public_base_url: missing, expected an https URL (http for a loopback host) "
     "without user, query, fragment and trailing slash: the reconciler makes callback URLs of it\n"
     "bridge.yaml:2:23: maesn.api_key_file: k: No such file or directory, expected a readable file "
     "with a secret\n"},
    /* misspelt, in a section */
    {MINIMUM "ingress: {deadlin_ms: 1}\n",
     "bridge.yaml:3:11: ingress.deadlin_ms: unknown key (did you mean \"ingress.deadline_ms\"?)\n"},
    /* misspelt section */
    {MINIMUM "ingres:\n  threads: 1\n",
     "bridge.yaml:3:1: ingres: unknown key (did you mean \"ingress\"?)\n"},
    /* misspelt section of a section */
    {MINIMUM "ingress:\n  tsl: {}\n",
     "bridge.yaml:4:3: ingress.tsl: unknown key (did you mean \"ingress.tls\"?)\n"},
    /* right, but in the wrong place */
    {MINIMUM "brokers: a\n",
     "bridge.yaml:3:1: brokers: unknown key (did you mean \"kafka.brokers\"?)\n"},
    /* like nothing we know */
    {MINIMUM "frobnicate: 1\n", "bridge.yaml:3:1: frobnicate: unknown key\n"},
    /* a path of keys in one */
    {MINIMUM "log.level: info\n",
     "bridge.yaml:3:1: log.level: a key with a dot, expected a map in a map\n"},
    /* twice */
    {MINIMUM "format: binary\nformat: structured\n",
     "bridge.yaml:4:1: format: duplicate key, the first is at bridge.yaml:3:1\n"},
    /* text for a number */
    {MINIMUM "ingress: {threads: many}\n",
     "bridge.yaml:3:20: ingress.threads: many, expected an integer of 0..64 threads\n"},
    /* a number in quotes is text */
    {MINIMUM "ingress: {threads: \"4\"}\n",
     "bridge.yaml:3:20: ingress.threads: \"4\", expected an integer of 0..64 threads\n"},
    /* maybe octal */
    {MINIMUM "ingress: {threads: 010}\n",
     "bridge.yaml:3:20: ingress.threads: 010, expected an integer of 0..64 threads\n"},
    /* not whole */
    {MINIMUM "ingress: {threads: 1.5}\n",
     "bridge.yaml:3:20: ingress.threads: 1.5, expected an integer of 0..64 threads\n"},
    /* beyond the range */
    {MINIMUM "ingress:\n  body_max_bytes: 1000000\n",
     "bridge.yaml:4:19: ingress.body_max_bytes: 1000000, expected an integer of 1024..900000 bytes\n"},
    /* below it */
    {MINIMUM "reconciler: {overlap_s: 9}\n",
     "bridge.yaml:3:25: reconciler.overlap_s: 9, expected an integer of 10..86400 seconds\n"},
    /* beyond 64 bits */
    {MINIMUM "spool: {max_bytes: 99999999999999999999}\n",
     "bridge.yaml:3:20: spool.max_bytes: 99999999999999999999, expected an integer of "
     "1048576..1125899906842624 bytes\n"},
    /* not one of the names */
    {MINIMUM "format: avro\n", "bridge.yaml:3:9: format: avro, expected binary or structured\n"},
    /* neither true nor false in YAML 1.2 */
    {"kafka: {brokers: \"a:1\", idempotence: yes}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:38: kafka.idempotence: yes, expected true or false\n"},
    /* a scalar for a section */
    {MINIMUM "log: info\n", "bridge.yaml:3:6: log: info, expected a map\n"},
    /* a map for a scalar */
    {MINIMUM "format: {}\n", "bridge.yaml:3:9: format: a map, expected binary or structured\n"},
    /* nothing for a scalar */
    {MINIMUM "format:\n", "bridge.yaml:3:8: format: nothing, expected binary or structured\n"},
    /* no port */
    {MINIMUM "ingress: {listen: localhost}\n",
     "bridge.yaml:3:19: ingress.listen: localhost, expected host:port, [v6]:port or :port with a "
     "port of 0..65535\n"},
    /* brokers without ports */
    {"kafka: {brokers: \"a,b:1\"}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:18: kafka.brokers: \"a,b:1\", expected host:port[,host:port...]\n"},
    /* a password where it would be shown */
    {"kafka: {brokers: \"u:canary@b:1\"}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:18: kafka.brokers: (masked), expected host:port[,host:port...]\n"},
    /* plain http over the internet */
    {MINIMUM "public_base_url: http://hooks.example.com\n",
     "bridge.yaml:3:18: public_base_url: http://hooks.example.com, expected an https URL (http for "
     "a loopback host) without user, query, fragment and trailing slash\n"},
    /* what is appended begins with a slash */
    {MINIMUM "previous_public_base_urls: [\"https://a/\"]\n",
     "bridge.yaml:3:29: previous_public_base_urls: \"https://a/\", expected an https URL (http for "
     "a loopback host) without user, query, fragment and trailing slash\n"},
    /* a topic name that Kafka refuses */
    {MINIMUM "format: binary\nmoneybird: {entity: drop}\nlog: {level: debug}\n"
     "shutdown: {delay_ms: 1}\nhttp: {ca_file: nowhere.pem}\n",
     "bridge.yaml:7:17: http.ca_file: nowhere.pem: No such file or directory, expected a readable "
     "file that is not empty\n"},
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", other: \"a b\"}\n",
     "bridge.yaml:2:31: topics.other: \"a b\", expected a topic name of 1..249 letters, digits, "
     "\".\", \"_\" and \"-\"\n"},
    /* the same topic twice, but for what Kafka's metrics cannot tell apart */
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", dead_letter: maesn_token}\n",
     "bridge.yaml:2:37: topics.dead_letter: maesn_token, expected another name than that of "
     "topics.token\n"},
    /* what a 200 rests on */
    {"kafka: {brokers: \"a:1\", raw: {acks: 1, enable.idempotence: true}}\n"
     "topics: {registry: \"\"}\n",
     "bridge.yaml:1:31: kafka.raw.acks: protected, expected it left out: a 200 means acknowledged "
     "by all in-sync replicas\n"
     "bridge.yaml:1:40: kafka.raw.enable.idempotence: protected, expected it left out: set "
     "kafka.idempotence\n"},
    /* an embedded broker forgets */
    {"kafka: {brokers: \"a:1\", raw: {test.mock.num.brokers: 3}}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:31: kafka.raw.test.mock.num.brokers: protected, expected it left out: an "
     "embedded broker would forget what was answered 200\n"},
    /* a property that is no text */
    {"kafka: {brokers: \"a:1\", raw: {client.id: [a]}}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:42: kafka.raw.client.id: a list, expected text, a number, true or false\n"},
    /* longer than a callback has */
    {"kafka: {brokers: \"a:1\", linger_ms: 1000}\ntopics: {registry: \"\"}\n"
     "ingress: {deadline_ms: 1500}\n",
     "bridge.yaml:1:36: kafka.linger_ms: 1000, expected less than 60 % of ingress.deadline_ms, "
     "which is 1500\n"},
    /* half of a pair */
    {MINIMUM "ingress: {tls: {certificate_file: bridge.yaml}}\n",
     "bridge.yaml:3:35: ingress.tls.key_file: missing, expected a path: there is a "
     "certificate_file\n"},
    /* both listeners in one place */
    {MINIMUM "ingress: {listen: \":1\"}\nadmin: {listen: \":1\"}\n",
     "bridge.yaml:4:17: admin.listen: port 1, expected another port than that of ingress.listen\n"},
    /* the hard stop comes first */
    {MINIMUM "shutdown: {hard_stop_ms: 5000}\n",
     "bridge.yaml:3:26: shutdown.hard_stop_ms: 5000, expected more than shutdown.delay_ms, which "
     "is 5000\n"},
    /* a directory that was set */
    {MINIMUM "routes_dir: nowhere\n",
     "bridge.yaml:3:13: routes_dir: nowhere: No such file or directory, expected a readable "
     "directory\n"},
    /* a system's parameters */
    {MINIMUM "maesn:\n  integrations:\n    weclapp: {resource: maybe, event: [A]}\n",
     "bridge.yaml:5:25: maesn.integrations.weclapp.resource: maybe, expected required, optional or "
     "unsupported\n"
     "bridge.yaml:5:32: maesn.integrations.weclapp.event: unknown key (did you mean \"events\"?)\n"},
    /* an alias makes a reader look elsewhere */
    {"kafka: &k {brokers: \"a:1\"}\n", "bridge.yaml:1:8: (yaml): an anchor or a tag, expected neither\n"},
    {"kafka: *k\n", "bridge.yaml:1:8: (yaml): an alias, expected the value itself\n"},
    /* a tag */
    {"format: !!str binary\n", "bridge.yaml:1:9: (yaml): an anchor or a tag, expected neither\n"},
    /* two documents */
    {MINIMUM "---\nformat: binary\n", "bridge.yaml:3:1: (yaml): a second document, expected one\n"},
    /* no YAML */
    {MINIMUM "format: [a\n",
     "bridge.yaml:4:1: (yaml): did not find expected ',' or ']', while parsing a flow sequence at "
     "line 3\n"},
    /* a tab where YAML has none */
    {"kafka:\n\tbrokers: a\n",
     "bridge.yaml:2:1: (yaml): found character that cannot start any token, while scanning for "
     "the next token at line 2\n"},
    /* no UTF-8 */
    {"format: \"\xff\"\n",
     "bridge.yaml:1:1: (yaml): invalid leading UTF-8 octet at byte 9, expected UTF-8 text\n"},
    /* a key that is a list */
    {"? [a]\n: b\n", "bridge.yaml:1:3: (yaml): a list or map as a key, expected text\n"},
    /* deep */
    {"a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
     "bridge.yaml:1:19: (yaml): more than 16 levels of lists and maps, expected fewer\n"},
};
/* clang-format on */

static void every_broken_setting_is_told_with_its_place_and_expectation(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(broken_settings) / sizeof(broken_settings[0]); i++) {
        config_file("bridge.yaml", broken_settings[i].yaml);
        CLEANUP(free_text) char *problems = config_problems(SETTINGS_ALL);
        assert_string_equal(problems, broken_settings[i].problems);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, config_files_setup, config_files_teardown)
        TEST(every_broken_setting_is_told_with_its_place_and_expectation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
