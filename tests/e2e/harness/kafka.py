"""Apache Kafka itself, as many brokers as a test wants, on free ports of loopback.

Node 1 is broker and controller, the others are brokers only: any but the first can be stopped
without the cluster losing its controller.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import pathlib
import time

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from harness import environment, wait
from harness.ports import free_ports, is_listening

# A cluster id is any 16 bytes in URL-safe base64.
CLUSTER_ID = "bWFlc24tYnJpZGdlLWUyZQ"

SERVER_PROPERTIES = """
process.roles={roles}
node.id={node}
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LINKED:PLAINTEXT,GUARDED:{guard}
inter.broker.listener.name=PLAINTEXT
log.dirs={directory}/log
auto.create.topics.enable=false
num.partitions=3
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
# Half of the default: so much sooner is a member found to be dead.
group.min.session.timeout.ms=3000
# A broker that stops answering is taken out of the cluster this soon.
broker.session.timeout.ms=600
broker.heartbeat.interval.ms=100
controlled.shutdown.enable=false
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=4
background.threads=2
"""

# A listener that wants a password, beside the one that does not. Not SCRAM: librdkafka before 2.6.1 repeats the nonce,
# which Kafka 4 refuses. Source: librdkafka's CHANGELOG, 2.6.1, and pull request 4895.
GUARDED_PROPERTIES = """
sasl.enabled.mechanisms=PLAIN
listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_bridge="{password}";
"""

# The same listener for those who have a certificate of the authority's, and may do nothing but what access lists say. Beside it
# everybody may do anything.
AUTHORIZING_PROPERTIES = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.guarded.ssl.client.auth=required
listener.name.guarded.ssl.keystore.type=PEM
listener.name.guarded.ssl.keystore.location={directory}/server.pem
listener.name.guarded.ssl.truststore.type=PEM
listener.name.guarded.ssl.truststore.location={authority}
"""


# What administration may be answered while brokers come back.
PASSING = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT, KafkaError.INVALID_REPLICATION_FACTOR,
           KafkaError.NOT_CONTROLLER, KafkaError.BROKER_NOT_AVAILABLE)

# For processes that live for a test: they start soon and leave the cores to others.
SHORT_LIVED = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def java(*arguments, jvm=("-Xmx96m", *SHORT_LIVED)):
    """The command line that runs a class of Kafka's. (No logging back end is on the class path: it says nothing.)"""
    return ["java", *jvm, "-cp", environment.kafka_classpath(), *arguments]


def run_java(*arguments, seconds=60):
    """Its standard output; fails with its standard error."""
    done = subprocess.run(java(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{arguments}: {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


class Broker:
    """One process; `alive` says whether it was started and not killed since."""

    def __init__(self, cluster, node, port, controller_port, linked_port):
        self.cluster = cluster
        self.node = node
        self.port = port
        self.controller_port = controller_port
        self.linked_port = linked_port  # where the link to it leads; None without one
        self.directory = cluster.directory / f"broker-{node}"
        self.process = None

    def format(self):
        self.directory.mkdir()
        self.configure()
        run_java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID,
                 "-c", str(self.directory / "server.properties"))

    def configure(self):
        """What it goes by from its next start on."""
        combined = self.node == 1
        advertised = listeners = f"PLAINTEXT://{self.cluster.host}:{self.port}"
        if self.cluster.is_guarded:
            advertised = listeners = f"{listeners},GUARDED://127.0.0.1:{self.cluster.guarded_port}"
        if self.linked_port:
            listeners += f",LINKED://127.0.0.1:{self.linked_port}"
            advertised += f",LINKED://127.0.0.1:{self.cluster.link_ports[self.node - 1]}"
        if combined:
            listeners += f",CONTROLLER://127.0.0.1:{self.controller_port}"
        count = len(self.cluster.ports)
        (self.directory / "server.properties").write_text(SERVER_PROPERTIES.format(
            guard="SSL" if self.cluster.authority else "SASL_PLAINTEXT", roles="broker,controller" if combined else "broker", node=self.node,
            controller_port=self.controller_port, listeners=listeners, advertised=advertised,
            directory=self.directory, replicas=min(3, count), in_sync=2 if count >= 3 else 1)
            + (GUARDED_PROPERTIES.format(password=self.cluster.password) if self.cluster.password else "")
            + self._authorizing_properties() + self.cluster.properties)

    def _authorizing_properties(self):
        if not self.cluster.authority:
            return ""
        certificate, key = self.cluster.authority
        (self.directory / "server.pem").write_text(key.read_text() + certificate.read_text())
        return AUTHORIZING_PROPERTIES.format(directory=self.directory, authority=certificate)

    def start(self):
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                java("kafka.Kafka", str(self.directory / "server.properties"), jvm=self.cluster.jvm),
                stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def accepts(self):
        if self.process.poll() is not None:
            tail = (self.directory / "output").read_text(errors="replace")[-2000:]
            raise AssertionError(f"broker {self.node} exited with {self.process.returncode}: {tail}")
        return is_listening(self.port, self.cluster.host)

    def sigstop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def sigcont(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        """As when the machine loses power."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)

    def terminate(self):
        """Asked to stop: it hands its partitions over first. A broker that does not come to an end is killed."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self):
        self.kill()
        self.start()
        wait.until(self.accepts, 180, f"broker {self.node} listens again")


class Reachable:
    """What can be asked of a cluster at its `bootstrap`, whatever it is made of."""

    bootstrap = ""
    _admin = None

    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, "socket.timeout.ms": 2000})
        return self._admin

    def leaders(self, topic):
        """The leading broker of each partition that has one; nothing when the broker asked does not answer."""
        try:
            partitions = self.admin().list_topics(topic, timeout=2).topics[topic].partitions
        except KafkaException:
            return {}
        return {p.id: p.leader for p in partitions.values() if p.leader > 0}

    def acknowledged_at(self, topic, seconds=60):
        """When the brokers first acknowledge a record, for a client that is far more eager than a bridge may be: they
        serve from this moment on, which is later than that they listen."""
        reports = []
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "linger.ms": 0, "log_level": 0,
                             "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 20, "retry.backoff.ms": 5,
                             "topic.metadata.refresh.fast.interval.ms": 10, "message.timeout.ms": seconds * 1000})
        producer.produce(topic, b"eager", on_delivery=lambda error, _: reports.append((time.monotonic(), error)))
        producer.flush(seconds + 5)
        [(at, error)] = reports
        assert error is None, error
        return at


