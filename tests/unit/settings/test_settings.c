#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
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
    {"",
     "bridge.yaml:1:1: kafka.brokers: missing, expected host:port[,host:port...]\n"
     "bridge.yaml:1:1: route_key_file: missing, expected a path: topics.registry is not \"\"\n"
     "bridge.yaml:1:1: keyring_file: missing, expected a path: topics.registry is not \"\"\n"
     "bridge.yaml:1:1: public_base_url: missing, expected an https URL (http for a loopback host) "
     "without user, query, fragment and trailing slash: the reconciler makes callback URLs of it\n"
     "bridge.yaml:1:1: maesn.api_key_file: secrets/maesn-api-key: No such file or directory, "
     "expected a readable file with a secret\n"},
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
    /* of two lines, and with what a terminal would obey */
    {MINIMUM "\"a\\nb\": \"\\e[2J\"\n", "bridge.yaml:3:1: a?b: unknown key\n"},
    {MINIMUM "format: \"\\e[2J\"\n",
     "bridge.yaml:3:9: format: \"?[2J\", expected binary or structured\n"},
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
    /* a broker has one protocol */
    {"kafka: {brokers: \"SSL://SSL://b:1\"}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:18: kafka.brokers: \"SSL://SSL://b:1\", expected host:port[,host:port...]\n"},
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
    /* a file that is not there, behind much that is right */
    {MINIMUM "format: binary\nmoneybird: {entity: drop}\nlog: {level: debug}\n"
     "shutdown: {delay_ms: 1}\nhttp: {ca_file: nowhere.pem}\n",
     "bridge.yaml:7:17: http.ca_file: nowhere.pem: No such file or directory, expected a readable "
     "file that is not empty\n"},
    /* a topic name that Kafka refuses */
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", other: \"a b\"}\n",
     "bridge.yaml:2:31: topics.other: \"a b\", expected a topic name of 1..249 letters, digits, "
     "\".\", \"_\" and \"-\"\n"},
    /* the same topic twice, but for what Kafka's metrics cannot tell apart */
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", dead_letter: maesn_token}\n",
     "bridge.yaml:2:37: topics.dead_letter: maesn_token, expected another name than that of "
     "topics.token\n"},
    /* a placeholder nobody fills */
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", template: \"maesn.{resourse}\"}\n",
     "bridge.yaml:2:34: topics.template: \"{resourse}\", one of {provider} {system} {account} "
     "{resource} {event}\n"},
    /* a brace too few */
    {"kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\", key: \"resource}\"}\n",
     "bridge.yaml:2:29: topics.key: \"resource}\", a { before each }\n"},
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
    /* kinit is another program; GSSAPI is the default mechanism */
    {"kafka: {brokers: \"a:1\", raw: {security.protocol: SASL_SSL}}\ntopics: {registry: \"\"}\n",
     "bridge.yaml:1:30: sandbox: enforce, expected off: kafka.raw.sasl.mechanism GSSAPI runs kinit, "
     "which a sandbox forbids\n"},
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
    {"kafka: &k {brokers: \"a:1\"}\nlog: *k\n",
     "bridge.yaml:1:8: (yaml): an anchor or a tag, expected neither\n"
     "bridge.yaml:2:6: (yaml): an alias, expected the value itself\n"},
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

/* --- broken routes and accounts ------------------------------------------------------------ */

#define ROUTE                                                                                      \
    "routes:\n"                                                                                    \
    "  - path: /in/maesn/acme-42/by-hand\n"                                                        \
    "    provider: maesn\n"                                                                        \
    "    account: acme-42\n"                                                                       \
    "    system: xero\n"                                                                           \
    "    secret_file: ../secret\n"

