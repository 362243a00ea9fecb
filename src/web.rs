//! `relais web`: takes webhooks and the API's requests.
//!
//! One thread per core, each with a runtime, a queue connection and a collector of adds of its own, so that a request
//! never leaves its thread. A separate thread accepts connections and deals them out in turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::Listener;
use queue::{Client, Clock};
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{mpsc, watch};

use crate::api::{self, Api};
use crate::config::Settings;
use crate::intake::endpoints::Endpoints;
use crate::intake::{self, Intake};
use crate::ops::metrics::Figures;
use crate::ops::{self, Ops};
use crate::problem::{Code, Problem};
use crate::{connect, signals};

/// How many accepted connections may wait for a thread.
const WAITING_CONNECTIONS_MAX: usize = 1024;
/// How often collected times are sorted into their buckets.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Everything that answers requests.
pub fn router(store: &Store, queue: &Client, endpoints: Arc<Endpoints>, figures: Figures) -> Router {
    intake::router(Intake::new(queue.clone(), endpoints))
        .merge(api::router(Api { store: store.clone() }))
        .merge(ops::router(Ops {
            store: store.clone(),
            queue: queue.clone(),
            figures,
        }))
        .fallback(async || Problem::new(Code::NotFound, "The README and /openapi.json name all addresses."))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed, "/openapi.json names the methods."))
}

/// Runs until SIGTERM or SIGINT, and then until the requests under way are answered.
///
/// # Errors
/// When the port is taken, or what the settings name cannot be used.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let figures = Figures::install()?;
    let main = runtime::Builder::new_current_thread().enable_all().build()?;
    main.block_on(async { connect::refuse_unsafe(&*connect::queue(settings).await?).await })?;
    let listener = main.block_on(listen(settings))?;
    let (end, ended) = watch::channel(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut dealers = Vec::new();
        for number in 0..settings.web_threads {
            let (dealer, dealt) = mpsc::channel(WAITING_CONNECTIONS_MAX);
            let (figures, ended) = (figures.clone(), ended.clone());
            let thread = thread::Builder::new().name(format!("web-{number}"));
            threads.push(thread.spawn_scoped(scope, move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(answer(settings, figures, Dealt(dealt), ended))
            })?);
            dealers.push(dealer);
        }
        let accepted = main.block_on(accept(listener, &figures, dealers));
        end.send_replace(true);
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a web thread panicked"))??;
        }
        accepted
    })
}

async fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(settings.host, settings.port);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// Accepts connections and deals them out until the process is to end.
async fn accept(
    mut listener: TcpListener,
    figures: &Figures,
    dealers: Vec<mpsc::Sender<std::net::TcpStream>>,
) -> anyhow::Result<()> {
    tracing::info!(address = %listener.local_addr()?, threads = dealers.len(), "Listening.");
    let mut tidy = tokio::time::interval(TIDY_EVERY);
    let mut turns = (0..dealers.len()).cycle();
    let mut end = std::pin::pin!(signals::end());
    loop {
        tokio::select! {
            // axum's accept knows which errors pass, and waits when there are too many open files.
            (connection, _) = Listener::accept(&mut listener) => {
                // Small answers must not wait for more to send.
                match connection.set_nodelay(true).and_then(|()| connection.into_std()) {
                    Ok(connection) => {
                        let dealer = &dealers[turns.next().unwrap_or_default()];
                        dealer.send(connection).await.context("a web thread has ended")?;
                    }
                    Err(error) => tracing::debug!(%error, "A connection was gone before it began."),
                }
            }
            _ = tidy.tick() => figures.tidy(),
            () = &mut end => {
                tracing::info!("Asked to end: no new connections; answering what is under way.");
                return Ok(());
            }
        }
    }
}

/// One thread's work: answers the requests of the connections that it is dealt.
async fn answer(
    settings: &Settings,
    figures: Figures,
    connections: Dealt,
    mut ended: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let store = connect::store(settings).await?;
    let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
    let endpoints = Arc::new(Endpoints::new(store.clone()));
    match endpoints.preload().await {
        Ok(known) => tracing::debug!(known, "Webhook endpoints read."),
        Err(error) => tracing::warn!(%error, "The database is away; endpoints will be looked up when it is back."),
    }
    let app = router(&store, &queue, endpoints, figures);
    let end = async move {
        // An error means that the accepting thread is gone, which is an end as well.
        drop(ended.wait_for(|ended| *ended).await);
    };
    let grace = settings.shutdown_grace;
    let (asked, was_asked) = tokio::sync::oneshot::channel::<()>();
    let end = async move {
        end.await;
        drop(asked);
    };
    let serving = axum::serve(connections, app).with_graceful_shutdown(end);
    tokio::select! {
        result = serving.into_future() => Ok(result?),
        () = async { drop(was_asked.await); tokio::time::sleep(grace).await } => {
            tracing::warn!("Some requests were still under way at the end of the grace.");
            Ok(())
        }
    }
}

/// The connections that a thread is dealt, as a listener.
///
/// They come without a runtime and join this thread's own: one that stayed with the accepting thread's would hear
/// nothing any more once that thread has stopped accepting.
struct Dealt(mpsc::Receiver<std::net::TcpStream>);

impl Listener for Dealt {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.recv().await {
                Some(connection) => {
                    let joined = TcpStream::from_std(connection);
                    if let Ok((connection, address)) = joined.and_then(|it| it.peer_addr().map(|at| (it, at))) {
                        return (connection, address);
                    }
                }
                // The dealer is gone: the process ends, and nothing will come any more.
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}
