//! One port for everything that speaks HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use crate::wire::{Cut, Wire};
use crate::world::World;
use crate::{control, green_api, hook, page, resend, sendgrid, twilio};

/// The largest request. Resend takes 40 MB, SendGrid 30; both say so themselves.
const BODY_BYTES_MAX: usize = 44 * 1024 * 1024;
/// How long to wait when the system has no connection left to give.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Takes connections until it is dropped.
pub(crate) async fn serve(world: Arc<World>, listener: TcpListener) {
    let router = Router::new()
        .nest("/twilio/2010-04-01", twilio::routes())
        .nest("/sendgrid", sendgrid::routes())
        .nest("/resend", resend::routes())
        .nest("/green-api", green_api::routes())
        .nest("/hook", hook::routes())
        .nest("/_sim", control::routes())
        .merge(page::routes())
        .with_state(Arc::clone(&world));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => world.spawn(converse(stream, router.clone())),
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    // Small answers go out at once. If the system refuses, they only go out later.
    let _ = stream.set_nodelay(true);
    let cut = Cut::default();
    let wire = TokioIo::new(Wire::new(stream, cut.clone()));
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(cut.clone());
        router.clone().oneshot(request)
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new());
    // A connection that breaks is the caller's affair, and often what was wanted.
    let _ = connection.serve_connection(wire, service).await;
}

/// A request as a handler needs it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// None when it was too large or broke off.
    pub(crate) body: Option<Bytes>,
    pub(crate) cut: Cut,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// False when a page from elsewhere has sent it: a browser says so in `Origin`, other programs say nothing.
    pub(crate) fn is_from_here(&self) -> bool {
        let host = self.header("host").unwrap_or_default();
        match self.header("origin") {
            None => !self.headers.contains_key("origin"),
            Some(origin) => origin.strip_prefix("http://") == Some(host),
        }
    }

    /// The body; nothing for one that was too large.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The pairs of a form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(self.bytes())
    }

    /// The pairs of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        pairs(self.uri.query().unwrap_or_default().as_bytes())
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        Ok(Self {
            cut: parts.extensions.get().cloned().unwrap_or_default(),
            uri: parts.uri,
            headers: parts.headers,
            body: to_bytes(body, BODY_BYTES_MAX).await.ok(),
        })
    }
}