/* clang-format off */
static const struct broken broken_routes[] = {
    /* truncated to nothing, more likely than wanted so */
    {"", "routes.d/a.yaml:1:1: routes: missing, expected a list, [] for none\n"},
    /* a list at the top */
    {"- path: /in/a\n", "routes.d/a.yaml:1:1: routes: a list, expected a map with one list\n"},
    /* misspelt */
    {"route: []\n",
     "routes.d/a.yaml:1:1: route: unknown key (did you mean \"routes\"?)\n"
     "routes.d/a.yaml:1:1: routes: missing, expected a list, [] for none\n"},
    /* no list */
    {"routes: {}\n", "routes.d/a.yaml:1:9: routes: a map, expected a list\n"},
    /* no map in it */
    {"routes: [a]\n", "routes.d/a.yaml:1:10: routes[0]: a, expected a map\n"},
    /* nothing in it */
    {"routes: [{}]\n",
     "routes.d/a.yaml:1:10: routes[0].account: missing, expected 1 to 63 lower-case letters, digits "
     "and \"-\", not beginning with \"-\"\n"
     "routes.d/a.yaml:1:10: routes[0].path: missing, expected a decoded path that begins with /in/, "
     "without space, %, ?, # and \\\n"
     "routes.d/a.yaml:1:10: routes[0].provider: missing, expected a provider's name\n"},
    /* a secret where only its file's name belongs: its value is not repeated */
    {ROUTE "    secret: canary\n",
     "routes.d/a.yaml:7:5: routes[0].secret: unknown key (did you mean \"secret_file\"?)\n"},
    /* elsewhere */
    {"routes: [{path: /out/a, provider: maesn, account: a, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:17: routes[0].path: /out/a, expected a decoded path that begins with /in/, "
     "without space, %, ?, # and \\\n"},
    /* encoded: no request would ever match */
    {"routes: [{path: /in/a%2Fb, provider: maesn, account: a, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:17: routes[0].path: /in/a%2Fb, expected a decoded path that begins with "
     "/in/, without space, %, ?, # and \\\n"},
    /* somebody else's */
    {"routes: [{path: /in/a, provider: mesn, account: a, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:34: routes[0].provider: mesn, expected one of maesn, moneybird (did you "
     "mean \"maesn\"?)\n"},
    /* an account id is part of topics */
    {"routes: [{path: /in/a, provider: maesn, account: A_1, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:50: routes[0].account: A_1, expected 1 to 63 lower-case letters, digits and "
     "\"-\", not beginning with \"-\"\n"},
    /* a number is no text, and might lose a digit */
    {"routes: [{path: /in/a, provider: maesn, account: 1.10, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:50: routes[0].account: 1.10, expected 1 to 63 lower-case letters, digits and "
     "\"-\", not beginning with \"-\"\n"},
    /* Maesn fronts many systems */
    {"routes: [{path: /in/a, provider: maesn, account: a, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:10: routes[0].system: missing, expected a system that maesn knows\n"},
    /* none that it knows */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: zero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:61: routes[0].system: zero, expected a system that maesn knows\n"},
    /* a native route's is its own */
    {"routes: [{path: /in/a, provider: moneybird, account: a, system: xero, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:65: routes[0].system: xero, expected a system that moneybird knows\n"},
    /* without a secret nothing could be verified */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: xero}]\n",
     "routes.d/a.yaml:1:10: routes[0].secret_file: missing, expected a path\n"},
    {"routes: [{path: /in/a, provider: moneybird, account: a}]\n",
     "routes.d/a.yaml:1:10: routes[0].secret_file: missing, expected a path, or token_file, or "
     "state: pending\n"},
    /* a former secret is not enough */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: xero, previous_secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:10: routes[0].secret_file: missing, expected a path\n"},
    /* gone */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: xero, secret_file: ../gone}]\n",
     "routes.d/a.yaml:1:80: routes[0].secret_file: routes.d/../gone: No such file or directory, "
     "expected a readable file with a secret\n"},
    /* nothing but a newline */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: xero, secret_file: ../empty}]\n",
     "routes.d/a.yaml:1:80: routes[0].secret_file: routes.d/../empty: the secret is empty, expected "
     "a readable file with a secret\n"},
    /* a former one that is there but empty is no rotation */
    {ROUTE "    previous_secret_file: ../empty\n",
     "routes.d/a.yaml:7:27: routes[0].previous_secret_file: routes.d/../empty: the secret is empty, "
     "expected a readable file with a secret\n"},
    /* Maesn sends no probe */
    {"routes: [{path: /in/a, provider: maesn, account: a, system: xero, state: pending}]\n",
     "routes.d/a.yaml:1:74: routes[0].state: pending, expected active: this provider sends no probe "
     "when a webhook is registered\n"},
    /* with a secret it is no longer pending */
    {"routes: [{path: /in/a, provider: moneybird, account: a, state: pending, secret_file: ../secret}]\n",
     "routes.d/a.yaml:1:64: routes[0].state: pending, expected active: with a secret or a token a "
     "route is not pending\n"},
    /* Maesn signs everything */
    {ROUTE "    token_file: ../secret\n",
     "routes.d/a.yaml:7:17: routes[0].token_file: ../secret, expected it left out: this provider's "
     "callbacks have no token\n"},
    /* no state there is */
    {ROUTE "    state: retired\n",
     "routes.d/a.yaml:7:12: routes[0].state: retired, expected active or pending\n"},
    /* no name */
    {ROUTE "    resource: \"\"\n",
     "routes.d/a.yaml:7:15: routes[0].resource: \"\", expected 1 to 64 letters, digits, \"_\" and "
     "\"-\"\n"},
};

