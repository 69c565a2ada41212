//! Anything that a viewer may say, against a sender: no panic, no overflow, and its seat is free when
//! it has gone.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vidchat::frame::{Frame, FrameHeader};
use vidchat::net::sender::ServerOptions;
use vidchat::net::{Hub, Service, fuzzing};
use vidchat::wire::Caps;
use vidchat_fuzz::Said;

const CAPS: &str = "video/x-raw, format=(string)GRAY8, width=(int)16, height=(int)4, \
    framerate=(fraction)30/1";

fuzz_target!(|input: (bool, Vec<Said>)| {
    let (delta, said) = input;
    // Time passes at once whenever all tasks wait.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("there is a runtime");
    runtime.block_on(async {
        let hub = Hub::new();
        hub.announce(Caps::parse(CAPS).expect("the caps are good"));
        let service = Service::new(Arc::clone(&hub), ServerOptions::default());
        let (mut peer, stream) = tokio::io::duplex(4096);
        let address = "192.0.2.1:9".parse().expect("it is an address");
        let serving = tokio::spawn(fuzzing::send(stream, address, Arc::clone(&service)));
        for (number, said) in (0..).zip(&said) {
            let header = FrameHeader {
                key: !delta || number == 0,
                sequence: number,
                captured_at: 1_700_000_000_000_000_000,
                ..FrameHeader::default()
            };
            let data = Bytes::from_static(&[7; 64]);
            hub.publish(Frame { header, data });
            said.say(&mut peer).await;
            for link in service.viewers().list() {
                let _ = (link.progress(), link.sent_ages());
            }
        }
        vidchat_fuzz::hang_up(peer).await;
        serving.await.expect("no panic");
        assert_eq!(service.viewers().count(), 0);
        assert_eq!(*hub.watching().borrow(), 0);
    });
});
