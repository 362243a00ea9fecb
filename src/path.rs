//! What the path of a request names.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{self, FromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

/// The named parts of a path. Bytes that are no text name nothing.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(named)) => Ok(Self(named)),
            Err(rejection) if is_no_text(&rejection) => {
                Err(Problem::new(Code::NotFound, "The path is not text in UTF-8."))
            }
            Err(rejection) => {
                tracing::error!(error = %rejection, "A route and its handler do not fit.");
                Err(Problem::new(Code::Internal, "The log of this time says more."))
            }
        }
    }
}

fn is_no_text(rejection: &PathRejection) -> bool {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return false;
    };
    matches!(failed.kind(), ErrorKind::InvalidUtf8InPathParam { .. })
}
