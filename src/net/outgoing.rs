//! The bytes that the system holds for a connection of this process that somebody else writes to: a
//! queue that the writer does not see.
//!
//! A socket takes hundreds of kilobytes before a write waits, which on a thin link is a second and
//! more of video. The connections of this program's own protocol have a bound of their own
//! (`TCP_NOTSENT_LOWAT`). Those of a library have none, so their queues are looked at.

/// The connections of this process to one port.
#[derive(Debug)]
pub struct OutgoingQueue {
    #[cfg(target_os = "linux")]
    port: u16,
}

impl OutgoingQueue {
    /// Looks at the connections to `port`.
    pub fn to(port: u16) -> Self {
        #[cfg(not(target_os = "linux"))]
        let _ = port;
        Self {
            #[cfg(target_os = "linux")]
            port,
        }
    }

    /// The bytes that were written and that the other side has not acknowledged; `None` where there
    /// is no connection, or where the system does not tell.
    #[cfg(target_os = "linux")]
    pub fn bytes(&self) -> Option<u64> {
        let own = linux::own_sockets();
        let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
        let texts = tables.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        let rows = texts.iter().flat_map(|text| text.lines().skip(1));
        let queues = rows.filter_map(linux::Row::parse);
        queues
            .filter(|row| row.port == self.port && own.contains(&row.inode))
            .map(|row| row.queued)
            .reduce(u64::saturating_add)
    }

    /// As on Linux, where the system tells.
    #[cfg(not(target_os = "linux"))]
    pub fn bytes(&self) -> Option<u64> {
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashSet;

    /// One connection of the system's table.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Row {
        /// The port of the other side.
        pub port: u16,
        /// Bytes that were written and not acknowledged.
        pub queued: u64,
        pub inode: u64,
    }

    impl Row {
        /// Reads a line of `/proc/net/tcp`; `None` where it is none.
        pub(super) fn parse(line: &str) -> Option<Self> {
            let mut words = line.split_whitespace();
            let remote = words.nth(2)?;
            let queues = words.nth(1)?;
            let inode = words.nth(4)?;
            Some(Self {
                port: u16::from_str_radix(remote.rsplit_once(':')?.1, 16).ok()?,
                queued: u64::from_str_radix(queues.split_once(':')?.0, 16).ok()?,
                inode: inode.parse().ok()?,
            })
        }
    }

    /// The sockets of this process, by their inodes.
    pub(super) fn own_sockets() -> HashSet<u64> {
        let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        let targets = files.flatten().filter_map(|file| file.path().read_link().ok());
        let inode = |target: std::path::PathBuf| {
            let name = target.to_str()?.strip_prefix("socket:[")?;
            name.strip_suffix(']')?.parse().ok()
        };
        targets.filter_map(inode).collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::linux::Row;
    use super::*;

    #[test]
    fn bytes_that_nobody_reads_are_counted_and_those_of_others_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let queue = OutgoingQueue::to(port);
        assert_eq!(queue.bytes(), None, "there is no connection");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let reader = listener.accept().unwrap().0;
        assert_eq!(queue.bytes(), Some(0));
        stream.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = stream.write(&[0; 64 * 1024]) {
            written += bytes;
        }
        let queued = queue.bytes().unwrap();
        assert!(queued > 0 && queued <= written as u64, "{queued} of {written}");
        drop(reader);
    }

    #[test]
    fn a_line_of_the_table_is_read_and_another_text_is_not() {
        let line = "   1: 0100007F:9C40 0100007F:078F 01 0000A12B:00000000 01:00000014 00000000 \
                    1000        0 123456 2 0000000000000000 20 4 30 10 -1";
        let row = Row { port: 1935, queued: 0xa12b, inode: 123_456 };
        assert_eq!(Row::parse(line), Some(row));
        for text in ["", "sl local_address", "1: 0:0 zz:zz 01 x:y a b c d"] {
            assert_eq!(Row::parse(text), None, "{text}");
        }
    }
}
