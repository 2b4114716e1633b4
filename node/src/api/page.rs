//! The status page: one file, without anything from elsewhere.

use axum::response::Html;

/// The page; it asks the API.
pub(crate) async fn page() -> Html<&'static str> {
    Html(include_str!("page.html"))
}
