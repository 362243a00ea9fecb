//! What the three apalis contenders share: the handler, and a worker around any of the backends.

use std::sync::Arc;

use apalis::prelude::{BoxDynError, Data};

use crate::job::Nothing;
use crate::stage::Stage;

/// The handler.
///
/// # Errors
/// None.
#[doc(hidden)]
pub async fn nothing(job: Nothing, stage: Data<Arc<Stage>>) -> Result<(), BoxDynError> {
    stage.ran(&job);
    Ok(())
}

/// Runs an apalis worker on a backend until the stage is over, then stops it and waits for its end. A macro, because a
/// backend's bounds are longer than this.
#[macro_export]
macro_rules! apalis_worker {
    ($backend:expr, $stage:expr, $concurrency:expr) => {{
        use ::apalis::prelude::{WorkerBuilder, WorkerBuilderExt as _, WorkerContext};
        let (stage, backend) = ($stage, $backend);
        let context = WorkerContext::new($crate::WORKER);
        let builder = WorkerBuilder::new(&context)
            .backend(backend)
            .data(::std::sync::Arc::clone(&stage));
        // Out of the box there is no limit.
        let worker = match $concurrency {
            Some(concurrency) => ::tokio::spawn(builder.concurrency(concurrency).build($crate::nothing).run()),
            None => ::tokio::spawn(builder.build($crate::nothing).run()),
        };
        let mut worker = worker;
        ::tokio::select! {
            ended = &mut worker => {
                ended??;
                ::anyhow::bail!("the worker ended by itself");
            }
            () = stage.over() => {}
        }
        context.stop()?;
        worker.await??;
        Ok(())
    }};
}