static const struct broken broken_accounts[] = {
    /* nothing in it */
    {"accounts: [{}]\n",
     "accounts.d/a.yaml:1:12: accounts[0].account_key_file: missing, expected a path\n"
     "accounts.d/a.yaml:1:12: accounts[0].id: missing, expected 1 to 63 lower-case letters, digits "
     "and \"-\", not beginning with \"-\"\n"
     "accounts.d/a.yaml:1:12: accounts[0].subscriptions: missing, expected all, or a list of "
     "{resource, events}\n"
     "accounts.d/a.yaml:1:12: accounts[0].system: missing, expected a system that maesn knows\n"},
    /* some is not all */
    {"accounts: [{id: a, system: xero, account_key_file: ../secret, subscriptions: some}]\n",
     "accounts.d/a.yaml:1:78: accounts[0].subscriptions: some, expected all, or a list of {resource, "
     "events}\n"},
    /* a subscription is to a resource */
    {"accounts: [{id: a, system: xero, account_key_file: ../secret, subscriptions: [{event: A}]}]\n",
     "accounts.d/a.yaml:1:79: accounts[0].subscriptions[0].resource: missing, expected 1 to 64 "
     "letters, digits, \"_\" and \"-\"\n"
     "accounts.d/a.yaml:1:80: accounts[0].subscriptions[0].event: unknown key (did you mean "
     "\"events\"?)\n"},
    /* none is not all */
    {"accounts: [{id: a, system: xero, account_key_file: ../secret, subscriptions: [{resource: A, events: []}]}]\n",
     "accounts.d/a.yaml:1:101: accounts[0].subscriptions[0].events: an empty list, expected at least "
     "one event, or none of this key for all\n"},
    /* only a native account */
    {"accounts: [{id: a, system: xero, account_key_file: ../secret, subscriptions: all, events_raw: [x]}]\n",
     "accounts.d/a.yaml:1:95: accounts[0].events_raw: a list, expected it left out: only a native "
     "account has events of its own\n"},
    /* what the provider would refuse, each where it stands */
    {"accounts: [{id: a, system: xero, account_key_file: ../secret, subscriptions: [{resource: A}, {events: [B, BAD], resource: BAD}]}]\n",
     "accounts.d/a.yaml:1:107: accounts[0].subscriptions[1].events: not good\n"
     "accounts.d/a.yaml:1:123: accounts[0].subscriptions[1].resource: not good\n"},
    /* and what it warns of */
    {"accounts: [{id: a, provider: moneybird, company_id: BAD, account_key_file: ../secret, subscriptions: all, events_raw: [x, y]}]\n",
     "accounts.d/a.yaml:1:12: warning: accounts[0].system: it is bad\n"
     "accounts.d/a.yaml:1:12: warning: accounts[0].environment_name: it is bad\n"
     "accounts.d/a.yaml:1:17: warning: accounts[0].id: it is bad\n"
     "accounts.d/a.yaml:1:53: warning: accounts[0].company_id: it is bad\n"
     "accounts.d/a.yaml:1:102: warning: accounts[0].subscriptions: it is bad\n"
     "accounts.d/a.yaml:1:123: warning: accounts[0].events_raw: it is bad\n"},
    /* the same id twice */
    {"accounts:\n- {id: a, system: xero, account_key_file: ../secret, subscriptions: []}\n"
     "- {id: a, system: xero, account_key_file: ../secret, subscriptions: []}\n",
     "accounts.d/a.yaml:3:8: accounts.id: a, declared before at accounts.d/a.yaml:2:8, expected "
     "once\n"},
    /* the key is gone */
    {"accounts: [{id: a, system: xero, account_key_file: ../gone, subscriptions: all}]\n",
     "accounts.d/a.yaml:1:52: accounts[0].account_key_file: accounts.d/../gone: No such file or "
     "directory, expected a readable file with a secret\n"},
};
/* clang-format on */

