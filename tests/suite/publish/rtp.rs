//! RTP without a server: what is counted of it.

use super::Publisher;
use crate::support::engines::free_even_port;
use crate::support::written_pipeline;

/// As with zenoh and Media over QUIC: no container changes them. The time in each of them makes it look
/// like the head of one.
#[test]
fn frames_that_reach_an_engine_as_they_are_are_counted() {
    let url = format!("rtp://127.0.0.1:{}", free_even_port());
    let (_folder, file) = written_pipeline("# Nowhere.\nappsrc name=frames ! ${h264} ! fakesink\n");
    let publisher = Publisher::start(&["--pipeline", "test-h264", "--file", &file], &url);
    let line = publisher
        .stats
        .line("frames", |line| line["published"].as_u64() > Some(20));
    assert!(line["age_ms"].is_object(), "{line}");
    publisher.quit();
}
