//! The partner of intake: the same server around a handler that only answers 202.

use std::net::{Ipv4Addr, SocketAddr};

use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::Listener;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::mpsc;

use crate::child;

/// How to serve.
#[derive(Serialize, Deserialize)]
pub(crate) struct Plan {
    /// As many as `relais web` has.
    pub(crate) threads: usize,
}

/// Answers with its port and serves until it is killed. Connections are dealt to one runtime per thread, in turn, as
/// `relais web` deals them.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let main = runtime::Builder::new_current_thread().enable_all().build()?;
    let dealers: Vec<_> = (0..plan.threads)
        .map(|_| {
            let (dealer, dealt) = mpsc::channel(1024);
            std::thread::spawn(move || -> anyhow::Result<()> {
                let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
                let app =
                    axum::Router::new().route("/webhooks/{provider}/{endpoint}", post(async || StatusCode::ACCEPTED));
                Ok(runtime.block_on(axum::serve(Dealt(dealt), app).into_future())?)
            });
            dealer
        })
        .collect();
    main.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        child::answer(&listener.local_addr()?.port())?;
        let mut turns = (0..plan.threads).cycle();
        loop {
            let (connection, _) = listener.accept().await?;
            connection.set_nodelay(true)?;
            dealers[turns.next().unwrap_or_default()]
                .send(connection.into_std()?)
                .await?;
        }
    })
}

/// A connection comes without a runtime and joins that of its thread: the accepting one must not do its work.
struct Dealt(mpsc::Receiver<std::net::TcpStream>);

impl Listener for Dealt {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.0.recv().await {
                Some(connection) => {
                    if let (Ok(address), Ok(connection)) = (connection.peer_addr(), TcpStream::from_std(connection)) {
                        return (connection, address);
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(SocketAddr::from(([0, 0, 0, 0], 0)))
    }
}