static void write_secrets(void)
{
    config_file("bridge.yaml", MINIMUM);
    config_file("secret", "canary-current\n");
    config_file("previous", "canary-previous\r\n");
    config_file("empty", "\n");
}

static void every_broken_route_is_told_with_its_place_and_expectation(void **state)
{
    (void)state;
    write_secrets();
    for (size_t i = 0; i < sizeof(broken_routes) / sizeof(broken_routes[0]); i++) {
        config_file("routes.d/a.yaml", broken_routes[i].yaml);
        CLEANUP(free_text) char *problems = config_problems(SETTINGS_INGRESS);
        assert_string_equal(problems, broken_routes[i].problems);
    }
}

static void every_broken_account_is_told_with_its_place_and_expectation(void **state)
{
    (void)state;
    write_secrets();
    for (size_t i = 0; i < sizeof(broken_accounts) / sizeof(broken_accounts[0]); i++) {
        config_file("accounts.d/a.yaml", broken_accounts[i].yaml);
        CLEANUP(free_text) char *problems = config_problems(SETTINGS_ALL);
        assert_string_equal(problems, broken_accounts[i].problems);
    }
}

static void the_same_path_in_two_files_is_told_with_both_places(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml", ROUTE);
    config_file("routes.d/b.yml", "# a comment\n" ROUTE);
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_INGRESS);
    assert_string_equal(problems,
                        "routes.d/b.yml:3:11: routes.path: /in/maesn/acme-42/by-hand, declared "
                        "before at routes.d/a.yaml:2:11, expected once\n");
}

static void all_problems_of_all_files_are_told_in_one_run(void **state)
{
    (void)state;
    config_file("bridge.yaml", "format: avro\nkafka:\n  linger: 1\n  brokers: a:1\n"
                               "topics: {registry: \"\"}\n");
    config_file("routes.d/a.yaml", ROUTE);
    config_file("routes.d/b.yaml", "routes: [\n");
    config_file("accounts.d/a.yaml", "accounts:\n  - id: A\n");
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_ALL);
    assert_string_equal(
        problems,
        "bridge.yaml:1:9: format: avro, expected binary or structured\n"
        "bridge.yaml:3:3: kafka.linger: unknown key (did you mean \"kafka.linger_ms\"?)\n"
        "routes.d/a.yaml:6:18: routes[0].secret_file: routes.d/../secret: No such file or "
        "directory, expected a readable file with a secret\n"
        "routes.d/b.yaml:2:1: (yaml): did not find expected node content, while parsing a flow "
        "node at line 2\n"
        "accounts.d/a.yaml:2:5: accounts[0].account_key_file: missing, expected a path\n"
        "accounts.d/a.yaml:2:5: accounts[0].subscriptions: missing, expected all, or a list of "
        "{resource, events}\n"
        "accounts.d/a.yaml:2:5: accounts[0].system: missing, expected a system that maesn knows\n"
        "accounts.d/a.yaml:2:9: accounts[0].id: A, expected 1 to 63 lower-case letters, digits and "
        "\"-\", not beginning with \"-\"\n");
}

static void problems_beyond_a_bound_are_counted(void **state)
{
    (void)state;
    char yaml[16384] = "";
    size_t len = 0;
    for (int i = 0; i < PROBLEMS_MAX + 7; i++)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "unknown-%d: 1\n", i);
    snprintf(yaml + len, sizeof(yaml) - len, MINIMUM);
    config_file("bridge.yaml", yaml);
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_ALL);
    assert_non_null(strstr(problems, "bridge.yaml:200:1: unknown-199: unknown key\nand 7 more\n"));
}

static void problems_are_told_as_json_too(void **state)
{
    (void)state;
    config_file("bridge.yaml", MINIMUM "format: \"a\\\"b\"\n");
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(buf_done) struct buf text;
    struct settings *s = NULL;
    problems_init(&problems);
    buf_init(&text, 1 << 20);
    assert_int_equal(
        settings_load("bridge.yaml", SETTINGS_ALL, config_providers, NULL, &s, &problems, NULL),
        STATUS_INVALID);
    problems_print_json(&problems, &text);
    assert_string_equal(
        buf_text(&text),
        "\"errors\":1,\"warnings\":0,\"problems\":[{\"severity\":\"error\",\"file\":\"bridge."
        "yaml\","
        "\"line\":3,\"column\":9,\"key\":\"format\",\"text\":\"\\\"a\\\"b\\\", expected binary or "
        "structured\"}]");
}

