//! axum and rdkafka.

use std::{collections::HashMap, env, fs, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, Uri},
    routing::get,
    Router,
};
use axum_server::tls_openssl::OpenSSLConfig;
use hmac::{Hmac, Mac};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
    ClientConfig,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::signal::unix::{signal, SignalKind};
use time::{format_description::well_known::Rfc3339, OffsetDateTime};

struct Route {
    account: String,
    system: String,
    secret: String,
}

struct Server {
    routes: HashMap<String, Route>,
    kafka: FutureProducer,
}

fn is_verified(secret: &str, body: &[u8], headers: &HeaderMap) -> bool {
    let given = headers.get("x-maesn-signature").and_then(|v| hex::decode(v.as_bytes()).ok());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(body);
    given.is_some_and(|given| mac.verify_slice(&given).is_ok())
}

/// One event, or an array of them.
fn events(body: &[u8]) -> Option<Vec<Map<String, Value>>> {
    let all = match serde_json::from_slice(body).ok()? {
        Value::Array(all) => all,
        one => vec![one],
    };
    all.into_iter().map(|v| if let Value::Object(o) = v { Some(o) } else { None }).collect()
}

fn text<'a>(event: &'a Map<String, Value>, key: &str) -> &'a str {
    event.get(key).and_then(Value::as_str).unwrap_or("")
}

struct Produced {
    topic: String,
    key: String,
    value: String,
    headers: OwnedHeaders,
}

fn record(r: &Route, mut event: Map<String, Value>, id: &str, recorded: &str, trace: &str) -> Produced {
    let resource = text(&event, "resource").to_owned();
    let slug = resource.to_lowercase().replace('_', "-");
    let kind = format!("com.maesn.{slug}.{}", text(&event, "eventType").to_lowercase());
    let source = format!("/maesn/{}", r.account);
    let schema = format!("urn:maesn:{slug}:1");
    let mut headers = OwnedHeaders::new_with_capacity(10);
    for (key, value) in [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", id),
        ("ce_source", &source),
        ("ce_type", &kind),
        ("ce_subject", text(&event, "resourceId")),
        ("ce_time", text(&event, "filterDate")),
        ("ce_recordedtime", recorded),
        ("ce_dataschema", &schema),
        ("traceparent", trace),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    event.insert("account".into(), r.account.clone().into());
    event.insert("system".into(), r.system.clone().into());
    event.insert("provider".into(), "maesn".into());
    Produced {
        topic: format!("maesn.{slug}"),
        key: format!("{resource}:{}", r.account),
        value: Value::Object(event).to_string(),
        headers,
    }
}

async fn receive(State(s): State<Arc<Server>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(route) = s.routes.get(uri.path()) else { return StatusCode::NOT_FOUND };
    if !is_verified(&route.secret, &body, &headers) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(all) = events(&body) else { return StatusCode::BAD_REQUEST };
    let recorded = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time");
    let digest = hex::encode(&Sha256::new().chain_update(uri.path()).chain_update([0]).chain_update(&body).finalize()[..16]);
    let trace = format!("00-{}-{}-01", hex::encode(rand::random::<[u8; 16]>()), hex::encode(rand::random::<[u8; 8]>()));
    let mut reports = Vec::with_capacity(all.len());
    for (i, event) in all.into_iter().enumerate() {
        let p = record(route, event, &format!("{digest}-{i}"), &recorded, &trace);
        let record = FutureRecord::to(&p.topic).key(&p.key).payload(&p.value).headers(p.headers);
        match s.kafka.send_result(record) {
            Ok(report) => reports.push(report),
            Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
        }
    }
    for report in reports {
        if !matches!(report.await, Ok(Ok(_))) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}

#[tokio::main]
async fn main() {
    let file = fs::read(env::var("ROUTES").expect("ROUTES")).expect("the routes");
    let Value::Object(declared) = serde_json::from_slice(&file).expect("JSON") else { panic!("an object") };
    let routes = declared
        .into_iter()
        .map(|(path, r)| {
            let take = |key: &str| r[key].as_str().expect("a text").to_owned();
            (path, Route { account: take("account"), system: take("system"), secret: take("secret") })
        })
        .collect();
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", env::var("BROKERS").expect("BROKERS")).set("acks", "all").set(
        "message.timeout.ms",
        Duration::from_millis(2500).as_millis().to_string(),
    );
    if env::var_os("TUNED").is_some() {
        settings.set("linger.ms", "1").set("queue.buffering.max.messages", "1000000");
    }
    let kafka = settings.create().expect("a producer");
    let app = Router::new()
        .route("/ready", get(|| async { StatusCode::OK }))
        .fallback(receive)
        .layer(DefaultBodyLimit::max(1 << 18))
        .with_state(Arc::new(Server { routes, kafka }))
        .into_make_service();
    let listen = env::var("LISTEN").expect("LISTEN").parse().expect("an address");
    let handle = axum_server::Handle::new();
    tokio::spawn(stop_at_sigterm(handle.clone()));
    match env::var("TLS_CERTIFICATE") {
        Ok(certificate) => {
            let key = env::var("TLS_KEY").expect("TLS_KEY");
            let tls = OpenSSLConfig::from_pem_file(certificate, key).expect("a certificate");
            axum_server::bind_openssl(listen, tls).handle(handle).serve(app).await
        }
        Err(_) => axum_server::bind(listen).handle(handle).serve(app).await,
    }
    .expect("a server");
}

/// Everybody who asked before it gets an answer.
async fn stop_at_sigterm(handle: axum_server::Handle<SocketAddr>) {
    signal(SignalKind::terminate()).expect("a handler").recv().await;
    handle.graceful_shutdown(None);
}
