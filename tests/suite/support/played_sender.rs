//! A sender that a test plays against a receiver: it greets, sends frames, and answers pings.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use vidchat::frame::FrameHeader;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Control, Hello, Pong};

use crate::support::PATIENCE;

/// A port on which a test waits for a receiver.
pub struct PlayedPort(TcpListener);

/// A sender's side of the receiver's newest connection.
pub struct PlayedSender {
    port: PlayedPort,
    stream: TcpStream,
    pings: u32,
    keys: u32,
}

impl PlayedPort {
    pub fn open() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"))
    }

    /// The place to be given to `vidchat recv`.
    pub fn target(&self) -> String {
        self.0.local_addr().expect("it is bound").to_string()
    }

    /// Waits for the receiver, and says hello with these caps.
    pub fn accept(self, caps: &str) -> PlayedSender {
        let stream = self.next();
        let mut sender = PlayedSender {
            port: self,
            stream,
            pings: 0,
            keys: 0,
        };
        sender.greet(caps);
        sender
    }

    fn next(&self) -> TcpStream {
        let (stream, _) = self.0.accept().expect("the receiver connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }
}

impl PlayedSender {
    /// Waits for the receiver's next connection, and says hello on it with these caps.
    pub fn accept_again(&mut self, caps: &str) {
        self.stream = self.port.next();
        self.greet(caps);
    }

    /// The same under another name, after hanging up.
    pub fn accept_again_as(&mut self, name: &str, caps: &str) {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.stream = self.port.next();
        self.greet_as(name, caps);
    }

    fn greet(&mut self, caps: &str) {
        self.greet_as("desk", caps);
    }

    fn greet_as(&mut self, name: &str, caps: &str) {
        self.say(&Control::Hello(Hello {
            vidchat: 1,
            name: name.into(),
            caps: Some(caps.into()),
            ..Hello::default()
        }));
    }

    pub fn say(&mut self, message: &Control) {
        self.stream
            .write_all(&message.encode())
            .expect("it takes it");
    }

    /// Sends a frame, and waits until the receiver has it.
    pub fn send(&mut self, sequence: u32, key: bool, bytes: &[u8]) {
        assert!(self.try_send(sequence, key, bytes), "it left");
    }

    /// Sends a frame, and waits until the receiver has it; false where that leaves.
    pub fn try_send(&mut self, sequence: u32, key: bool, bytes: &[u8]) -> bool {
        let header = FrameHeader {
            key,
            ack: true,
            sequence,
            ..FrameHeader::default()
        };
        let frame = [&encode_frame_head(&header, bytes.len()), bytes].concat();
        if self.stream.write_all(&frame).is_err() {
            return false;
        }
        loop {
            match self.try_hear() {
                Ok(Control::Ack(ack)) if ack.sequence == sequence => return true,
                Ok(Control::Bye(_)) => return false,
                Ok(_) => {}
                // It may be reset behind what was sent last. A receiver that is silent stays.
                Err(e) => {
                    assert_ne!(e.kind(), ErrorKind::WouldBlock, "nothing for {PATIENCE:?}");
                    return false;
                }
            }
        }
    }

    /// The next message of the receiver. A ping is counted and answered.
    pub fn hear(&mut self) -> Control {
        self.try_hear().expect("a message")
    }

    fn try_hear(&mut self) -> io::Result<Control> {
        let mut length = [0; 8];
        self.stream.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length).try_into().expect("a length");
        let mut json = vec![0; length];
        self.stream.read_exact(&mut json)?;
        let message = Control::decode(&json).expect("a control message");
        self.keys += u32::from(message == Control::Key);
        if let Control::Ping { sent } = message {
            self.pings += 1;
            let pong = Control::Pong(Pong {
                sent,
                received: 1,
                replied: 1,
                sent_ms: None,
            });
            self.stream.write_all(&pong.encode())?;
        }
        Ok(message)
    }

    /// How many requests for a key frame have come.
    pub fn keys(&self) -> u32 {
        self.keys
    }

    /// Hears so many pings from here on: the receiver lives.
    pub fn hear_pings(&mut self, count: u32) {
        let enough = self.pings + count;
        while self.pings < enough {
            self.hear();
        }
    }

    /// Waits until the receiver has ended the connection. A reset is an end too, as not all was
    /// read.
    pub fn hear_the_end(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
    }

    pub fn has_no_other_connection(&self) {
        self.port.0.set_nonblocking(true).expect("a socket");
        let another = self.port.0.accept().map_err(|e| e.kind());
        assert_eq!(another.err(), Some(ErrorKind::WouldBlock));
    }
}
