//! A branch of a `select` that may be missing.

/// Waits for the future, or for ever where it is `None`.
pub(super) async fn or_never<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
