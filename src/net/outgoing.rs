//! The connections of this process that a library makes and writes to, such as those of an RTMP sink.
//!
//! A socket takes hundreds of kilobytes before a write waits, which on a thin link is a second and
//! more of video: a queue that the writer does not see. The connections of vidchat's own protocol have
//! a bound for the bytes that wait unsent, and these get the same one.

/// Bounds what waits unsent on each connection of this process to `port`. Returns how many there are.
/// Where the system cannot do that, they stay as they are.
#[cfg(target_os = "linux")]
pub fn bound_unsent(port: u16) -> usize {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    use socket2::SockRef;

    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        return 0;
    };
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = files
        .flatten()
        .filter_map(|file| file.file_name().to_str()?.parse().ok());
    // The library may close its own at any time, so each is looked at by a descriptor of ours.
    let copies =
        numbers.filter_map(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok());
    let is_bounded = |file: std::os::fd::OwnedFd| {
        let socket = SockRef::from(&file);
        let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
        peer.is_some_and(|peer| peer.port() == port) && super::socket::bound_unsent(&socket).is_ok()
    };
    copies
        .filter_map(|file| is_bounded(file).then_some(()))
        .count()
}

/// As on Linux, where a process can look at its own connections.
#[cfg(not(target_os = "linux"))]
pub fn bound_unsent(_port: u16) -> usize {
    0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// How many bytes a connection takes that nobody reads.
    fn taken(stream: &mut TcpStream) -> usize {
        stream.set_nonblocking(true).unwrap();
        let mut all = 0;
        while let Ok(bytes) = stream.write(&[0; 4096]) {
            all += bytes;
        }
        all
    }

    #[test]
    fn a_connection_that_somebody_else_made_takes_less_before_it_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(bound_unsent(port), 0, "there is none yet");
        let mut streams: Vec<_> = (0..2)
            .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        let _accepted: Vec<_> = (0..2).map(|_| listener.accept().unwrap()).collect();
        let before = taken(&mut streams[0]);
        assert_eq!(bound_unsent(port), 2, "those of this process alone");
        let after = taken(&mut streams[1]);
        assert!(after < before * 3 / 4, "{after} bytes after {before}");
    }
}
