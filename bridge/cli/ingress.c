#include "bridge/cli/ingress.h"

#include "bridge/app/ingress_process.h"
#include "bridge/cli/long_running.h"

static enum exit_code ingress_run(const struct invocation *in)
{
    return long_running_run(in, &ingress_process_served);
}

const struct command ingress_command = {
    .name = "ingress",
    .operands = "",
    .summary = "Take callbacks to Kafka (runs until SIGTERM).",
    .description =
        "Serves the routes on ingress.listen: verifies each callback, produces its records, and\n"
        "answers 200 when Kafka has them on all in-sync replicas, 503 when it has not within\n"
        "ingress.deadline_ms. Logs are JSON lines on stderr.\n\n"
        "The admin listener (admin.listen) serves /livez, /readyz, /metrics, /version,\n"
        "/debug/config, /rejections.json and, for people, /status.\n\n"
        "With topics.registry it follows that topic too, and is ready once it has read it.\n\n"
        "Routes, secrets, certificates and the log level are read again when their files change,\n"
        "or on SIGHUP; a faulty file changes nothing.",
    .examples = "  $ maesn-bridge check --config bridge.yaml\n"
                "  $ maesn-bridge ingress --config bridge.yaml",
    .exit_codes =
        (const struct exit_meaning[]){
            {0, "stopped by SIGTERM or SIGINT, everything in flight was answered"},
            {1, "the hard stop cut something, or a second signal came"},
            {64, "wrong use"},
            {69, "a port cannot be bound, or the registry topic is missing"},
            {70, "an internal error"},
            {78, "the configuration is faulty, or the registry topic is not as it must be"},
            {0}},
    .run = ingress_run,
};
