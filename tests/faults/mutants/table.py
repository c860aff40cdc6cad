"""Mutants of the program: one thing wrong in each, and the promise that it breaks.

The text `before` stands exactly once in its file; `scenario` is a function of scenarios.py, and `says` the beginning of what must
be found wrong there: a mutant that is caught by accident is not caught. A promise that no mutant breaks might as well not be
checked."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    name: str
    promise: str  # that it breaks
    scenario: str
    says: str  # a regular expression
    edits: tuple  # of (file, before, after)


def mutant(name, promise, scenario, says, *edit):
    """edit: FILE, BEFORE, AFTER, again and again."""
    return Mutant(name, promise, scenario, says, tuple(zip(edit[::3], edit[1::3], edit[2::3], strict=True)))


LOST = r"\d+ of \d+ answered 200 are not in Kafka"

MUTANTS = (
    # --- a 200 means durable ---
    mutant("acknowledges-on-enqueue", "a 200 is given after the delivery report", "killed_while_kafka_is_away", LOST,
           "bridge/ingress/request.c", "return answer_of_status(event_sink_publish(s->opt.sink, pub));",
           """enum answer answer = answer_of_status(event_sink_publish(s->opt.sink, pub));
              int waiting = FLIGHT_WAITING;
              bool is_early = answer == ANSWER_NONE && atomic_compare_exchange_strong(
                                  &c->request.flight->state, &waiting, FLIGHT_EXPIRED);
              return is_early ? ANSWER_ACCEPTED : answer;"""),
    mutant("acknowledges-at-the-deadline", "what nobody reported on in time is not answered 200", "kafka_mute", LOST,
           "bridge/ingress/request.c", "is_held ? ANSWER_ROUTE_PENDING : ANSWER_DEADLINE",
           "is_held ? ANSWER_ROUTE_PENDING : ANSWER_ACCEPTED"),
    mutant("leader-alone", "acks=all: the in-sync replicas have it, not the leader alone", "leader_lost", LOST,
           "bridge/kafka/instance.c", 'cluster_set(conf, "acks", "all", diag)', 'cluster_set(conf, "acks", "1", diag)'),
    mutant("purges-on-sigterm", "what is under way at SIGTERM is waited for, or not answered 200", "stopped_while_kafka_is_mute",
           LOST,
           "bridge/app/ingress_process.c", "    ingress_drain(p->ingress);",
           "    ingress_drain(p->ingress);\n    (void)producer_stop(p->producer, 0);",
           "bridge/kafka/flow_record.c", """    case VERDICT_RETURNED:
        flow_record_conclude(f, m, STATUS_UNAVAILABLE);""", """    case VERDICT_RETURNED:
        flow_record_conclude(f, m, f->has_given_up ? STATUS_OK : STATUS_UNAVAILABLE);"""),

    # --- the spool ---
    mutant("spools-without-sync", "a 200 of the spool is given after its disk has flushed", "kafka_away_and_disk_stuck",
           r"\d+ were answered 200 while neither Kafka nor the disk could keep them",
           "bridge/spool/store.c", "PRAGMA synchronous=FULL; PRAGMA secure_delete", "PRAGMA synchronous=OFF; PRAGMA secure_delete"),
    mutant("drain-deletes-before-the-report", "a spooled record goes when its report has come", "kafka_cut_off_with_spool", LOST,
           "bridge/spool/drain.c", "    enum status status = event_sink_publish(d->options.sink, &b->pub);",
           """    (void)!spool_delete(d->options.spool, b->sequences, b->len);
              enum status status = event_sink_publish(d->options.sink, &b->pub);"""),
    mutant("full-is-stored", "what the spool had no room for is not answered 200", "kafka_away_and_disk_full", LOST,
           "bridge/spool/spooling_sink.c", "if (outcome == SPOOL_STORED) {", "if (outcome != SPOOL_WITHDRAWN) {"),
    mutant("copy-with-another-id", "what is there twice has one ce_id", "acknowledgements_cut_off_with_spool", ".* has two ids",
           "bridge/spool/record_codec.c", "ret->headers[i].value = get_part(&r);",
           """ret->headers[i].value = get_part(&r);
              if (ret->headers[i].name != NULL && strcmp(ret->headers[i].name, "ce_id") == 0)
                  ret->headers[i].value.len--;"""),

    # --- the records ---
    mutant("alters-the-payload", "the payload arrives as it was sent", "kafka_cut_off", ".* was altered",
           "bridge/providers/unified.c", 'object_append(&o, "}", 1);',
           """object_append(&o, "}", 1);
              for (size_t i = 0; i < o.len; i++)
                  if (o.data[i] == 'Z')
                      o.data[i] = 'z';"""),
    mutant("keyed-by-the-system", "a record's key is its resource's and account's", "kafka_cut_off", ".* has the key",
           "bridge/domain/naming.c", "[PLACEHOLDER_ACCOUNT] = n->account,         [PLACEHOLDER_RESOURCE] = upper",
           "[PLACEHOLDER_ACCOUNT] = n->system,         [PLACEHOLDER_RESOURCE] = upper"),
    mutant("refuses-what-is-not-allowed", "what is not the record's own fault makes no dead letter of it", "refused_and_then_not_allowed",
           ".* is a dead letter although nothing was wrong with it",
           "bridge/kafka/errors.c", "{RD_KAFKA_RESP_ERR_POLICY_VIOLATION, VERDICT_OPERATOR, false}",
           "{RD_KAFKA_RESP_ERR_POLICY_VIOLATION, VERDICT_REFUSED, false}"),
    mutant("id-from-the-clock", "a delivery that is sent again has the same ce_id", "sent_again", ".* has two ids",
           "bridge/domain/envelope.c", "ret[0] = bytes_of_text(s->route->specification);",
           "ret[0] = bytes_of_text(s->recorded);"),

    # --- the answers ---
    mutant("forged-while-a-secret-is-rotated", "a forged callback is refused at any time", "forged_while_a_secret_is_rotated",
           r"\d+ forged callbacks were not refused",
           "bridge/providers/maesn/maesn.c", "*ret = verification_of_secrets(is_current, is_previous);",
           "*ret = verification_of_secrets(is_current, is_previous || r->previous_secret != NULL);"),
    mutant("drops-the-former-secret", "no callback is refused while a secret is rotated", "secret_rotated", r".*Answer\(status=401",
           "bridge/providers/maesn/maesn.c", "signed_by(r->previous_secret, cb->body", "signed_by(NULL, cb->body"),
    mutant("broken-file-takes-routes-away", "a configuration that cannot be read changes nothing", "configuration_broken",
           r".*Answer\(status=404",
           "bridge/app/ingress_process.c", "    live_settings_reload(p->admin.live, put_in_force, p);",
           """    (void)!static_routes_replace(p->static_routes, NULL, 0, NULL);
              live_settings_reload(p->admin.live, put_in_force, p);"""),
    mutant("no-retry-after", "a 503 says when to come again", "kafka_cut_off", r".*Answer\(status=503, (?!.*retry-after)",
           "bridge/ingress/answer.c", "(rows[answer].retry_after_s == 0 ||", "(true ||"),
    mutant("late", "an answer comes before its deadline", "kafka_mute", r".*Answer\(status=\d+.* elapsed=([4-9]|\d\d)\.",
           "bridge/app/ingress_process.c", """        .deadline_ms = s->ingress_deadline_ms,
        .stall_ms""", """        .deadline_ms = 3 * s->ingress_deadline_ms,
        .stall_ms""",
           "bridge/app/ingress_process.c", """        .deadline_ms = s->ingress_deadline_ms,
        .header_timeout_ms""", """        .deadline_ms = 3 * s->ingress_deadline_ms,
        .header_timeout_ms"""),
    mutant("exits-when-kafka-is-away", "the process ends when it is told to, and not before", "stopped_after_kafka_was_away",
           r"it exited with -6, unasked",
           "bridge/kafka/flow_record.c", "atomic_store(&f->all_brokers_down, true);", "__builtin_abort(); (void)f;"),

    # --- the reconciler ---
    mutant("deletes-before-the-secret-is-committed", "a subscription goes when its replacement's secret is in the registry",
           "rotation", r"\['.* was to be deleted before the registry had the secret of another one",
           "bridge/reconciler/pass_commit.c",
           "status = writer->commit(writer->ctx, p->account, changes, p->changes_len, on_committed, p);",
           """status = STATUS_OK;
              if (at == PASS_SAVING)
                  on_committed(p, STATUS_OK);
              else
                  status = writer->commit(writer->ctx, p->account, changes, p->changes_len, on_committed, p);"""),
    mutant("one-list-is-believed", "nothing follows from what one list lacks", "one_list_that_lies",
           "it was made again on the strength of one list",
           "bridge/reconciler/plan_view.c",
           "v->in->listed_at_unix_ms - r->missing_since_unix_ms >= v->in->options->second_look_ms", "true"),
    mutant("any-token-is-ours", "nobody else's subscription is touched", "foreign_subscriptions",
           r"foreign subscriptions were to be deleted",
           "bridge/domain/callback_url.c", "if (!crypto_equal(bytes_of_text(expected), token))\n            continue;", ""),
    mutant("gone-for-good", "what is gone at the provider is made again", "subscription_gone",
           r"not within .*: the subscription that went is made again",
           "bridge/reconciler/plan_create.c", "v->has_lost_one ? REASON_REPLACES_GONE", "v->has_lost_one ? REASON_FINE"),
)
