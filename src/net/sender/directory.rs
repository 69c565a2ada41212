//! The streams of one sender, by name. A viewer may ask for one by name, or gets the default.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::net::hub::Hub;

/// Hubs by name, one of them the default. Streams may come and go while viewers watch.
#[derive(Debug)]
pub struct Directory {
    default: Arc<Hub>,
    named: Mutex<BTreeMap<String, Arc<Hub>>>,
}

impl Directory {
    /// A directory of one stream, which needs no name.
    pub fn new(default: Arc<Hub>) -> Self {
        Self {
            default,
            named: Mutex::default(),
        }
    }

    /// The stream for viewers that ask for none.
    pub fn default_hub(&self) -> &Arc<Hub> {
        &self.default
    }

    /// Names a stream, and returns the stream that had the name before. The default stream is named
    /// with [`Directory::default_hub`].
    pub fn insert(&self, name: impl Into<String>, hub: Arc<Hub>) -> Option<Arc<Hub>> {
        self.named.lock().insert(name.into(), hub)
    }

    /// Removes a name. Viewers of its stream stay until the stream ends.
    pub fn remove(&self, name: &str) -> Option<Arc<Hub>> {
        self.named.lock().remove(name)
    }

    /// The stream of this name, or the default where `name` is `None`; `None` where there is no
    /// such stream.
    pub fn find(&self, name: Option<&str>) -> Option<Arc<Hub>> {
        match name {
            None => Some(Arc::clone(&self.default)),
            Some(name) => self.named.lock().get(name).cloned(),
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.named.lock().keys().cloned().collect()
    }

    /// Every stream, once.
    pub fn hubs(&self) -> Vec<Arc<Hub>> {
        let mut hubs = vec![Arc::clone(&self.default)];
        for hub in self.named.lock().values() {
            if !hubs.iter().any(|known| Arc::ptr_eq(known, hub)) {
                hubs.push(Arc::clone(hub));
            }
        }
        hubs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_by_its_name_and_the_default_without_one() {
        let (camera, screen) = (Hub::new(), Hub::new());
        let directory = Directory::new(Arc::clone(&camera));
        directory.insert("screen", Arc::clone(&screen));
        directory.insert("camera", Arc::clone(&camera));
        let is = |name, hub: &Arc<Hub>| {
            let found = directory.find(name);
            found.is_some_and(|found| Arc::ptr_eq(&found, hub))
        };
        assert!(is(None, &camera) && is(Some("camera"), &camera) && is(Some("screen"), &screen));
        assert!(directory.find(Some("Screen")).is_none());
        assert_eq!(directory.names(), ["camera", "screen"]);
        assert_eq!(directory.hubs().len(), 2);
        assert!(directory.remove("screen").is_some());
        assert!(directory.find(Some("screen")).is_none());
    }
}