/* --- what a good configuration becomes ----------------------------------------------------- */

static void a_file_with_the_required_key_only_gets_every_default(void **state)
{
    (void)state;
    config_file("bridge.yaml", MINIMUM);
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    assert_string_equal(s->kafka_brokers, "a:1");
    assert_int_equal(s->ingress_deadline_ms, 2500);
    assert_int_equal(s->ingress_listen.port, 8080);
    assert_string_equal(s->ingress_listen.host, "0.0.0.0");
    assert_string_equal(s->topics_template, "maesn.{resource}");
    assert_int_equal(s->spool_max_bytes, 1073741824);
    assert_int_equal(s->kafka_raw.len, 0);
    assert_false(s->kafka_idempotence);
    assert_int_equal(s->routes_len, 0);
    assert_int_equal(s->accounts_len, 0);
}

static void json_is_read_as_the_yaml_it_is(void **state)
{
    (void)state;
    config_file("bridge.yaml", "{\"kafka\": {\"brokers\": \"[::1]:1,b:2\", \"raw\": {}},\n"
                               " \"topics\": {\"registry\": \"\"}, \"format\": \"structured\",\n"
                               "\t\"previous_public_base_urls\": [\"https://a.example\"]}\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    assert_string_equal(s->kafka_brokers, "[::1]:1,b:2");
    assert_int_equal(s->format, 1);
    assert_int_equal(s->previous_public_base_urls.len, 1);
}

static void librdkafka_properties_are_text_whatever_they_look_like(void **state)
{
    (void)state;
    config_file("bridge.yaml", "topics: {registry: \"\"}\n"
                               "kafka:\n"
                               "  brokers: a:1\n"
                               "  raw:\n"
                               "    socket.keepalive.enable: yes\n"
                               "    api.version.request: True\n"
                               "    max.in.flight.requests.per.connection: 010\n"
                               "    client.id: \"1.10\"\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    const char *const values[] = {"yes", "True", "010", "1.10"};
    assert_int_equal(s->kafka_raw.len, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(s->kafka_raw.items[i].value, values[i]);
    assert_int_equal(s->kafka_raw.items[3].line, 8);
}

static void a_section_whose_keys_are_commented_out_is_empty(void **state)
{
    (void)state;
    config_file("bridge.yaml", MINIMUM "ingress:\n#  threads: 2\nlog:\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    assert_int_equal(s->ingress_threads, 0);
}

static void a_relative_path_is_relative_to_the_file_it_stands_in(void **state)
{
    (void)state;
    config_file("etc/bridge.yaml", MINIMUM "routes_dir: more/routes\n");
    config_file("etc/more/routes/a.yaml", "routes:\n"
                                          "  - {path: /in/a, provider: maesn, account: a,\n"
                                          "     system: xero, secret_file: ../secrets/one}\n");
    config_file("etc/more/secrets/one", "canary-one");
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(paths_done) struct paths paths;
    CLEANUP(settings_free_scoped) struct settings *s = NULL;
    problems_init(&problems);
    paths_init(&paths);
    assert_int_equal(settings_load("etc/bridge.yaml", SETTINGS_INGRESS, config_providers, NULL, &s,
                                   &problems, &paths),
                     STATUS_OK);
    assert_string_equal(s->routes_dir, "etc/more/routes");
    const char *const read[] = {"etc/bridge.yaml", "etc/more/routes", "etc/more/routes/a.yaml",
                                "etc/more/routes/../secrets/one"};
    assert_int_equal(paths.len, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(paths.items[i], read[i]);
}

static void what_was_looked_for_is_listed_even_when_it_is_not_there(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml", "routes: [{path: /in/a, provider: maesn, account: a,"
                                   " system: xero, secret_file: ../gone}]\n");
    CLEANUP(problems_done) struct problems problems;
    CLEANUP(paths_done) struct paths paths;
    struct settings *s = NULL;
    problems_init(&problems);
    paths_init(&paths);
    assert_int_equal(settings_load("bridge.yaml", SETTINGS_INGRESS, config_providers, NULL, &s,
                                   &problems, &paths),
                     STATUS_INVALID);
    assert_null(s);
    assert_string_equal(paths.items[paths.len - 1], "routes.d/../gone");
}

static bool holds(const struct secret *secret, const char *text)
{
    return secret != NULL && bytes_equal(secret_bytes(secret), bytes_of_text(text));
}

static void a_route_holds_its_secrets_without_their_newline(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml", ROUTE "    previous_secret_file: ../previous\n"
                                         "    resource: journal_entry\n    event: created\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_INGRESS);
    assert_int_equal(s->routes_len, 1);
    const struct route *r = s->routes[0];
    assert_string_equal(r->path, "/in/maesn/acme-42/by-hand");
    assert_string_equal(r->specification, "maesn/acme-42/journal-entry/created");
    assert_string_equal(r->source, "/maesn/xero/acme-42");
    assert_int_equal(r->state, ROUTE_ACTIVE);
    assert_true(holds(r->current_secret, "canary-current"));
    assert_true(holds(r->previous_secret, "canary-previous"));
    assert_null(r->token);
}

static void a_previous_secret_that_is_gone_is_dropped_with_a_warning(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml", ROUTE "    previous_secret_file: ../gone\n");
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_INGRESS);
    assert_string_equal(problems, "routes.d/a.yaml:7:27: warning: routes[0].previous_secret_file: "
                                  "routes.d/../gone: the file is gone, its secret is dropped\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_INGRESS);
    assert_null(s->routes[0]->previous_secret);
    assert_int_equal(s->secret_files_missing, 1);
}

static void a_moneybird_route_may_wait_for_its_secret(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml",
                "routes: [{path: /in/a, provider: moneybird, account: a, state: pending}]\n");
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_INGRESS);
    assert_string_equal(problems,
                        "routes.d/a.yaml:1:64: warning: routes[0].state: pending, so no callback "
                        "is accepted until there is a secret_file\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_INGRESS);
    assert_int_equal(s->routes[0]->state, ROUTE_PENDING);
    assert_string_equal(s->routes[0]->system, "moneybird");
}

static void a_moneybird_route_may_have_a_token_only(void **state)
{
    (void)state;
    write_secrets();
    config_file(
        "routes.d/a.yaml",
        "routes: [{path: /in/a, provider: moneybird, account: a, token_file: ../secret}]\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_INGRESS);
    assert_true(holds(s->routes[0]->token, "canary-current"));
    assert_null(s->routes[0]->current_secret);
}

static void a_secret_that_everyone_can_read_is_a_warning(void **state)
{
    (void)state;
    write_secrets();
    config_file("routes.d/a.yaml", ROUTE "    previous_secret_file: ../previous\n");
    assert_int_equal(chmod("secret", 0644), 0);
    CLEANUP(free_text) char *one = config_problems(SETTINGS_INGRESS);
    assert_string_equal(one, "routes.d/a.yaml:6:18: warning: routes[0].secret_file: "
                             "routes.d/../secret: everyone can read it, expected mode 0640 or "
                             "less\n");
    assert_int_equal(chmod("previous", 0604), 0);
    CLEANUP(free_text) char *both = config_problems(SETTINGS_INGRESS);
    assert_string_equal(both, "routes.d/a.yaml:6:18: warning: routes[0].secret_file: "
                              "routes.d/../secret (and 1 more): everyone can read it, expected "
                              "mode 0640 or less\n");
}

static void an_account_keeps_numbers_as_their_text(void **state)
{
    (void)state;
    write_secrets();
    config_file("accounts.d/a.yaml",
                "accounts:\n"
                "  - id: acme-42\n"
                "    system: exact-nl\n"
                "    account_key_file: ../secret\n"
                "    company_id: 0123\n"
                "    environment_name: 1.10\n"
                "    subscriptions: [{resource: INVOICE}, {resource: ITEM, events: [CREATED]}]\n"
                "  - {id: b, provider: moneybird, account_key_file: ../previous,\n"
                "     subscriptions: all, events_raw: [estimate_updated]}\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    assert_int_equal(s->accounts_len, 2);
    const struct account *a = &s->accounts[0], *b = &s->accounts[1];
    assert_string_equal(a->company_id, "0123");
    assert_string_equal(a->environment_name, "1.10");
    assert_string_equal(a->provider->name, "maesn");
    assert_false(a->wants_all);
    assert_int_equal(a->subscriptions_len, 2);
    assert_int_equal(a->subscriptions[0].events_len, 0);
    assert_string_equal(a->subscriptions[1].events[0], "CREATED");
    assert_true(holds(a->account_key, "canary-current"));
    assert_string_equal(b->system, "moneybird");
    assert_true(b->wants_all);
    assert_string_equal(b->events_raw[0], "estimate_updated");
    assert_int_equal(b->line, 8);
}

/* --- who needs what ------------------------------------------------------------------------ */

static void the_ingress_does_not_ask_for_what_only_the_reconciler_reads(void **state)
{
    (void)state;
    config_file("bridge.yaml", MINIMUM "maesn: {api_key_file: gone}\naccounts_dir: gone\n"
                                       "http: {ca_file: gone}\n");
    CLEANUP(free_text) char *ingress = config_problems(SETTINGS_INGRESS);
    assert_string_equal(ingress, "");
    CLEANUP(free_text) char *all = config_problems(SETTINGS_ALL);
    assert_non_null(strstr(all, "maesn.api_key_file"));
    assert_non_null(strstr(all, "accounts_dir"));
    assert_non_null(strstr(all, "http.ca_file"));
}

static void an_account_whose_events_would_meet_the_dead_letters_is_refused(void **state)
{
    (void)state;
    write_secrets();
    config_file("bridge.yaml", "kafka: {brokers: a:1}\n"
                               "topics: {registry: \"\", template: \"maesn.{account}\",\n"
                               "         dead_letter: maesn.acme-42}\n");
    config_file("routes.d/a.yaml", ROUTE);
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_INGRESS);
    assert_non_null(strstr(problems, "bridge.yaml:2:34: topics.template: ACCOUNT of account "
                                     "acme-42 would go to maesn.acme-42, expected another name "
                                     "than that of topics.dead_letter\n"));
}

/* --- showing and comparing ----------------------------------------------------------------- */

static void secrets_are_masked_and_origins_told(void **state)
{
    (void)state;
    config_file("bridge.yaml", "kafka:\n  brokers: a:1\n"
                               "  raw: {sasl.password: canary, ssl.key.pem: canary, client.id: x,\n"
                               "        sasl.oauthbearer.client.secret: canary}\n"
                               "topics: {registry: \"\"}\n");
    CLEANUP(free_text) char *problems = config_problems(SETTINGS_ALL);
    assert_null(strstr(problems, "canary"));
    assert_non_null(strstr(problems, "bridge.yaml:3:9: warning: kafka.raw.sasl.password: a secret "
                                     "in the settings' text, expected it in "
                                     "kafka.sasl_password_file"));
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_ALL);
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    settings_print(s, &text);
    assert_non_null(strstr(buf_text(&text),
                           "kafka:\n"
                           "  brokers: \"a:1\"  # bridge.yaml:2\n"
                           "  idempotence: false  # default\n"
                           "  key_password_file: \"\"  # default\n"
                           "  linger_ms: 1  # default\n"
                           "  raw: {\"sasl.password\": \"***\", \"ssl.key.pem\": \"***\", "
                           "\"client.id\": \"x\", \"sasl.oauthbearer.client.secret\": \"***\"}"
                           "  # bridge.yaml:3\n"));
    assert_null(strstr(buf_text(&text), "canary"));
}

static void what_is_printed_can_be_loaded_again(void **state)
{
    (void)state;
    config_file("bridge.yaml",
                MINIMUM "maesn: {integrations: {weclapp: {resource: required, events: [A, B]}}}\n"
                        "previous_public_base_urls: [\"https://a.example/x\"]\n"
                        "ingress: {listen: \"[::1]:8081\"}\n");
    CLEANUP(settings_free_scoped) struct settings *s = config_load(SETTINGS_INGRESS);
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    settings_print(s, &text);
    char *again = strdup(buf_text(&text));
    assert_non_null(again);
    char *url = strstr(again, "public_base_url: \"\"");
    assert_non_null(url); /* there is none, which cannot be written down */
    memset(url, ' ', strlen("public_base_url: \"\""));
    config_file("bridge.yaml", again);
    config_file("routes.d/none", ""); /* the default one, now that it is written down */
    free(again);
    CLEANUP(settings_free_scoped) struct settings *t = config_load(SETTINGS_INGRESS);
    CLEANUP(buf_done) struct buf keys;
    buf_init(&keys, 1 << 20);
    assert_int_equal(settings_restart_required(s, t, &keys), 0);
    assert_string_equal(t->maesn_integrations.items[0].events[1], "B");
}

static void only_what_needs_a_restart_is_named(void **state)
{
    (void)state;
    config_file("bridge.yaml", MINIMUM);
    CLEANUP(settings_free_scoped) struct settings *running = config_load(SETTINGS_INGRESS);
    config_file("bridge.yaml", "kafka: {brokers: \"b:1\", raw: {client.id: x}}\n"
                               "topics: {registry: \"\"}\n"
                               "log: {level: debug}\n"            /* reloaded */
                               "reconciler: {interval_s: 60}\n"   /* another process's */
                               "ingress: {deadline_ms: 2500}\n"); /* the same */
    CLEANUP(settings_free_scoped) struct settings *wanted = config_load(SETTINGS_INGRESS);
    CLEANUP(buf_done) struct buf keys;
    buf_init(&keys, 1024);
    assert_int_equal(settings_restart_required(running, wanted, &keys), 2);
    assert_string_equal(buf_text(&keys), "kafka.brokers, kafka.raw");
}

static void the_rows_are_sorted_by_key(void **state)
{
    (void)state;
    for (size_t id = 1; id < SETTINGS_LEN; id++)
        assert_true(strcmp(settings_table[id - 1].key, settings_table[id].key) < 0);
}

static int start(void **state)
{
    (void)state;
    return crypto_start() == STATUS_OK ? 0 : -1;
}

/* --- a file of accounts by itself ---------------------------------------------------------- */

static const char alone[] = "kafka: {brokers: \"a:1\"}\ntopics: {registry: \"\"}\n";

static void a_file_of_accounts_is_judged_as_those_of_the_directory(void **state)
{
    (void)state;
    config_file("bridge.yaml", alone);
    config_file("elsewhere/key", "hush\n");
    config_file("elsewhere/good.yaml",
                "accounts: [{id: a, system: xero, account_key_file: key, subscriptions: all}]\n");
    config_file("elsewhere/bad.yaml",
                "accounts: [{id: a, system: no, account_key_file: key, subscriptions: all}]\n");
    struct settings *s = config_load(SETTINGS_INGRESS), *file = NULL;
    struct problems problems;
    problems_init(&problems);
    assert_int_equal(
        settings_load_accounts(s, "elsewhere/good.yaml", config_providers, &file, &problems),
        STATUS_OK);
    assert_int_equal(file->accounts_len, 1);
    assert_string_equal(file->accounts[0].account_key_file, "elsewhere/key");
    assert_string_equal(file->accounts[0].file, "elsewhere/good.yaml");
    settings_free(file);
    file = NULL;
    assert_int_equal(
        settings_load_accounts(s, "elsewhere/bad.yaml", config_providers, &file, &problems),
        STATUS_INVALID);
    assert_null(file);
    assert_int_equal(problems.len, 1);
    assert_string_equal(problems.items[0].key, "accounts[0].system");
    problems_done(&problems);
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, config_files_setup, config_files_teardown)
        TEST(every_broken_setting_is_told_with_its_place_and_expectation),
        TEST(every_broken_route_is_told_with_its_place_and_expectation),
        TEST(every_broken_account_is_told_with_its_place_and_expectation),
        TEST(a_file_of_accounts_is_judged_as_those_of_the_directory),
        TEST(the_same_path_in_two_files_is_told_with_both_places),
        TEST(all_problems_of_all_files_are_told_in_one_run),
        TEST(problems_beyond_a_bound_are_counted),
        TEST(problems_are_told_as_json_too),
        TEST(a_file_with_the_required_key_only_gets_every_default),
        TEST(json_is_read_as_the_yaml_it_is),
        TEST(librdkafka_properties_are_text_whatever_they_look_like),
        TEST(a_section_whose_keys_are_commented_out_is_empty),
        TEST(a_relative_path_is_relative_to_the_file_it_stands_in),
        TEST(what_was_looked_for_is_listed_even_when_it_is_not_there),
        TEST(a_route_holds_its_secrets_without_their_newline),
        TEST(a_previous_secret_that_is_gone_is_dropped_with_a_warning),
        TEST(a_moneybird_route_may_wait_for_its_secret),
        TEST(a_moneybird_route_may_have_a_token_only),
        TEST(a_secret_that_everyone_can_read_is_a_warning),
        TEST(an_account_keeps_numbers_as_their_text),
        TEST(the_ingress_does_not_ask_for_what_only_the_reconciler_reads),
        TEST(an_account_whose_events_would_meet_the_dead_letters_is_refused),
        TEST(secrets_are_masked_and_origins_told),
        TEST(what_is_printed_can_be_loaded_again),
        TEST(only_what_needs_a_restart_is_named),
        cmocka_unit_test(the_rows_are_sorted_by_key),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
