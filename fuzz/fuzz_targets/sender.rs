//! Anything that a sender may say, against a receiver: no panic, no overflow, an end with a reason,
//! and no more memory than the frames need.
#![no_main]


use libfuzzer_sys::fuzz_target;
use vidchat::failure::Failure;
use vidchat::frame::FrameHeader;
use vidchat::net::receiver::ReceiveOptions;
use vidchat::net::{Sink, StreamStats, fuzzing};
use vidchat::wire::{Caps, Loss};
use vidchat_fuzz::Said;

const MAX_FRAME: u64 = 1 << 16;

struct Shown;

impl Sink for Shown {
    type Buffer = Vec<u8>;

    fn hello(&mut self, name: &str) {
        assert!(!name.contains(char::is_control));
    }

    fn caps(&mut self, caps: &Caps) -> Result<(), Failure> {
        let _ = (caps.describe(), caps.display_size());
        Ok(())
    }

    fn buffer(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        assert!(length as u64 <= MAX_FRAME);
        Ok(vec![0; length])
    }

    fn lost(&mut self, loss: &Loss) {
        assert!(!loss.reason.contains(char::is_control));
    }

    fn frame(&mut self, _header: &FrameHeader, _buffer: Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }
}

fuzz_target!(|said: Vec<Said>| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("there is a runtime");
    runtime.block_on(async {
        let (mut peer, stream) = tokio::io::duplex(4096);
        let receiving = tokio::spawn(async move {
            let options = ReceiveOptions {
                max_frame: MAX_FRAME,
                ..ReceiveOptions::default()
            };
            let stats = StreamStats::default();
            fuzzing::receive(stream, &options, &stats, &mut Shown).await
        });
        for said in &said {
            said.say(&mut peer).await;
        }
        vidchat_fuzz::hang_up(peer).await;
        let error = receiving.await.expect("no panic").to_string();
        assert!(!error.is_empty() && !error.contains(char::is_control), "{error:?}");
    });
});
