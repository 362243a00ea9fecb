//! `relais web`: takes webhooks and the API's requests.
//!
//! One thread per core, each with a runtime, a queue connection and a collector of adds of its own, so that a request
//! never leaves its thread. A separate thread accepts connections and deals them out in turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use axum::{Extension, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use queue::{Client, Clock};
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tower::Layer as _;

use crate::api::{self, Api};
use crate::client_address;
use crate::config::Settings;
use crate::correlation;
use crate::intake::endpoints::Endpoints;
use crate::intake::{self, Intake, failures};
use crate::ops::metrics::Figures;
use crate::ops::{self, Ops, Vitals};
use crate::problem::{Code, Problem};
use crate::{connect, signals};

/// How many accepted connections may wait for a thread.
const WAITING_CONNECTIONS_MAX: usize = 1024;
/// How many connections a thread keeps open; more wait to be accepted.
const CONNECTIONS_MAX: usize = 10_000;
/// How long a connection may take to send a request's headers; also how long it may stay open without a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(60);
/// How often collected times are sorted into their buckets.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Everything that answers requests.
pub fn router(
    store: &Store,
    queue: &Client,
    endpoints: Arc<Endpoints>,
    figures: Figures,
    vitals: Vitals,
    proxy_hops: usize,
) -> Router {
    api::router(Api {
        store: store.clone(),
        queue: queue.clone(),
    })
    .layer(middleware::from_fn_with_state(proxy_hops, client_address::find))
    .merge(ops::router(Ops {
        store: store.clone(),
        queue: queue.clone(),
        figures,
        vitals,
    }))
    .fallback(async || Problem::new(Code::NotFound, "The README and /openapi.json name all addresses."))
    .layer(middleware::from_fn(correlation::on_answers))
    // Intake looks after its ids itself: they go into its jobs.
    .merge(intake::router(Intake::new(queue.clone(), endpoints)))
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
    let (ready, all_ready) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut dealers = Vec::new();
        for number in 0..settings.web_threads {
            let (dealer, dealt) = mpsc::channel(WAITING_CONNECTIONS_MAX);
            let (figures, ended, ready) = (figures.clone(), ended.clone(), ready.clone());
            let thread = thread::Builder::new().name(format!("web-{number}"));
            threads.push(thread.spawn_scoped(scope, move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(answer(settings, figures, dealt, ready, ended))
            })?);
            dealers.push(dealer);
        }
        // A thread that cannot start lets go of its end without a word; its error is told when it is joined.
        drop(ready);
        let accepted = match all_ready.iter().count() == settings.web_threads {
            true => main.block_on(accept(listener, &figures, dealers)),
            false => Ok(()),
        };
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
    connections: mpsc::Receiver<std::net::TcpStream>,
    ready: std::sync::mpsc::Sender<()>,
    ended: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let store = connect::store(settings).await?;
    let queue = Client::new(connect::queue(settings).await?, settings.keyring.clone(), Clock::System);
    let endpoints = Arc::new(Endpoints::new(store.clone(), &settings.public_url));
    match endpoints.preload().await {
        Ok(known) => tracing::debug!(known, "Webhook endpoints read."),
        Err(error) => tracing::warn!(%error, "The database is away; endpoints will be looked up when it is back."),
    }
    let app = router(
        &store,
        &queue,
        Arc::clone(&endpoints),
        figures,
        Vitals::default(),
        settings.proxy_hops,
    );
    ready.send(()).context("nobody waits for this thread")?;
    drop(ready);
    let counting = tokio::spawn(failures::hand_over(Arc::clone(&endpoints)));
    serve(connections, app, ended, settings.shutdown_grace).await;
    counting.abort();
    endpoints.hand_over_failures().await;
    Ok(())
}

/// Answers the requests of dealt connections until the process is to end, and then those that are under way.
///
/// hyper is driven directly, because a connection that sends nothing must not live for ever: `axum::serve` gives it no
/// timer.
async fn serve(
    mut connections: mpsc::Receiver<std::net::TcpStream>,
    app: Router,
    mut ended: watch::Receiver<bool>,
    grace: Duration,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    let open = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let under_way = GracefulShutdown::new();
    loop {
        let place = Arc::clone(&open).acquire_owned().await;
        let connection = tokio::select! {
            Some(connection) = connections.recv() => connection,
            // An error means that the accepting thread is gone, which is an end as well.
            _ = ended.wait_for(|ended| *ended) => break,
        };
        // It comes without a runtime and joins this thread's own: one that stayed with the accepting thread's would
        // hear nothing any more once that thread has stopped accepting.
        let Ok(connection) = TcpStream::from_std(connection) else {
            continue;
        };
        // Gone already: it will say so itself.
        let Ok(peer) = connection.peer_addr() else { continue };
        let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(app.clone()));
        let answering = under_way.watch(http.serve_connection(TokioIo::new(connection), service));
        tokio::spawn(async move {
            if let Err(error) = answering.await {
                tracing::debug!(%error, "A connection ended in the middle of a request.");
            }
            drop(place);
        });
    }
    if tokio::time::timeout(grace, under_way.shutdown()).await.is_err() {
        tracing::warn!("Some requests were still under way at the end of the grace.");
    }
}
