//! Our queue as a backend of the apalis runtime, which runs the workers.
//!
//! apalis pulls claimed jobs out of the [pump](crate::pump)'s channel and drives them through its service stack; the
//! *settling layer* around that stack takes the outcome back to the pump. Retries, leases and dead letters stay in the
//! queue: apalis only ever sees a service that answers with an [`Outcome`] and never fails.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use apalis_core::worker::context::WorkerContext;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tower::{Layer, Service};
use uuid::Uuid;

use crate::backend::Outcome;
use crate::held::Held;
use crate::run::{Ended, Runner, decide_panicked};

/// The source of claimed jobs for one apalis worker.
pub struct Source(mpsc::UnboundedReceiver<Arc<Held>>);

impl Source {
    /// Takes over what a [`Pump`](crate::Pump) hands out.
    #[must_use]
    pub fn new(claimed: mpsc::UnboundedReceiver<Arc<Held>>) -> Self {
        Self(claimed)
    }
}

impl Backend for Source {
    type Task = Task<Arc<Held>>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        let held = ready!(self.0.poll_recv(cx));
        if held.is_none() {
            // The pump has ended. Without being told to stop, an apalis worker whose source is exhausted waits for ever.
            // It only refuses if it never started.
            drop(worker.stop());
        }
        Poll::Ready(held.map(|held| Ok(Task::new(held))))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        // What was claimed and not started is released by being dropped.
        self.0.close();
        while self.0.try_recv().is_ok() {}
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Source {
    type Args = Arc<Held>;
    type Id = Uuid;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Settling;

    fn config(&self) -> &Self::Config {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Settling
    }
}

/// Takes the outcome of every run back to the pump.
#[derive(Clone, Copy, Debug)]
pub struct Settling;

impl<S> Layer<S> for Settling {
    type Service = SettlingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SettlingService(inner)
    }
}

/// See [`Settling`].
#[derive(Clone, Debug)]
pub struct SettlingService<S>(S);

impl<S> Service<Task<Arc<Held>>> for SettlingService<S>
where
    S: Service<Task<Arc<Held>>, Response = Ended>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Arc<Held>>) -> Self::Future {
        let held = Arc::clone(&task.args);
        let run = self.0.call(task);
        Box::pin(async move {
            // An error can only come from a layer in between; the job goes back uncharged.
            held.finish(run.await.unwrap_or_else(|_| Outcome::Release.into()));
            Ok(())
        })
    }
}

/// Runs one claimed job, when it may start, in a task of its own: its panic is contained, it can be stopped, and it may use
/// another core.
pub async fn run<C: Send + Sync + 'static>(runner: Arc<Runner<C>>, held: Arc<Held>) -> Ended {
    let task = tokio::spawn({
        let (runner, held) = (Arc::clone(&runner), Arc::clone(&held));
        async move { runner.run(held.claimed(), held.starts_at()).await }
    });
    held.started(task.abort_handle());
    match task.await {
        Ok(ended) => ended,
        Err(error) if error.is_panic() => decide_panicked(&runner, held.claimed()).into(),
        Err(_) => held.stopped().into(),
    }
}