class KafkaCluster(Reachable):
    """`host` is this machine's address that clients reach it at. `password`: its one broker listens at
    `guarded_bootstrap`, too, where the user "bridge" has to know it. `authority`, (certificate file, key file): it listens
    there for those who have a certificate signed by it, and authorizes them by access lists. `properties`: lines that go
    before those of server.properties. link_ports: for each broker a port of this machine from which somebody carries
    connections on to the broker's `linked_port`; clients of `linked_bootstrap` are sent there."""

    def __init__(self, brokers=1, jvm=("-Xmx384m", *SHORT_LIVED), host="127.0.0.1", password=None, authority=None, properties="",
                 link_ports=()):
        self.jvm = jvm
        self.host = host
        self.password = password
        self.authority = authority
        self.properties = properties
        self.is_guarded = bool(password or authority)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="maesn-bridge-kafka-"))
        self.link_ports = list(link_ports)
        controller_port, self.guarded_port, *ports = free_ports(2 + brokers + len(self.link_ports))
        self.ports, linked_ports = ports[:brokers], ports[brokers:] or [None] * brokers
        self.guarded_bootstrap = f"127.0.0.1:{self.guarded_port}"
        self.brokers = [Broker(self, n, port, controller_port, linked_port)
                        for n, (port, linked_port) in enumerate(zip(self.ports, linked_ports, strict=True), 1)]
        self.bootstrap = ",".join(f"{host}:{port}" for port in self.ports)
        self.linked_bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.link_ports)

    def start(self):
        try:
            for broker in self.brokers:
                broker.format()
            for broker in self.brokers:
                broker.start()
            for broker in self.brokers:
                wait.until(broker.accepts, 90, f"broker {broker.node} listens")
            wait.until(lambda: len(self.admin().list_topics(timeout=5).brokers) == len(self.brokers), 60,
                       "every broker is in the cluster")
        except BaseException:
            self.stop()
            raise
        return self

    def stop_brokers(self):
        """Their files stay."""
        for broker in self.brokers:
            broker.kill()

    def stop(self):
        self.stop_brokers()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def segments(self, prefix):
        """Every byte that the brokers keep of the topics whose names begin so, and of Kafka's own ones."""
        return b"".join(path.read_bytes() for path in self.directory.glob("broker-*/log/*/*.log")
                        if path.parent.name.startswith((prefix, "__")))

    def create_topics(self, *names, partitions=3, config=None):
        replicas = min(3, len(self.brokers))
        self._administer(lambda missing: self.admin().create_topics(
            [NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=config or {})
             for name in missing], operation_timeout=30), names, KafkaError.TOPIC_ALREADY_EXISTS)
        for name in names:
            wait.until(lambda: len(self.leaders(name)) == partitions, 30, f"each partition of {name} has a leader")

    def delete_topics(self, *names):
        self._administer(lambda left: self.admin().delete_topics(list(left), operation_timeout=30), names,
                         KafkaError.UNKNOWN_TOPIC_OR_PART)

    def _administer(self, ask, names, already):
        """Until it is done for each of the names. The answer may be lost: another try finds that it is so `already`. And it may
        have to wait, for brokers that were away or had no time to say that they live."""
        end, tries, left = time.monotonic() + 60, 0, set(names)
        while left:
            for name, future in ask(sorted(left)).items():
                try:
                    future.result(timeout=60)
                except KafkaException as error:
                    code = error.args[0].code()
                    if not (tries and code == already):
                        if code not in PASSING or time.monotonic() > end:
                            raise
                        continue
                left.discard(name)
            tries += 1

    def change_password(self, password):
        """Restarts the broker, so that nobody is connected with the old one."""
        self.password = password
        self.brokers[0].configure()
        self.brokers[0].restart()

    def topics(self):
        return {name for name in self.admin().list_topics(timeout=10).topics if not name.startswith("__")}

    def end_offsets(self, topic):
        """Behind the last record of each partition, be it one of a transaction's control records."""
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in self.leaders(topic)}
        return {tp.partition: future.result(timeout=20).offset for tp, future in self.admin().list_offsets(asked).items()}
