//! Errors as the API tells them.

use super::answers::{ErrorAnswer, ErrorBody};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hpaxos_ledger::{Code, Refusal};

/// An error with its status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

impl Failure {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: code.into(), message: message.into(), at: None, home: None };
        Failure { status, body }
    }

    pub fn malformed(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, "malformed", message)
    }

    pub fn too_slow(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::REQUEST_TIMEOUT, "malformed", message)
    }

    pub fn content_type() -> Self {
        let message = "the body should come with `Content-Type: application/json`";
        Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", message)
    }

    pub fn method(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "malformed", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub fn busy(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "busy", message)
    }

    pub fn not_ready(message: impl Into<String>) -> Self {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.code {
            Code::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
            Code::BadSignature => (StatusCode::BAD_REQUEST, "bad_signature"),
            Code::Expired => (StatusCode::BAD_REQUEST, "expired"),
            Code::TooFar => (StatusCode::BAD_REQUEST, "too_far"),
            Code::Limits => (StatusCode::BAD_REQUEST, "limits"),
            Code::WrongHome => (StatusCode::CONFLICT, "wrong_home"),
            Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        };
        let Refusal { message, at, home, .. } = refusal;
        Failure { status, body: ErrorBody { code: code.into(), message, at, home } }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let busy = self.status == StatusCode::TOO_MANY_REQUESTS;
        let mut response = (self.status, Json(ErrorAnswer { error: self.body })).into_response();
        if busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
