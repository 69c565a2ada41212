//! This machine's name.

/// This machine's name, as the other side sees it.
pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
